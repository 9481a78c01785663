"""Signals: pictures, sound, shapes, point clouds and arrays, their files, units, sampling and metrics.

Names are imported on first use, so that picture files can be read and written without torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inr.signals._signal import SIGNALS as SIGNALS
    from inr.signals._signal import Batch as Batch
    from inr.signals._signal import Evaluate as Evaluate
    from inr.signals._signal import Pool as Pool
    from inr.signals._signal import Signal as Signal
    from inr.signals._signal import Source as Source
    from inr.signals._signal import View as View
    from inr.signals._signal import default_field_of as default_field_of
    from inr.signals._signal import kind_of as kind_of
    from inr.signals._signal import load_signal as load_signal

__all__ = [
    "SIGNALS",
    "Batch",
    "Evaluate",
    "Pool",
    "Signal",
    "Source",
    "View",
    "default_field_of",
    "kind_of",
    "load_signal",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'inr.signals' has no attribute {name!r}")
    return getattr(importlib.import_module("inr.signals._signal"), name)
