"""A fit as a signal: what another field is fitted to when the original signal is not at hand."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, BinaryIO, ClassVar, Self

import torch
from torch import Generator, Tensor

from inr.core.domain import Frame, Grid, Spec
from inr.core.errors import UsageError
from inr.fitting.result import EVALUATION_CHUNK, Fit
from inr.signals import (
    Batch,
    DistanceSignal,
    Evaluate,
    Lattice,
    PointPool,
    Pool,
    Signal,
    Source,
    Values,
    View,
    evaluate_points,
)
from inr.signals import metrics as measures
from inr.signals.files.bands import Bands

_TEST_SEED = 0x5EED
_TEST_POINTS = 2**16
_DISTANCE_POINTS = 2**17
MOST_BETWEEN = 2**22
_NEAREST, _FARTHEST = 1 / 1024, 1 / 32
_STEP = 1e-3
_ON_SURFACE = 1e-3


class Teacher(Signal):
    """Spec, frame, meta and name of a fit's signal, with the fit's values in place of the signal's.

    is_last: whether this is the last stage, whose targets are the teacher itself; earlier stages see coarser ones.
    """

    formats: ClassVar[tuple[str, ...]] = ()
    extensions: ClassVar[tuple[str, ...]] = ()

    def __init__(self, fit: Fit, name: str) -> None:
        self.fit, self.name = fit, name
        self.spec, self.frame, self.meta = fit.spec, fit.frame, dict(fit.meta)

    @abstractmethod
    def at_stage(self, coarseness: int, *, is_lattice: bool) -> Self:
        """The same teacher with coarser targets. coarseness: 0 for the teacher itself. is_lattice: lattice only."""

    def values(self, x: Tensor) -> Tensor:
        """Training values [N, C] at unit-box points [N, D]."""
        device = next(self.fit.field.parameters()).device
        with torch.no_grad():
            parts = [self.fit.field(part.to(device)).cpu() for part in torch.split(x, EVALUATION_CHUNK)]
        return torch.cat(parts)

    @classmethod
    def load(cls, source: Source, options: Mapping[str, str]) -> Self:
        raise UsageError("a teacher is made from a fit, not from a file")

    @classmethod
    def grid(cls, spec: Spec, frame: Frame, meta: Mapping[str, Any], view: View) -> tuple[Grid, dict[str, Any]]:
        raise UsageError("a teacher has no views of its own; use those of its kind")

    @classmethod
    def write_bands(cls, bands: Bands, meta: Mapping[str, Any], file: BinaryIO, suffix: str) -> tuple[str, ...]:
        raise UsageError("a teacher is not written; use its kind")


def teacher_of(fit: Fit, name: str) -> Teacher:
    """The teacher for a fit's kind of signal; UsageError for a kind that has neither a lattice nor distances."""
    if issubclass(fit.kind, Lattice) and fit.spec.shape is not None:
        return LatticeTeacher(fit, name)
    if issubclass(fit.kind, DistanceSignal):
        return UnsignedTeacher(fit, name) if fit.kind.is_unsigned else DistanceTeacher(fit, name)
    raise UsageError(f"a model of kind {fit.spec.kind!r} cannot be distilled", "expected a lattice or distances")


