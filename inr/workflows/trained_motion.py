"""Shapes that move as trained fields of space and time: a level set equation is the loss."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Generator, Tensor

from inr.core.config import parse
from inr.core.domain import Domain, Frame
from inr.core.errors import UsageError
from inr.core.tensor_formula import tensor_of
from inr.fields import Field, FieldConfig
from inr.fields.at_time import SPACE_TIME, AtTime, AtTimeField
from inr.fields.flowed import velocity_of
from inr.fitting import Fit
from inr.workflows.evolve import Reals, check_shape, flowed, moved_fit

STEPS = 3000
FIELD: Mapping[str, Any] = {"type": "siren", "width": 96, "depth": 3, "activation": {"type": "sine", "omega": 8.0}}
"""A shape without fine detail; more detail needs a larger omega, a wider network and more steps."""

_POOL, _BATCH = 2**15, 2**11
_RATE, _LAST_RATE = 2e-3, 2e-5
_START = 0.3
"""Part of the steps in which the start is learned for all times, as the authors' start from a static network."""
_WEIGHT = 0.2
"""Of the mean square of the equation, against that of the start: both are in lengths of the box, per whole time."""
_NEAR = 0.05
_FLAT = 1e-4

Residual = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclasses.dataclass(frozen=True)
class Trained:
    """field: F(x, t) on the unit box of space and time. frame: of its space. until: the time at t = 1.

    start_error: mean |F(x, 0) - f(x)| near the surface, in the units of the shape. equation_error: mean of what the
    level set equation leaves near the surface over all times, as a part of the mean of |F_t|.
    """

    field: Field
    frame: Frame
    until: float
    start_error: float
    equation_error: float
    source: Fit
    how: Mapping[str, Any]

    def at(self, times: Sequence[float]) -> list[Fit]:
        """The shape at each time from 0 to `until`, as fits that hold the field."""
        found = []
        for time in times:
            config = AtTime(base=self.field.config, time=min(1.0, max(0.0, time / self.until)))
            field = AtTimeField(config, copy.deepcopy(self.field))
            how = {**self.how, "time": time, "until": self.until}
            found.append(moved_fit(self.source, field, self.frame, how, {"outside": 0.0, "inside": 0.0}))
        return found


def flow_residual(velocity: Sequence[str], frame: Frame, until: float) -> Residual:
    """f_t + v . grad f: v three formulas of x, y, z and t, in units of the shape per time. UsageError for others."""
    nodes = velocity_of(velocity)
    low, side = torch.tensor(frame.domain.low), frame.scale[0]

    def residual(x: Tensor, slope: Tensor, _: Tensor) -> Tensor:
        p = x[:, :3] * side + low.to(x)
        values = {name: p[:, k] for k, name in enumerate("xyz")} | {"t": x[:, 3] * until}
        v = torch.stack([tensor_of(node, values, p[:, 0]) for node in nodes], dim=1)
        return slope[:, 3] + until / side * (v * slope[:, :3]).sum(dim=1)

    return residual


def smoothing_residual(rate: float) -> Residual:
    """f_t - rate |grad f| div(grad f / |grad f|). rate: in squared sides of the box per whole time."""

    def residual(_: Tensor, slope: Tensor, second: Tensor) -> Tensor:
        n = slope[:, :3]
        along = torch.einsum("ni,nij,nj->n", n, second, n) / (n.square().sum(dim=1) + _FLAT)
        return slope[:, 3] - rate * (second.diagonal(dim1=1, dim2=2).sum(dim=1) - along)

    return residual


def trained_flow(fit: Fit, velocity: Sequence[str], times: Sequence[float], vertices: Reals, **more: Any) -> Trained:
    """A shape that a vector field carries, see `flow_residual`.

    times: their box is that of the result, and the last of them its end. Further arguments and errors as of `trained`.
    """
    start, until = flowed(fit, velocity, [0.0, *times], vertices)[0], max(times)
    residual = flow_residual(velocity, start.frame, until)
    how = {"flow": ", ".join(velocity), "trained": "level set equation"}
    return trained(start, residual, until, vertices, how=how, is_second=False, **more)


def trained_smoothing(fit: Fit, speed: float, until: float, vertices: Reals, **more: Any) -> Trained:
    """A shape whose surface moves inwards with a speed times the sum of its curvatures, see `smoothing_residual`.

    speed: in the units of the shape squared per time. Further arguments and errors as of `trained`.
    """
    if not speed > 0:
        raise UsageError(f"the speed is {speed:g}, expected more than 0", "negative ones are not stable")
    check_shape(fit)
    residual = smoothing_residual(speed * until / fit.frame.domain.extent[0] ** 2)
    how = {"smooth": speed, "trained": "level set equation"}
    return trained(fit, residual, until, vertices, how=how, is_second=True, **more)


