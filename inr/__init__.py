"""inr: fit neural fields to pictures, sound, shapes and arrays.

    import inr
    fit = inr.fit("photo.png", field="hash_grid")
    values, meta = fit.render(scale=2)      # fit.metrics, fit.save("photo.safetensors"), fit.field
    fit = inr.load("photo.safetensors")
    mesh = inr.extract_mesh(inr.load("bunny.safetensors"), resolution=256)
    inr.compress("photo.png", "photo.inrz", bpp=0.5)
    inr.decompress("photo.inrz").save("again.png")
    report = inr.ntk_report("photo.png", "siren")         # what it will and will not learn
    field = inr.build_field("siren", d_in=2, d_out=3)     # a torch.nn.Module for your own loop

Names are imported on first use, so `import inr` is fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

from inr._version import __version__ as __version__

if TYPE_CHECKING:
    from inr._api import build_field as build_field
    from inr._api import compare as compare
    from inr._api import convert as convert
    from inr._api import csg as csg
    from inr._api import extract_mesh as extract_mesh
    from inr._api import fit as fit
    from inr._api import load as load
    from inr.codec import compress as compress
    from inr.codec import decompress as decompress
    from inr.core.errors import ConfigError as ConfigError
    from inr.core.errors import EmptyError as EmptyError
    from inr.core.errors import FormatError as FormatError
    from inr.core.errors import InrError as InrError
    from inr.core.errors import UnavailableError as UnavailableError
    from inr.core.errors import UnreadableError as UnreadableError
    from inr.core.errors import UsageError as UsageError
    from inr.exporters import export as export
    from inr.fields import Field as Field
    from inr.fitting import Fit as Fit
    from inr.ntk import ntk_report as ntk_report
    from inr.signals import Signal as Signal
    from inr.signals import load_signal as load_signal
    from inr.solving import Problem as Problem
    from inr.solving import Solution as Solution
    from inr.solving import solve as solve

__getattr__, _, _names = lazy_loader.attach(
    __name__,
    submod_attrs={
        "_api": ["build_field", "compare", "convert", "csg", "extract_mesh", "fit", "load"],
        "core.errors": [
            "ConfigError",
            "EmptyError",
            "FormatError",
            "InrError",
            "UnavailableError",
            "UnreadableError",
            "UsageError",
        ],
        "codec": ["compress", "decompress"],
        "exporters": ["export"],
        "fields": ["Field"],
        "fitting": ["Fit"],
        "ntk": ["ntk_report"],
        "signals": ["Signal", "load_signal"],
        "solving": ["Problem", "Solution", "solve"],
    },
)
__all__ = sorted([*_names, "__version__"])


def __dir__() -> list[str]:
    return __all__
