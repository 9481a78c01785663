"""Solids as signals: samples of a signed distance for training, and metrics of what was learned."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Generator, Tensor

from inr.core.domain import Frame, Spec
from inr.core.errors import UsageError
from inr.signals import metrics as measures
from inr.signals._distance import DistanceSignal, PointPool, evaluate_points
from inr.signals._signal import Batch, Evaluate, Pool
from inr.signals.solids.distances import Solid, across, normal, uniform
from inr.signals.solids.faces import Floats

DEFAULT_POINTS = 2**20
_TEST_SEED = 0x5EED
_TEST_POINTS = 2**17
_SHELL = 0.01
_PROBES = 1024
_THIN = 0.05  # share of the surface whose thickness counts as the shape's


class SolidSignal(DistanceSignal):
    """A solid in a cube, whatever its distances come from. Coordinates and values (signed distance) in mesh units."""

    loss: ClassVar[str] = "mape"
    headline: str = "iou"
    has_values_anywhere: bool = True

    def __init__(
        self,
        solid: Solid,
        frame: Frame,
        meta: dict[str, Any],
        notes: tuple[str, ...] = (),
        n_points: int = DEFAULT_POINTS,
    ) -> None:
        """solid: in the frame's unit box. meta: goes into the model file; must have `side`, that of the cube.

        n_points: how many samples to train on.
        """
        self.solid, self.frame, self.meta, self.notes = solid, frame, meta, notes
        self.n_points = n_points
        self.spec = Spec("shape", 3, 1)

    def distance(self, x: Tensor) -> Tensor:
        """True signed distances [N, 1] in mesh units at unit-box points [N, 3]."""
        d = self.solid.distance(x.detach().cpu().double().numpy()) * self.meta["side"]
        return torch.from_numpy(d)[:, None].to(x)

    def training_values(self, x: Tensor) -> Tensor:
        return self.frame.to_field(self.distance(x))

    @property
    def thickness(self) -> float:
        """Way through the solid, in mesh units, that 5 % of its surface falls short of."""
        return float(np.quantile(self._probes[1], _THIN)) * float(self.meta["side"])

    @cached_property
    def _probes(self) -> tuple[Floats, Floats]:
        """Points [N, 3] on the surface and the way from each through the solid, in unit-box lengths."""
        points = self.solid.surface(_PROBES, torch.Generator().manual_seed(_TEST_SEED))
        return points, across(self.solid, points)

    def pool(self, generator: Generator) -> Pool:
        """`n_points` samples: 2/8 on the surface, 3/8 near it, 3/8 uniform in the cube.

        Near: a surface point + N(0, s^2) per axis, s log-uniform between 1/1024 and 1/32 of the bounding box's
        diagonal; for half of them at most 1/4 of the way through the solid there, so that thin parts have samples
        inside. After Müller et al. 2022 (arXiv 2201.05989), with a wider shell and more uniform samples: with 1/8
        of them a small network leaves lumps far from a flat shape.
        """
        n_near, n_uniform = self.n_points * 3 // 8, self.n_points * 3 // 8
        n_surface = self.n_points - n_near - n_uniform
        surface = self.solid.surface(n_surface + n_near, generator)
        low, high = math.log(1 / 1024), math.log(1 / 32)
        diagonal = float(np.linalg.norm(self.solid.high - self.solid.low))
        sigma = diagonal * np.exp(low + (high - low) * uniform(n_near, 1, generator))
        sigma[::2, 0] = np.minimum(sigma[::2, 0], self._way_through(surface[n_surface::2]) / 4)
        near = surface[n_surface:] + sigma * normal(n_near, 3, generator)
        off = np.clip(np.concatenate([near, uniform(n_uniform, 3, generator)]), 0, 1).astype(np.float32)
        x = np.concatenate([surface[:n_surface].astype(np.float32), off])
        y = np.zeros((self.n_points, 1), np.float32)
        y[n_surface:, 0] = self.solid.distance(off.astype(np.float64))
        return PointPool(Batch(torch.from_numpy(x), torch.from_numpy(y)))

    def _way_through(self, surface: Floats) -> Floats:
        """The way through the solid from points [N, 3] of its surface: that from the nearest probe."""
        points, ways = self._probes
        return ways[measures.nearest(surface, points)[1]]

    @cached_property
    def _test_points(self) -> _Points:
        """Uniform points of the bounding box x 1.05 and of the rest of the cube, and points of the shell |d| < 0.01."""
        generator = torch.Generator().manual_seed(_TEST_SEED)
        centre, half = (self.solid.low + self.solid.high) / 2, (self.solid.high - self.solid.low) / 2 * 1.05
        low, high = np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)
        inner = low + (high - low) * uniform(_TEST_POINTS, 3, generator)
        shell = self.solid.surface(_TEST_POINTS // 2, generator) + _SHELL * (
            2 * uniform(_TEST_POINTS // 2, 3, generator) - 1
        )
        outer = uniform(_TEST_POINTS, 3, generator)
        outer = outer[((outer < low) | (outer > high)).any(axis=1)]
        share = float(np.prod(high - low))
        weight = np.concatenate(
            [np.full(len(inner), share / len(inner)), np.full(len(outer), (1 - share) / max(1, len(outer)))]
        )
        x, x_shell = (np.clip(p, 0, 1).astype(np.float32) for p in (np.concatenate([inner, outer]), shell))
        d, d_shell = self.solid.distance(x.astype(np.float64)), self.solid.distance(x_shell.astype(np.float64))
        near = np.abs(d_shell) < _SHELL
        return _Points(torch.from_numpy(x), d, weight, torch.from_numpy(x_shell[near]), d_shell[near])

    def metrics(self, evaluate: Evaluate) -> dict[str, float]:
        """iou, iou_shell, sign_error, sdf_mae, on fixed points of another seed than training's.

        All but iou_shell look at the whole cube, which meshes are made from: 2^17 uniform points in the bounding box
        x 1.05, and up to 2^17 in the rest, each weighted by the volume that it represents. iou: of the inside sets
        (value < 0). sign_error: share of the cube on the wrong side. sdf_mae: mean |f - d|, in mesh units. iou_shell:
        of the inside sets on up to 2^16 points with |d| < 0.01 cube lengths.
        """
        at = self._test_points
        f, f_shell = evaluate_points(evaluate, at.x), evaluate_points(evaluate, at.x_shell)
        wrong = (f < 0) != (at.d < 0)
        return {
            "iou": measures.iou(f < 0, at.d < 0, at.weight),
            "iou_shell": measures.iou(f_shell < 0, at.d_shell < 0),
            "sign_error": float(at.weight @ wrong),
            "sdf_mae": float(at.weight @ np.abs(f - at.d * self.meta["side"])),
        }


@dataclasses.dataclass(frozen=True)
class _Points:
    """Points x [N, 3], their distances and the volumes that they represent, 1 in all; and points near the surface."""

    x: Tensor
    d: Floats
    weight: Floats
    x_shell: Tensor
    d_shell: Floats


def n_points_of(options: Mapping[str, str]) -> int:
    """How many samples to train on, by the option `points`."""
    text = options.get("points", str(DEFAULT_POINTS))
    if not text.isdecimal() or not 8 <= int(text) <= 2**27:
        raise UsageError(f"option points is {text!r}, expected a whole number from 8 to {2**27}")
    return int(text)
