"""The pool of equations: its loss is the sum of squares of the stencils."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import Generator, nn

from inr.core.config import parse
from inr.core.domain import Domain, Frame
from inr.core.errors import UsageError
from inr.fields import Field
from inr.fitting import LOSSES, FitConfig
from inr.fitting.batches import Batches
from inr.signals import Batch
from inr.solving.pictures.signal import StencilSignal
from inr.solving.pictures.stencils import Stencils


class Plane(nn.Module):
    """(x, y) to 2 x - 3 y + 1, as training values."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (2 * x[:, :1] - 3 * x[:, 1:] + 1).expand(-1, 2)


def stencils(kind: str) -> Stencils:
    rng = np.random.default_rng(3)
    values, fixed = rng.random((6, 8, 2)), np.zeros((6, 8), np.bool_)
    fixed[:, :2] = True
    if kind == "laplacian":
        return Stencils.of_laplacian(rng.random((6, 8, 2)), values, fixed)
    weights = rng.random((6, 7)), rng.random((5, 8))
    edges = Stencils.of_edges(rng.random((6, 7, 2)), rng.random((5, 8, 2)), values, fixed, weights=weights)
    return edges if kind == "edges" else edges.with_values()


@pytest.mark.parametrize("kind", ["edges", "laplacian", "values"])
def test_the_loss_is_the_mean_square_of_the_residuals(kind: str) -> None:
    given = stencils(kind)
    frame = Frame(Domain((0.0, 0.0), (8.0, 6.0), ("x", "y"), "pixels"), (0.25, -0.5), (2.0, 4.0))
    signal = StencilSignal(
        given if kind == "values" else given.eliminated(),
        given.values,
        frame,
        {"dtype": "float32", "channels": 2, "icc": None},
    )
    pool = signal.pool(Generator())
    batch = pool.batch(torch.arange(pool.size))
    field: Field = Plane()  # type: ignore[assignment]  # it is only called
    loss = float(LOSSES["edge"]().value(field, batch, Generator()))
    y, x = (np.mgrid[:6, :8] + 0.5) / np.array([6, 8])[:, None, None]
    plane = np.repeat((2 * x - 3 * y + 1)[..., None], 2, -1) * frame.scale + frame.offset
    mixed = np.where(given.fixed[..., None], given.values, plane)
    residuals = given.residuals(mixed)
    if kind == "values":  # an equation for a known pixel is of the field
        n = int(given.fixed.sum())
        residuals[:-n] = stencils("edges").residuals(mixed)
        residuals[-n:] = (plane - given.values)[given.fixed]
    expected = np.mean(given.weight[:, None] * np.square(residuals / frame.scale))
    assert loss == pytest.approx(expected, rel=1e-5)
    part, few = batch[3:9], pool.batch(torch.arange(3, 9))  # each equation has its own points there
    assert batch.stencil is not None
    assert len(batch.stencil.points) < batch.stencil.factors.numel()
    for name in ("points", "factors"):
        assert torch.equal(getattr(part.stencil, name), getattr(few.stencil, name))
    one, two = (float(LOSSES["edge"]().value(field, each, Generator())) for each in (part, few))
    assert one == two


@pytest.mark.parametrize("n", [3, 10**6])
def test_jitter_moves_the_points_of_an_equation_together(n: int) -> None:
    """Differences of a plane are the same everywhere, so noise on coordinates leaves this loss as it is; with large
    noise too, where points of the border are kept in the box."""
    frame = Frame(Domain((0.0, 0.0), (8.0, 6.0), ("x", "y"), "pixels"), (0.0, 0.0), (1.0, 1.0))
    given = stencils("edges").eliminated()
    signal = StencilSignal(given, given.values, frame, {"dtype": "float32", "channels": 2, "icc": None})
    jitter = {"type": "stochastic_preconditioning", "alpha": 0.3, "start": 1, "end": 1}
    settings = parse(FitConfig, {"batch": n, "loss": "edge", "sampler": "shuffled", "jitter": jitter}, "fit")
    seen = []
    for each in (settings, dataclasses.replace(settings, jitter=None)):
        generators = {key: Generator().manual_seed(1) for key in ("order", "loss", "pool")}
        batches = Batches(signal, signal.pool(Generator()), each, generators, torch.device("cpu"), None)
        seen.append(batches.next(Plane(), 0, 0.1).batch)  # type: ignore[arg-type]  # it is only called
    moved, plain = (batch.stencil for batch in seen)
    assert moved is not None
    assert plain is not None
    assert ((moved.points >= 0) & (moved.points <= 1)).all()
    assert not torch.equal(plain[: len(seen[0].x)].points, moved.points)
    found, wanted = (stencil.sums(Plane()(stencil.points)) for stencil in (moved, plain))
    is_difference = plain.factors.sum(1).abs() < 1e-6  # others have a known pixel on one side
    assert is_difference.any()
    torch.testing.assert_close(found[is_difference], wanted[is_difference])


def test_the_loss_needs_a_stencil() -> None:
    batch = Batch(torch.zeros(3, 2), torch.zeros(3, 1))
    with pytest.raises(UsageError, match="needs wanted differences"):
        LOSSES["edge"]().value(Plane(), batch, Generator())  # type: ignore[arg-type]  # it is not called
