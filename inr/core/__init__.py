"""What everything stands on: errors, settings, registries, domains, samples, files. Imports nothing else of `inr`.

Names are imported on first use. These are what extensions need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from inr.core.config import Config as Config
    from inr.core.config import override as override
    from inr.core.config import param as param
    from inr.core.config import parse as parse
    from inr.core.domain import Domain as Domain
    from inr.core.domain import Frame as Frame
    from inr.core.domain import Spec as Spec
    from inr.core.registry import Registry as Registry
    from inr.core.samples import Samples as Samples

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "config": ["Config", "override", "param", "parse"],
        "domain": ["Domain", "Frame", "Spec"],
        "registry": ["Registry"],
        "samples": ["Samples"],
    },
)
