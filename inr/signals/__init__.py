"""Signals: pictures, sounds, shapes, point clouds and arrays: their files, units, sampling and metrics.

Names are imported on first use, so that picture files can be read and written without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from inr.signals._distance import DistanceSignal as DistanceSignal
    from inr.signals._distance import PointPool as PointPool
    from inr.signals._distance import evaluate_points as evaluate_points
    from inr.signals._distance import paint_distances as paint_distances
    from inr.signals._lattice import Lattice as Lattice
    from inr.signals._lattice import evaluate_bands as evaluate_bands
    from inr.signals._lattice import evaluate_grid as evaluate_grid
    from inr.signals._signal import SIGNALS as SIGNALS
    from inr.signals._signal import Batch as Batch
    from inr.signals._signal import Evaluate as Evaluate
    from inr.signals._signal import Pool as Pool
    from inr.signals._signal import Signal as Signal
    from inr.signals._signal import Stencil as Stencil
    from inr.signals._signal import Values as Values
    from inr.signals._signal import View as View
    from inr.signals._source import Source as Source
    from inr.signals.loading import default_field_of as default_field_of
    from inr.signals.loading import kind_of as kind_of
    from inr.signals.loading import kinds_with as kinds_with
    from inr.signals.loading import load_signal as load_signal
    from inr.signals.loading import suffixes_of as suffixes_of

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "_distance": ["DistanceSignal", "PointPool", "evaluate_points", "paint_distances"],
        "_lattice": ["Lattice", "evaluate_bands", "evaluate_grid"],
        "_signal": ["SIGNALS", "Batch", "Evaluate", "Pool", "Signal", "Stencil", "Values", "View"],
        "_source": ["Source"],
        "loading": ["default_field_of", "kind_of", "kinds_with", "load_signal", "suffixes_of"],
    },
)
