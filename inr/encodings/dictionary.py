"""Factor fields: a coefficient grid times periodic basis grids.  Chen et al. 2023, arXiv:2302.01226."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, Self

import torch
from torch import Generator, Tensor, nn

from inr.core.config import param
from inr.core.domain import Spec
from inr.core.errors import ConfigError
from inr.core.gradient_factors import Factor, HasGradientFactors, SparseRows, factor
from inr.encodings._encoding import ENCODINGS, Encoding, EncodingConfig
from inr.encodings._grid import per_axis
from inr.kernels.multilinear import corners, multilinear

REFERENCE_SIDE = 1024
"""Samples per axis that the paper's periodic bases resolve: the finest has 8 periods of 128 vertices."""
SPACE_SIDE = 128
MAX_LINE = 2**15
BASIS = (32, 51, 70, 89, 108, 128)
COEFFICIENT_SHARE = 12

Wrap = Literal["sawtooth", "triangle"]


@ENCODINGS.register("dictionary")
@dataclass(frozen=True, kw_only=True)
class Dictionary(EncodingConfig):
    """e_l = c_l(x) b_l(wrap(f_l x)), concatenated over the levels l: [*B, sum of features].

    c: the coefficients, one grid of all features. b_l: the basis of level l, a grid that covers one period, 1 / f_l of
    the box. wrap is v mod 1 (sawtooth, which jumps between periods) or 1 - |v mod 2 - 1| (triangle, which mirrors
    every second period). All lookups are linear (the paper uses nearest-neighbour lookup of the bases for pictures).

    Coefficients are initially constant; the bases are initially the lowest atoms prod_d cos(pi k_d (i_d + 1/2) / n_d)
    of the discrete cosine transform, by sum of k (our choice: every feature differs and is of order 1).

    The paper's bases have 32 to 128 vertices per axis and its periods then resolve 64 to 1024 samples, the side of its
    pictures; here they follow the signal: `finest` = n gives round(n / 1024 (32, 51, 70, 89, 108, 128)) vertices.
    Defaults: `finest` is the number of samples along every axis (at most 2^15 in one dimension; 128 for signed
    distances), and coefficient grids have finest / 12 vertices.
    """

    features: tuple[int, ...] = param((32, 32, 32, 16, 16, 16), "features per level", ge=1, le=65536)
    frequencies: tuple[float, ...] = param((2.0, 3.2, 4.4, 5.6, 6.8, 8.0), "periods f_l across the box", gt=0)
    vertices: tuple[int, ...] = param(BASIS, "vertices per axis of the bases for finest = 1024", ge=2, le=65536)
    wrap: Wrap = param("sawtooth", "periodic map of the coordinates")
    finest: tuple[int, ...] | None = param(None, "samples per axis to resolve (one number: all axes)", ge=2, le=2**24)
    coefficients: tuple[int, ...] | None = param(None, "vertices per axis of the coefficient grid", ge=2, le=2**24)
    start: float | None = param(None, "initial coefficients; none: 0.05 for distances, else 1e-3")

    def resolve(self, spec: Spec) -> Self:
        if not len(self.features) == len(self.frequencies) == len(self.vertices) > 0:
            lengths = f"{len(self.features)}, {len(self.frequencies)} and {len(self.vertices)}"
            raise ConfigError(
                [f"features, frequencies and vertices have {lengths} numbers, expected one per level each"]
            )
        finest = self.finest
        if finest is None:
            shape = (SPACE_SIDE,) if spec.shape is None else spec.shape
            finest = tuple(max(2, n if spec.d_in > 1 else min(n, MAX_LINE)) for n in shape)
        finest = per_axis("finest", finest, spec.d_in)
        coefficients = self.coefficients or tuple(max(2, round(n / COEFFICIENT_SHARE)) for n in finest)
        start = self.start if self.start is not None else 0.05 if spec.shape is None else 1e-3
        return dataclasses.replace(
            self, finest=finest, coefficients=per_axis("coefficients", coefficients, spec.d_in), start=start
        )

    def build(self, d_in: int, generator: Generator) -> Encoding:
        return DictionaryEncoding(self)


class DictionaryEncoding(Encoding, HasGradientFactors):
    boundary = "clamp"
    pad_value = 0.0
    smoothness = 0.0

    def __init__(self, config: Dictionary) -> None:
        super().__init__()
        assert config.finest is not None
        assert config.coefficients is not None
        assert config.start is not None
        self.config = config
        self.d_out = sum(config.features)
        self.coefficients = nn.Parameter(torch.full((*config.coefficients, self.d_out), config.start))
        for level, (count, vertices) in enumerate(zip(config.features, config.vertices, strict=True)):
            sides = tuple(max(2, round(vertices * n / REFERENCE_SIDE)) for n in config.finest)
            self.register_parameter(f"basis_{level}", nn.Parameter(cosine_atoms(count, sides)))

    def forward(self, x: Tensor) -> Tensor:
        x = x.clamp(0, 1)
        return multilinear(x, self.coefficients) * self._bases(x)

    def _bases(self, x: Tensor) -> Tensor:
        bases = [
            multilinear(wrapped(f * x, self.config.wrap), getattr(self, f"basis_{level}"))
            for level, f in enumerate(self.config.frequencies)
        ]
        return torch.cat(bases, -1)

    def tangent(self, inputs: Sequence[Tensor], cotangent: Tensor) -> list[Factor]:
        """Per grid: the interpolation weights of the corners times the cotangent times the other factor."""
        x = inputs[0].clamp(0, 1)
        factors = [factor(_sparse(x, self.coefficients), cotangent=cotangent * self._bases(x))]
        slopes = torch.split(cotangent * multilinear(x, self.coefficients), list(self.config.features), -1)
        for level, (f, slope) in enumerate(zip(self.config.frequencies, slopes, strict=True)):
            place = wrapped(f * x, self.config.wrap)
            factors.append(factor(_sparse(place, getattr(self, f"basis_{level}")), cotangent=slope))
        return factors


def _sparse(x: Tensor, table: Tensor) -> SparseRows:
    sides = table.shape[:-1]
    return SparseRows(*corners(x, sides), sides.numel())


def wrapped(v: Tensor, wrap: Wrap) -> Tensor:
    """Positions [*B, D] in [0, 1] within a period: sawtooth of period 1, or triangle of period 2."""
    return v - v.detach().floor() if wrap == "sawtooth" else 1 - (v - 2 * (v.detach() / 2).floor() - 1).abs()


def cosine_atoms(count: int, sides: tuple[int, ...]) -> Tensor:
    """The first atoms of the discrete cosine transform of a grid, by total frequency: [*sides, count]."""
    most = math.ceil(count ** (1 / len(sides))) + 1
    orders = sorted(product(range(most), repeat=len(sides)), key=lambda k: (sum(k), k))[:count]
    atoms = []
    for order in orders:
        atom = torch.ones(())
        for k, n in zip(order, sides, strict=True):
            atom = atom.unsqueeze(-1) * torch.cos(math.pi * k * (torch.arange(n) + 0.5) / n)
        atoms.append(atom)
    return torch.stack(atoms, -1)
