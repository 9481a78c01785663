"""Pure functions on tensors, one folder per op, and the choice between their implementations."""

from __future__ import annotations

from inr.kernels._dispatch import Backend, Need, Op, Row, ops, table, use_backend
from inr.kernels._precision import Precision, use_precision

__all__ = ["Backend", "Need", "Op", "Precision", "Row", "ops", "table", "use_backend", "use_precision"]
