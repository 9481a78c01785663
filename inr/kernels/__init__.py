"""Pure functions on tensors, one folder per op, and the choice between their implementations."""

from __future__ import annotations

from inr.kernels._dispatch import Backend, Need, Op, Row, ops, table, use_backend

__all__ = ["Backend", "Need", "Op", "Row", "ops", "table", "use_backend"]
