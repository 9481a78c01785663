"""Pure functions on tensors, one folder per op, and the choice between their implementations.

Names are imported on first use: what is here for compiled loops alone needs no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inr.kernels._dispatch import Backend as Backend
    from inr.kernels._dispatch import Need as Need
    from inr.kernels._dispatch import Op as Op
    from inr.kernels._dispatch import Row as Row
    from inr.kernels._dispatch import ops as ops
    from inr.kernels._dispatch import table as table
    from inr.kernels._dispatch import use_backend as use_backend
    from inr.kernels._precision import Precision as Precision
    from inr.kernels._precision import use_precision as use_precision

_HOME = {
    **dict.fromkeys(("Backend", "Need", "Op", "Row", "ops", "table", "use_backend"), "inr.kernels._dispatch"),
    **dict.fromkeys(("Precision", "use_precision"), "inr.kernels._precision"),
}

__all__ = ["Backend", "Need", "Op", "Precision", "Row", "ops", "table", "use_backend", "use_precision"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'inr.kernels' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
