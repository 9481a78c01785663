"""Signals: pictures, sound, shapes, point clouds and arrays, their files, units, sampling and metrics."""

from inr.signals._signal import (
    SIGNALS,
    Batch,
    Evaluate,
    Pool,
    Signal,
    Source,
    View,
    default_field_of,
    kind_of,
    load_signal,
)

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