class LatticeTeacher(Teacher):
    """Its own lattice and as many uniform points, drawn anew in every stage; beyond 2^22 they repeat.

    An initialisation sees the lattice alone, so a grid starts from it as it does from the signal.

    Coarse targets are the lattice's values under a Gaussian of 2^(k-1) samples' deviation, on the lattice alone.
    """

    def __init__(
        self, fit: Fit, name: str, coarseness: int = 0, *, is_lattice: bool = False, like: Lattice | None = None
    ) -> None:
        """like: what the fit renders, if that is known already."""
        super().__init__(fit, name)
        self.coarseness, self.is_lattice = coarseness, is_lattice
        self._like = like or _rendered(fit)
        self.headline = self._like.headline

    def at_stage(self, coarseness: int, *, is_lattice: bool) -> Self:
        return type(self)(self.fit, self.name, coarseness, is_lattice=is_lattice, like=self._like)

    @property
    def peak(self) -> float | None:
        return self._like.peak

    def pool(self, generator: Generator) -> Pool:
        lattice = self._lattice_pool(generator)
        if self.coarseness or self.is_lattice:
            return lattice
        x = torch.rand(min(lattice.size, MOST_BETWEEN), self.spec.d_in, generator=generator)
        return _LatticeAndPoints(lattice, PointPool(Batch(x, self.values(x))))

    def initial_pool(self, pool: Pool) -> Pool:
        return pool.lattice if isinstance(pool, _LatticeAndPoints) else pool

    def _lattice_pool(self, generator: Generator) -> Pool:
        like = self._like
        if not self.coarseness:
            return like.pool(generator)
        values = _blur(like.values, 2.0 ** (self.coarseness - 1))
        return type(like)(values, like.frame, like.meta, order=like.order).pool(generator)

    def metrics(self, evaluate: Evaluate) -> dict[str, float]:
        """psnr_db (sounds: snr_db first) and mse on the lattice, psnr_between_db on uniform points; nothing rounded."""
        errors = measures.SquaredError()
        for learned, taught in self._like.beside(self._like.sampled(evaluate)):
            errors.add(learned, taught)
        x = torch.rand(_TEST_POINTS, self.spec.d_in, generator=torch.Generator().manual_seed(_TEST_SEED))
        between = measures.mse(evaluate(x).cpu().numpy(), self.frame.from_field(self.values(x)).numpy())
        peak = self._like.peak or 1.0
        found = {
            "psnr_db": measures.psnr_of_mse(errors.mse, peak),
            "psnr_between_db": measures.psnr_of_mse(between, peak),
            "mse": errors.mse,
        }
        return {"snr_db": errors.snr_db, **found} if self.headline == "snr_db" else found


class _LatticeAndPoints:
    """The samples of a lattice, and as many points. There may be fewer of them, which then repeat in turn."""

    order = None

    def __init__(self, lattice: Pool, points: Pool) -> None:
        self.lattice, self._points = lattice, points

    @property
    def size(self) -> int:
        return 2 * self.lattice.size

    def batch(self, index: Tensor) -> Batch:
        n = self.lattice.size
        on_lattice = self.lattice.batch(index.clamp(max=n - 1))
        between = self._points.batch((index - n) % self._points.size)
        is_between = (index >= n).unsqueeze(-1)
        x = torch.where(is_between, between.x, on_lattice.x)
        return Batch(x, torch.where(is_between, between.y, on_lattice.y))


