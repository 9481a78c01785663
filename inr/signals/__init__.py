"""Signals: pictures, sound, shapes, point clouds and arrays, their files, units, sampling and metrics."""

from inr.signals._signal import SIGNALS, Batch, Evaluate, Pool, Signal, Source, View, load_signal

__all__ = ["SIGNALS", "Batch", "Evaluate", "Pool", "Signal", "Source", "View", "load_signal"]
