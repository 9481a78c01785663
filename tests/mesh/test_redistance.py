"""Redistancing: the same surface, with distances on both sides."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inr.core.errors import EmptyError, UnreadableError
from inr.fitting import Fit
from inr.mesh.redistance import redistanced
from inr.workflows.csg import combine


def _none(name: str) -> Fit:
    raise UnreadableError(f"cannot read {name!r}")


def test_values_become_distances_and_the_surface_stays() -> None:
    """Between two spheres the minimum is too small inside: the nearest point of the surface is the circle where they
    meet."""
    fit = combine("sphere(-0.5,0,0,1) + sphere(0.5,0,0,1)", _none, margin=0.3)
    signal, mesh = redistanced(fit, 96)
    h = fit.frame.scale[0] / 96
    assert signal.frame == fit.frame
    middle = fit.frame.domain.to_unit(torch.zeros(1, 3))
    assert float(fit(middle)) == pytest.approx(-0.5, abs=1e-6)
    assert float(signal.distance(middle)) == pytest.approx(-np.sqrt(0.75), abs=h)
    x = torch.rand(3000, 3, generator=torch.Generator().manual_seed(0))
    own, exact = fit(x)[:, 0].numpy(), signal.distance(x)[:, 0].numpy()
    assert np.abs(own - exact)[own > 0].max() <= 0.2 * h  # a union is exact outside
    assert (np.abs(own) <= np.abs(exact) + 0.2 * h).all()
    assert mesh.is_closed
    assert signal.meta["margin"] == pytest.approx(0.3 + 0.05 * 3, abs=h)
    batch = signal.pool(torch.Generator().manual_seed(0)).batch(torch.arange(1000))
    assert float(fit(batch.x).abs().max()) <= 0.1 * h  # the first samples are on the surface
    assert signal.metrics(fit)["iou"] > 0.99


def test_distances_agree_with_fast_marching() -> None:
    """scikit-fmm solves |grad u| = 1 from the same values on a lattice, to second order."""
    skfmm = pytest.importorskip("skfmm", reason="scikit-fmm is built from its source, and is not in the test extra")
    fit = combine("union(sphere(-0.5,0,0,1), sphere(0.5,0,0,1), 0.4) - box(0,0,1, 0.8,0.8,0.8)", _none, margin=0.3)
    signal, _ = redistanced(fit, 96)
    n = 80
    axis = (torch.arange(n) + 0.5) / n
    x = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1).reshape(-1, 3)
    h = fit.frame.scale[0] / n
    own, exact = (f(x)[:, 0].double().numpy().reshape(n, n, n) for f in (fit, signal.distance))
    off = np.abs(skfmm.distance(own, dx=h, order=2) - exact)
    assert off.max() < h
    assert off.mean() < 0.1 * h
    assert np.abs(own - exact).max() > 4 * h  # those before are no distances


def test_nothing_is_refused() -> None:
    with pytest.raises(EmptyError, match="the result is empty"):
        redistanced(combine("sphere(0,0,0,1) - sphere(0,0,0,2)", _none), 16)
