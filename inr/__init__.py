"""inr: fit neural fields to pictures, sound, shapes and arrays.

    import inr
    fit = inr.fit("photo.png", field="hash_grid")
    values, meta = fit.render(scale=2)      # fit.metrics, fit.save("photo.safetensors"), fit.field
    fit = inr.load("photo.safetensors")
    mesh = inr.extract_mesh(inr.load("bunny.safetensors"), resolution=256)
    inr.compress("photo.png", "photo.inrz", bpp=0.5)
    inr.decompress("photo.inrz").save("again.png")
    field = inr.build_field("siren", d_in=2, d_out=3)     # a torch.nn.Module for a loop of your own

Names are imported on first use, so that `import inr` is light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inr._api import build_field as build_field
    from inr._api import extract_mesh as extract_mesh
    from inr._api import fit as fit
    from inr._api import load as load
    from inr._errors import FormatError as FormatError
    from inr.codec import compress as compress
    from inr.codec import decompress as decompress
    from inr.fields import Field as Field
    from inr.fitting import Fit as Fit
    from inr.signals import Signal as Signal
    from inr.signals import load_signal as load_signal

__version__ = "0.1.0"

_HOME = {
    "build_field": "inr._api",
    "fit": "inr._api",
    "load": "inr._api",
    "extract_mesh": "inr._api",
    "compress": "inr.codec",
    "decompress": "inr.codec",
    "FormatError": "inr._errors",
    "Field": "inr.fields",
    "Fit": "inr.fitting",
    "Signal": "inr.signals",
    "load_signal": "inr.signals",
}

__all__ = [
    "Field",
    "Fit",
    "FormatError",
    "Signal",
    "__version__",
    "build_field",
    "compress",
    "decompress",
    "extract_mesh",
    "fit",
    "load",
    "load_signal",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'inr' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
