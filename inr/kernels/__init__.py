"""Pure functions on tensors, one folder per op, and the choice between their implementations.

Names are imported on first use: the modules for compiled loops need no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from inr.kernels._dispatch import Backend as Backend
    from inr.kernels._dispatch import Need as Need
    from inr.kernels._dispatch import Op as Op
    from inr.kernels._dispatch import Row as Row
    from inr.kernels._dispatch import is_functional as is_functional
    from inr.kernels._dispatch import is_interpreted as is_interpreted
    from inr.kernels._dispatch import ops as ops
    from inr.kernels._dispatch import table as table
    from inr.kernels._dispatch import use_backend as use_backend
    from inr.kernels.precision import Precision as Precision
    from inr.kernels.precision import use_precision as use_precision

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "_dispatch": ["Backend", "Need", "Op", "Row", "is_functional", "is_interpreted", "ops", "table", "use_backend"],
        "precision": ["Precision", "use_precision"],
    },
)
