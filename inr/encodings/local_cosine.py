"""Windowed cosines in half-overlapping frames on a regular grid: the lapped transform as features.

Princen and Bradley 1986, doi:10.1109/TASSP.1986.1164954; Malvar 1990, doi:10.1109/29.56057.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Generator, Tensor, nn

from inr.core.config import param
from inr.core.domain import Spec
from inr.core.errors import ConfigError
from inr.core.samples import DataDependentInit, Samples
from inr.encodings._encoding import ENCODINGS, Encoding, EncodingConfig
from inr.encodings._grid import per_axis

BANDS = {1: 2048, 2: 16, 3: 8, 4: 4}
_AT_ONCE = 2**21
_START = 1e-3


@ENCODINGS.register("local_cosine")
@dataclass(frozen=True, kw_only=True)
class LocalCosineConfig(EncodingConfig):
    """F sums of windowed cosines, e_f(x) = sum_j sum_k c[j, f, k] prod_d g_d, in overlapping frames j of bands k:

        g_d = sqrt(2 / M_d) sin(pi t_d / (2 M_d)) cos(pi / M_d (t_d + M_d / 2) (k_d + 1/2)),   0 <= t_d <= 2 M_d

    With n_d samples on axis d, frame j_d begins at sample (j_d - 1) M_d and is 2 M_d long; t_d = n_d x_d - (j_d - 1)
    M_d is the position in it, and k_d = 0 .. M_d - 1. Every point lies in two frames per axis. On the samples these
    functions are orthonormal (except those that extend beyond the box), so the coefficients of a signal are its inner
    products with them: the initialisation is exact and in closed form.

    Defaults: M = 2048, 16, 8, 4 samples in 1, 2, 3, 4 dimensions, and at most half of the axis; F is the number of
    channels. Raises ConfigError for signals without a lattice.
    """

    bands: tuple[int, ...] | None = param(
        None, "bands M per axis, equal to the frame spacing in samples", ge=1, le=2**16
    )
    features: int | None = param(None, "features F; none: the signal's channels", ge=1, le=256)
    samples: tuple[int, ...] | None = param(None, "samples n per axis; none: the signal's", ge=1, le=2**30)

    def resolve(self, spec: Spec) -> Self:
        samples = self.samples or spec.shape
        if samples is None:
            raise ConfigError(
                [f"encoding 'local_cosine' needs samples on a lattice, and signals of kind {spec.kind!r} have none"]
            )
        samples = per_axis("samples", samples, spec.d_in)
        bands = self.bands or tuple(min(BANDS[spec.d_in], max(1, n // 2)) for n in samples)
        return dataclasses.replace(
            self,
            bands=per_axis("bands", bands, spec.d_in),
            features=self.features or spec.d_out,
            samples=samples,
        )

    def build(self, d_in: int, generator: Generator) -> Encoding:
        return LocalCosine(self, generator)


class LocalCosine(Encoding, DataDependentInit):
    """table: c [prod_d J_d, F, M_1, ..., M_D], frames row-major with the first axis slowest."""

    smoothness = 0.0  # the window's slope jumps at the start of a frame
    boundary = "clamp"
    pad_value = 0.0

    def __init__(self, config: LocalCosineConfig, generator: Generator) -> None:
        super().__init__()
        assert config.bands is not None
        assert config.samples is not None
        assert config.features is not None
        self.bands, self.samples = config.bands, config.samples
        self.frames = tuple(math.ceil(n / m) + 1 for n, m in zip(config.samples, config.bands, strict=True))
        self.d_out = config.features
        table = torch.empty(math.prod(self.frames), config.features, *config.bands)
        self.table = nn.Parameter(table.uniform_(-_START, _START, generator=generator))

    def forward(self, x: Tensor) -> Tensor:
        rows = x.reshape(-1, x.shape[-1]).clamp(0, 1)
        if torch.compiler.is_compiling():
            return self._sums(rows).reshape(*x.shape[:-1], self.d_out)
        is_cheap = len(self.bands) == 1 and not torch.is_grad_enabled()
        n = max(1, _AT_ONCE // (2**6 if is_cheap else math.prod(2 * m for m in self.bands)))
        parts = [self._sums(part) for part in torch.split(rows, n)]
        return torch.cat(parts).reshape(*x.shape[:-1], self.d_out)

    def _sums(self, x: Tensor) -> Tensor:
        places = [self._axis(x[:, d], d) for d in range(len(self.bands))]
        total = x.new_zeros(x.shape[0], self.d_out)
        for corner in itertools.product((0, 1), repeat=len(self.bands)):
            index = x.new_zeros(x.shape[0], dtype=torch.int64)
            for d, side in enumerate(corner):
                index = index * self.frames[d] + places[d][0][side]
            if len(self.bands) == 1 and not torch.is_grad_enabled() and not torch.compiler.is_compiling():
                total += self._by_frame(index, *places[0][1][corner[0]])
                continue
            c = self.table[index]
            for d in reversed(range(len(self.bands))):
                c = _contract(c, *places[d][1][corner[d]])
            total = total + c
        return total

    def _by_frame(self, index: Tensor, outer: Tensor, inner: Tensor) -> Tensor:
        """Sums [N, F] for points on a line, grouped by frame: one matrix product per frame."""
        out = inner.new_empty(len(index), self.d_out)
        for frame in torch.unique(index).tolist():
            rows = (index == frame).nonzero().squeeze(1)
            c = self.table[frame].reshape(-1, inner.shape[1]).T  # [P, F M / P]
            waves = torch.stack([(inner[rows, :, k] @ c).reshape(len(rows), self.d_out, -1) for k in (0, 1)], dim=-1)
            out[rows] = (waves * outer[rows, None]).sum((-1, -2))
        return out

    def _axis(self, x: Tensor, d: int) -> tuple[list[Tensor], list[tuple[Tensor, Tensor]]]:
        """The two frames [N] that contain each point on axis d, and their functions there as `_factors`."""
        m = self.bands[d]
        at = x.double() * self.samples[d]
        first = (at.detach() / m).floor().clamp(max=self.frames[d] - 1)
        inner = at - first * m
        frames, functions = [], []
        for side, place in ((0, inner + m), (1, inner)):
            frames.append((first.long() + side).clamp(max=self.frames[d] - 1))
            functions.append(_factors(place, m, x.dtype))
        return frames, functions

    def initialise(self, samples: Samples, generator: Generator) -> None:
        """Set the coefficients to the lapped transform of the samples, for as many channels as there are features."""
        grid = samples.grid()
        assert grid is not None, "settings are resolved for lattices only"
        with torch.no_grad():
            self.table.zero_()
            table = self.transform(grid[..., : self.d_out])
            self.table[:, : table.shape[1]] = table.to(self.table)

    def transform(self, grid: Tensor) -> Tensor:
        """Coefficients [prod J, F, M_1 ...] of values [n_1, ..., n_D, F], in float64."""
        d_in = len(self.bands)
        c = grid.double()
        for d, (n, m, n_frames) in enumerate(zip(self.samples, self.bands, self.frames, strict=True)):
            c = c.movedim(d, -1)
            c = nn.functional.pad(c, (m, (n_frames + 1) * m - m - n)).unfold(-1, 2 * m, m)
            places = torch.arange(2 * m, dtype=torch.float64, device=c.device) + 0.5
            c = (c @ local_cosines(places, m)).movedim(-2, d)  # bands go last, in the order of the axes
        order = [*range(d_in), d_in, *range(d_in + 1, 2 * d_in + 1)]
        return c.permute(order).reshape(-1, grid.shape[-1], *self.bands)


def _factors(place: Tensor, m: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """`local_cosines` in two factors, for bands k = P q + p with P near sqrt(M): needs fewer cosines.

    cos(u + v) = cos u cos v - sin u sin v, with u of p and v of q. Returns window * (cos v, -sin v) [N, M / P, 2] and
    (cos u, sin u) [N, P, 2]; angles are reduced in float64.
    """
    n_inner = next(p for p in range(math.isqrt(m), 0, -1) if m % p == 0)
    window = torch.sin(math.pi / (2 * m) * place) * math.sqrt(2 / m)

    def angles(k: Tensor) -> Tensor:
        turns = (place[:, None] + m / 2) * k / (2 * m)
        return (2 * math.pi * (turns - turns.detach().round())).to(dtype)

    v = angles(torch.arange(0, m, n_inner, dtype=place.dtype, device=place.device))
    u = angles(torch.arange(n_inner, dtype=place.dtype, device=place.device) + 0.5)
    outer = torch.stack([v.cos(), -v.sin()], dim=-1) * window[:, None, None].to(dtype)
    return outer, torch.stack([u.cos(), u.sin()], dim=-1)


def _contract(c: Tensor, outer: Tensor, inner: Tensor) -> Tensor:
    """Contract the last axis of c [N, ..., M] with the functions of `_factors`: [N, ...]."""
    shape, n_outer = c.shape[:-1], outer.shape[1]
    n_rows = math.prod(shape[1:])
    c = c.reshape(shape[0], n_rows * n_outer, inner.shape[1]) @ inner  # [N, R M / P, 2]
    return (c.reshape(shape[0], n_rows, n_outer, 2) * outer[:, None]).sum((-1, -2)).reshape(shape)


def local_cosines(place: Tensor, m: int) -> Tensor:
    """w(t) sqrt(2 / M) cos(pi / M (t + M / 2) (k + 1/2)) at positions t [N] in [0, 2 M] of a frame: [N, M]."""
    k = torch.arange(m, dtype=place.dtype, device=place.device) + 0.5
    window = torch.sin(math.pi / (2 * m) * place) * math.sqrt(2 / m)
    turns = (place[:, None] + m / 2) * k / (2 * m)
    return window[:, None] * torch.cos(2 * math.pi * (turns - turns.detach().round()))
