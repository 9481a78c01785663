"""A solid in another box has the same distances, in that box's lengths."""

from __future__ import annotations

import numpy as np
import torch

from inr.signals.analytic import demo
from inr.signals.solids.resized import Resized


def test_distances_and_surfaces_follow_the_box() -> None:
    solid = demo("torus").solid  # type: ignore[attr-defined]
    small = Resized(solid, 0.5, np.array([0.1, 0.2, 0.3]))
    y = np.random.default_rng(0).random((100, 3))
    x = 0.5 * y + [0.1, 0.2, 0.3]
    assert np.allclose(small.distance(x), 0.5 * solid.distance(y))
    assert np.allclose(small.depth(x), 0.5 * solid.depth(y))
    assert np.allclose(small.low, 0.5 * solid.low + [0.1, 0.2, 0.3])
    assert np.allclose(small.high - small.low, 0.5 * (solid.high - solid.low))
    surface = small.surface(200, torch.Generator().manual_seed(0))
    assert np.abs(small.distance(surface)).max() <= 1e-5
    assert small.slack == solid.slack / 2
