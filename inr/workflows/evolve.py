"""Fitted shapes that move: carried by a vector field, morphed into another, or smoothed by mean curvature."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inr.core.domain import Domain, Frame, Spec
from inr.core.errors import UsageError
from inr.core.formula import Node
from inr.fields import Field
from inr.fields.csg import CsgField
from inr.fields.flowed import Flowed, FlowedField, carried, speed_at, velocity_of
from inr.fields.morph import Morph, MorphField
from inr.fields.placed import Placed, PlacedField
from inr.fields.primitive import PrimitiveField
from inr.fitting import Fit, FitConfig
from inr.fitting.warm_start import origin
from inr.kernels.curvature_step import curvature_step, steps_of
from inr.workflows.csg import MARGIN, combine

Reals = NDArray[np.float64]

_SPEC = Spec("shape", 3, 1)
_CHUNK = 2**16
_STEPS: tuple[int, ...] = tuple(2**k for k in range(4, 11))
_LOST, _FOLLOWED = 1e-4, 2048
"""Share of the extent by which a point may miss its start, and how many points are followed, about."""

_FLAT = 1e-3
"""Square of a slope, in distances, below which a lattice point has no clear normal."""


def flowed(fit: Fit, velocity: Sequence[str], times: Sequence[float], vertices: Reals) -> list[Fit]:
    """The fit at each time of a flow, as fits that hold it: no training.

    velocity: three formulas of x, y, z and t, in units of the shape per time. vertices: [V, 3] of its surface, in its
    units, which say how far it moves; all results have one box around them. `meta` states that values are not
    distances (`outside`, `inside` 0). There are 16 steps of order 4 per time, or twice, four times ... as many, up to
    1024, so that every vertex comes back to its place within 1e-4 of the extent of the shape. Raises UsageError for
    wrong formulas, for flows without a value on the surface, for those that carry the shape to infinity, and for those
    that more steps do not follow either.
    """
    check_shape(fit)
    nodes = velocity_of(velocity)
    points = torch.from_numpy(np.ascontiguousarray(vertices, np.float64))
    steps = _steps_of(nodes, points, max(times))
    places = np.concatenate([carried(nodes, points, 0.0, t, steps).numpy() for t in times])
    frame = _cube_around(places)
    low, side = frame.domain.low, frame.scale[0]
    own = fit.frame.domain
    width = own.extent[0]
    placed = Placed(
        base=fit.field.config,
        matrix=tuple((np.eye(3) * side / width).reshape(-1).tolist()),
        shift=tuple(((np.array(low) - np.array(own.low)) / width).tolist()),
        scale=fit.frame.scale[0] / width,
        offset=fit.frame.offset[0] / width,
        gain=width / side,
        is_boxed=not isinstance(fit.field, CsgField | PlacedField | PrimitiveField | FlowedField | MorphField),
    )
    found = []
    for t in times:
        base = PlacedField(placed, copy.deepcopy(fit.field))
        config = Flowed(base=placed, velocity=tuple(velocity), time=t, steps=steps, low=low, side=side)
        field = FlowedField(config, base)
        found.append(
            moved_fit(fit, field, frame, {"flow": ", ".join(velocity), "time": t}, {"outside": 0.0, "inside": 0.0})
        )
    return found


def _steps_of(velocity: Sequence[Node], points: Tensor, end: float) -> int:
    """How many steps bring points [V, 3] back from where they really are at time `end`: where twice as many lead to."""
    speed = speed_at(velocity, points, 0.0)
    if bool((~speed.isfinite()).any()):
        place = points[int((~speed.isfinite()).any(dim=-1).int().argmax())].tolist()
        at = ", ".join(f"{value:.3g}" for value in place)
        raise UsageError(f"the flow has no finite value at ({at}), a point of the surface", "look at its formulas")
    reach = _LOST * float(np.ptp(points.numpy(), axis=0).max())
    points = points[:: max(1, len(points) // _FOLLOWED)]
    for steps in _STEPS:
        there = carried(velocity, points, 0.0, end, 2 * steps)
        if not bool(there.isfinite().all()) or float(there.abs().max()) > 1e15:
            continue
        if float((carried(velocity, there, end, 0.0, steps) - points).abs().max()) <= reach:
            return steps
    if not bool(there.isfinite().all()) or float(there.abs().max()) > 1e15:
        raise UsageError("the flow carries the shape to infinity", "look at its formulas, or end it earlier")
    raise UsageError(
        f"{_STEPS[-1]} steps do not follow the flow until the time {end:g}: it has a pole or jump, or is too fast",
        "look at its formulas, or end it earlier",
    )


def morphed(first: Fit, second: Fit, shares: Sequence[float]) -> list[Fit]:
    """The weighted means (1 - s) f + s g of two fits of shapes, in one box around both. No training.

    shares: s, from 0 (the first) to 1. Raises UsageError for other fits.
    """
    check_shape(first)
    check_shape(second)
    both = combine("a + b", lambda name: first if name == "a" else second)
    union = both.field
    assert isinstance(union, CsgField)
    assert union.second is not None
    found = []
    for share in shares:
        config = Morph(first=union.first.config, second=union.second.config, share=share)
        field = MorphField(config, copy.deepcopy(union.first), copy.deepcopy(union.second))
        more = {"outside": 0.0, "inside": 0.0}
        found.append(moved_fit(first, field, both.frame, {"morph": second.source, "share": share}, more))
    return found


def overlap(first: Fit, second: Fit, n: int = 2**16) -> float:
    """Intersection over union of two fits of shapes, in [0, 1], on n random points of the box around both.

    Raises UsageError for other fits.
    """
    check_shape(first)
    check_shape(second)
    box = combine("a + b", lambda name: first if name == "a" else second).frame.domain
    x = torch.rand(n, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    p = box.from_unit(x)
    inside = []
    for fit in (first, second):
        own = fit.frame.domain.to_unit(p)
        is_in = ((own >= 0) & (own <= 1)).all(dim=-1)
        inside.append(is_in & (fit(own.clamp(0, 1).float())[:, 0] < 0))
    return float((inside[0] & inside[1]).sum() / max(1, int((inside[0] | inside[1]).sum())))


class CurvatureFlow:
    """A fit whose surface moves inwards with the speed a (k1 + k2), k1 and k2 its principal curvatures.

    f_t = a |grad f| div(grad f / |grad f|) on a lattice of n^3 cells in the box of the fit, by explicit steps, so the
    radius of a ball goes as sqrt(r^2 - 4 a t). values: [n + 1, n + 1, n + 1] at nodes, in lengths of the box. time: so
    far. vanished: when nothing was left inside; None: not yet. Raises UsageError for a speed that is not positive, and
    for fits that are not of shapes.
    """

    def __init__(self, fit: Fit, speed: float, n: int = 96) -> None:
        """speed: a, in the units of the shape squared per time."""
        check_shape(fit)
        if not speed > 0:
            raise UsageError(f"the speed is {speed:g}, expected more than 0", "negative ones are not stable")
        self._n, self.time = n, 0.0
        self.vanished: float | None = None
        self._rate = speed / fit.frame.domain.extent[0] ** 2 * n**2
        axis = torch.linspace(0, 1, n + 1)
        x = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1).reshape(-1, 3)
        values = [fit(part)[:, 0] for part in torch.split(x, _CHUNK)]
        self.values: Reals = torch.cat(values).double().reshape((n + 1,) * 3).numpy() / fit.frame.domain.extent[0]

    def advance(self, time: float) -> None:
        """Go on to a later time."""
        n, step = steps_of((time - self.time) * self._rate)
        other = np.empty_like(self.values)
        for k in range(n):
            curvature_step(self.values, other, step, _FLAT / self._n**2)
            self.values, other = other, self.values
            if self.vanished is None and self.values.min() >= 0:
                self.vanished = self.time + (time - self.time) * (k + 1) / n
        self.time = time

    def __call__(self, x: Tensor) -> Tensor:
        """Values [N, 1] at points [N, 3] of the unit box, between nodes trilinear."""
        from scipy.ndimage import map_coordinates

        found = map_coordinates(self.values, x.double().numpy().T * self._n, order=1, mode="nearest")
        return torch.from_numpy(found).float()[:, None]


def check_shape(fit: Fit) -> None:
    """Raise UsageError for a fit of anything but distances in space."""
    if fit.spec.quantity != "distances" or (fit.spec.d_in, fit.spec.d_out) != (3, 1):
        raise UsageError(
            f"{fit.source or 'the model'!r} is of kind {fit.spec.kind!r}, expected a fitted shape or point cloud",
            "fit a shape (OBJ, PLY, STL, GLB, OFF) or a point cloud",
        )


def _cube_around(places: Reals) -> Frame:
    low, high = places.min(axis=0), places.max(axis=0)
    side = MARGIN * float((high - low).max())
    corner = (low + high) / 2 - side / 2
    box = Domain(tuple(corner.tolist()), tuple((corner + side).tolist()), ("x", "y", "z"), "mesh units")
    return Frame(box, (0.0,), (side,))


def moved_fit(fit: Fit, field: Field, frame: Frame, how: dict[str, object], meta: dict[str, float]) -> Fit:
    return Fit(
        field=field,
        spec=_SPEC,
        frame=frame,
        meta={"side": frame.scale[0], **meta},
        settings=FitConfig(),
        source=fit.source,
        provenance={"evolved": {**origin(fit, fit.source), **how}},
    )


def times_of(until: float, frames: int) -> list[float]:
    """Times of frames from 0 to `until`, both included; one frame is the end."""
    return [until] if frames == 1 else [until * k / (frames - 1) for k in range(frames)]


def vanished_at(times: Sequence[float], empty: Sequence[bool]) -> float | None:
    """The first time at which the shape is empty and stays so."""
    first = len(times)
    while first and empty[first - 1]:
        first -= 1
    return times[first] if first < len(times) else None