def trained(
    fit: Fit,
    residual: Residual,
    until: float,
    vertices: Reals,
    *,
    how: Mapping[str, Any],
    is_second: bool,
    steps: int = STEPS,
    field: FieldConfig | Mapping[str, Any] = FIELD,
    seed: int = 0,
    on_step: Callable[[int, int], None] | None = None,
) -> Trained:
    """A field F of space and time with F(x, 0) = f(x), a fit, and residual 0, by Adam. Later shapes are not given.

    residual: of points [N, 4], slopes [N, 4] and second derivatives in space [N, 3, 3], all by coordinates of the unit
    box. vertices: [V, 3] of the surface at the start, in its units: half of the points are beside them. The first 30 %
    of the steps learn the start for all times. on_step: called with the steps done and their number.
    Raises UsageError for a fit that is not of distances with a sign, and a field without the derivatives.
    Source: Novello et al. 2023, "Neural Implicit Surface Evolution", arXiv:2201.09636, with other numbers.
    """
    check_shape(fit)
    if steps < 1:
        raise UsageError(f"`steps` is {steps}, expected at least 1")
    generator = Generator().manual_seed(seed)
    config = field if isinstance(field, FieldConfig) else parse(FieldConfig, field, "field")
    model = config.resolve(SPACE_TIME).build(SPACE_TIME, generator)
    if model.smoothness < 1 + is_second:
        raise UsageError(
            f"field {config.type_name!r} has no derivatives of order {1 + is_second}", "use a smooth one such as siren"
        )
    box = fit.frame.domain
    frame = Frame(Domain(box.low, box.high, ("x", "y", "z"), "mesh units"), (0.0,), (box.extent[0],))
    points, values = _pool(fit, vertices, generator)
    optimizer = torch.optim.Adam(model.parameters(), lr=_RATE)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, _LAST_RATE)
    model.train()
    for step in range(steps):
        at = torch.randint(len(points), (_BATCH,), generator=generator)
        is_start = step < _START * steps
        times = torch.rand(_BATCH, 1, generator=generator) if is_start else torch.zeros(_BATCH, 1)
        loss = (model(torch.cat([points[at], times], dim=1))[:, 0] - values[at]).square().mean()
        if not is_start:
            left, _ = left_over(model, residual, _somewhere(points, generator, _BATCH), is_second)
            loss = loss + _WEIGHT * left.square().mean()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        falling.step()
        if on_step is not None:
            on_step(step + 1, steps)
    model.eval()
    near = points[: len(points) // 2]
    with torch.no_grad():
        start = (model(torch.cat([near, torch.zeros(len(near), 1)], dim=1))[:, 0] - values[: len(near)]).abs().mean()
    left, change = left_over(model, residual, _somewhere(near, generator, 4 * _BATCH), is_second)
    error = float(left.abs().mean().detach() / change.abs().mean().detach().clamp(min=1e-12))
    return Trained(model, frame, until, float(start) * frame.scale[0], error, fit, how)


def _pool(fit: Fit, vertices: Reals, generator: Generator) -> tuple[Tensor, Tensor]:
    """Points [N, 3] of the unit box, the first half beside the surface, and their distances [N] in lengths of it."""
    some = torch.from_numpy(vertices)[torch.randint(len(vertices), (_POOL // 2,), generator=generator)]
    near = fit.frame.domain.to_unit(some.double()).float()
    near = near + _NEAR * torch.randn(near.shape, generator=generator)
    points = torch.cat([near.clamp(0, 1), torch.rand(_POOL // 2, 3, generator=generator)])
    exact = torch.cat([fit(part)[:, 0] for part in torch.split(points, _BATCH)])
    return points, exact.detach().float() / fit.frame.domain.extent[0]


def _somewhere(points: Tensor, generator: Generator, n: int) -> Tensor:
    """Points [n, 4] of space and time: places of the pool, at random times."""
    at = points[torch.randint(len(points), (n,), generator=generator)]
    return torch.cat([at, torch.rand(n, 1, generator=generator)], dim=1)


def left_over(
    model: Callable[[Tensor], Tensor], residual: Residual, x: Tensor, is_second: bool
) -> tuple[Tensor, Tensor]:
    """The residual [N] of a field of space and time at points x [N, 4], and F_t [N]."""
    x = x.requires_grad_()
    (slope,) = torch.autograd.grad(model(x).sum(), x, create_graph=True)
    second = slope.new_empty(0)
    if is_second:
        rows = [torch.autograd.grad(slope[:, k].sum(), x, create_graph=True)[0][:, :3] for k in range(3)]
        second = torch.stack(rows, dim=1)
    return residual(x, slope, second), slope[:, 3]