class DistanceTeacher(Teacher):
    """Points on the teacher's zero set (4/8), near it (3/8) and uniform (1/8), as shapes have; coarse: uniform only.

    A surface point is the Newton image x - f grad f / |grad f|^2, twice, of one of the uniform points that are
    nearest to the surface, kept where |f| < 1e-3 there. Near: + N(0, s^2), s log-uniform in 1/1024 ... 1/32.
    """

    loss = "mape"
    headline = "iou"
    has_values_anywhere = True

    def __init__(self, fit: Fit, name: str, coarseness: int = 0) -> None:
        super().__init__(fit, name)
        self.coarseness = coarseness

    def at_stage(self, coarseness: int, *, is_lattice: bool) -> Self:
        return type(self)(self.fit, self.name, coarseness)

    def training_values(self, x: Tensor) -> Tensor:
        return self.values(x)

    def pool(self, generator: Generator) -> Pool:
        n = _DISTANCE_POINTS
        if self.coarseness:
            x = torch.rand(n, self.spec.d_in, generator=generator)
            return PointPool(Batch(x, self.values(x)))
        surface = self.surface_points(n // 2, generator)
        near = _shaken(surface, 3 * n // 8, generator)
        x = torch.cat([surface, near, torch.rand(n - len(surface) - len(near), self.spec.d_in, generator=generator)])
        return PointPool(Batch(x, self.values(x)))

    def metrics(self, evaluate: Evaluate) -> dict[str, float]:
        """iou of the inside sets and mean_abs_difference (in units) on uniform points, sign_agreement near the surface.

        Near: as in training, on points of another seed; where the teacher has no surface, the uniform ones.
        """
        generator = torch.Generator().manual_seed(_TEST_SEED)
        near = _shaken(self.surface_points(_TEST_POINTS // 4, generator), _TEST_POINTS // 2, generator)
        everywhere = torch.rand(_TEST_POINTS, self.spec.d_in, generator=generator)
        near = near if len(near) else everywhere
        taught, taught_near = (self.frame.from_field(self.values(x))[:, 0].double().numpy() for x in (everywhere, near))
        learned, learned_near = evaluate_points(evaluate, everywhere), evaluate_points(evaluate, near)
        return {
            "iou": measures.iou(learned < 0, taught < 0),
            "sign_agreement": float(((learned_near < 0) == (taught_near < 0)).mean()),
            "mean_abs_difference": float(abs(learned - taught).mean()),
        }

    def surface_points(self, n: int, generator: Generator) -> Tensor:
        """At most n points on the teacher's zero level set: random points, moved by two Newton steps."""
        x = torch.rand(2 * n, self.spec.d_in, generator=generator)
        f = self.values(x)[:, 0]
        kept = f.abs().topk(n, largest=False).indices
        x, f = x[kept], f[kept]
        steps = _STEP * torch.eye(self.spec.d_in)
        slope = torch.stack([self.values(x + s)[:, 0] - self.values(x - s)[:, 0] for s in steps], dim=-1) / (2 * _STEP)
        way = slope / slope.square().sum(-1, keepdim=True).clamp(min=1e-12)
        for _ in range(2):
            x = (x - f[:, None] * way).clamp(0, 1)
            f = self.values(x)[:, 0]
        return x[f.abs() < _ON_SURFACE]


class UnsignedTeacher(DistanceTeacher):
    """As `DistanceTeacher`, for distances u without a sign: a surface point is x - u grad u / |grad u|, twice."""

    headline = "mean_abs_difference"

    def metrics(self, evaluate: Evaluate) -> dict[str, float]:
        """mean_abs_difference, in units, on uniform points; near_difference near the surface, if there is one."""
        generator = torch.Generator().manual_seed(_TEST_SEED)
        near = _shaken(self.surface_points(_TEST_POINTS // 4, generator), _TEST_POINTS // 2, generator)
        parts = {"mean_abs_difference": torch.rand(_TEST_POINTS, self.spec.d_in, generator=generator)}
        if len(near):
            parts["near_difference"] = near
        return {
            name: float(abs(evaluate_points(evaluate, x) - evaluate_points(self.fit, x)).mean())
            for name, x in parts.items()
        }

    def surface_points(self, n: int, generator: Generator) -> Tensor:
        side = self.frame.scale[0]

        def distance(x: Tensor) -> Tensor:
            return self.fit(x)[:, 0] / side

        x = torch.rand(2 * n, self.spec.d_in, generator=generator)
        x = x[distance(x).topk(n, largest=False).indices]
        steps = _STEP * torch.eye(self.spec.d_in)
        for _ in range(2):
            slope = torch.stack([distance(x + s) - distance(x - s) for s in steps], dim=-1)
            x = (x - distance(x)[:, None] * torch.nn.functional.normalize(slope, dim=-1)).clamp(0, 1)
        return x[distance(x) < _ON_SURFACE]


def _rendered(fit: Fit) -> Lattice:
    """A signal of the fit's kind that holds what the fit renders."""
    kind = fit.kind
    assert issubclass(kind, Lattice)
    grid, meta = kind.grid(fit.spec, fit.frame, fit.meta, View())
    return kind(fit.render()[0], fit.frame, meta, order=grid.order)


def _shaken(surface: Tensor, n: int, generator: Generator) -> Tensor:
    """n points near a surface; none without a surface."""
    if not len(surface):
        return surface
    index = torch.randint(len(surface), (n,), generator=generator)
    span = math.sqrt(surface.shape[-1]) * _FARTHEST
    s = span * (_NEAREST / _FARTHEST) ** torch.rand(n, 1, generator=generator)
    return (surface[index] + s * torch.randn(n, surface.shape[-1], generator=generator)).clamp(0, 1)


def _blur(values: Tensor, sigma: float) -> Values:
    """Gaussian of `sigma` samples along every axis of [*shape, C]; borders repeat."""
    from scipy.ndimage import gaussian_filter

    blurred: Values = gaussian_filter(values.numpy(), sigma=(*(sigma,) * (values.ndim - 1), 0), mode="nearest")
    return blurred
