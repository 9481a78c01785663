"""Factor fields: a coefficient grid times periodic basis grids.  Chen et al. 2023, arXiv:2302.01226."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Generator, Tensor, nn

from inr.core.config import param
from inr.core.domain import Spec
from inr.core.errors import ConfigError
from inr.core.gradient_factors import Factor, HasGradientFactors, SparseRows, factor
from inr.encodings._encoding import ENCODINGS, Encoding, EncodingConfig
from inr.encodings._grid import per_axis
from inr.kernels.multilinear import corners, inset, multilinear, nearest, nearest_vertex

REFERENCE_SIDE = 1024
"""Samples per axis of the authors' pictures, for which the numbers of vertices are stated."""
SPACE_SIDE = 640
"""Units per axis into which the authors divide the box of a distance field."""
MAX_LINE = 2**15
BASIS = (32, 51, 70, 89, 108, 128)
FEATURES, SPACE_FEATURES = (32, 32, 32, 16, 16, 16), (4, 4, 4, 2, 2, 2)
SPACE_FREQUENCIES = (1.0, 1.6, 2.2, 2.8, 3.4, 4.0)
COEFFICIENT_SHARE, SPACE_COEFFICIENT_SHARE = 63 / 1024, 54 / 640

Wrap = Literal["sawtooth", "triangle"]
Lookup = Literal["linear", "nearest"]


@ENCODINGS.register("dictionary")
@dataclass(frozen=True, kw_only=True)
class Dictionary(EncodingConfig):
    """e_l = c_l(x) b_l(wrap(f_l x)), concatenated over the levels l: [*B, sum of features].

    c: the coefficients, one grid of all features. b_l: the basis of level l, a grid that covers one period, 1 / f_l of
    the box. wrap is v mod 1 (sawtooth, which jumps between periods) or 1 - |v mod 2 - 1| (triangle, which mirrors
    every second period). Bases have vertices at both ends of a period; coefficients are at the centres of equal cells
    (`is_inset`), or have vertices at both ends of the box.

    Lookups are linear, or take the nearest vertex, as in the authors' pictures: there, each vertex of a basis serves
    one sample per period, and the coefficients are constant over cells of 16 samples. Such a field is a step function:
    between the samples it repeats them, and it has no slope.

    Coefficients are initially constant, 1e-3 on lattices and 0.05 for distances. The bases are initially atoms
    prod_d cos(pi k_d i_d / p) of a discrete cosine transform, each axis without its mean, scaled to norm 1
    (`cosine_atoms`).

    Defaults, from the paper: on lattices f_l = 1024 / (32, 51, 70, 89, 108, 128), so that a vertex of a basis is a
    sample, and coefficients of 63 / 1024 of the side; for distances f_l from 1 to 4, features (4, 4, 4, 2, 2, 2) and
    coefficients of 54 / 640. `finest` is the number of samples along every axis (at most 2^15 in one dimension; 640 for
    distances). The authors have 32 to 128 vertices for pictures of every size, and 20 to 80 for distances; here a basis
    has round(finest / 1024 (32, 51, 70, 89, 108, 128)) vertices, which is the same for pictures of 1024 samples and for
    distances.
    """

    features: tuple[int, ...] | None = param(None, "features per level", ge=1, le=65536)
    frequencies: tuple[float, ...] | None = param(None, "periods f_l across the box", gt=0)
    vertices: tuple[int, ...] = param(BASIS, "vertices per axis of the bases for finest = 1024", ge=2, le=65536)
    wrap: Wrap = param("sawtooth", "periodic map of the coordinates")
    lookup: Lookup | None = param(None, "between vertices; none: nearest on lattices, else linear", absent="linear")
    is_inset: bool = param(True, "coefficients are at the centres of cells, not at the ends too", absent=False)
    finest: tuple[int, ...] | None = param(None, "samples per axis to resolve (one number: all axes)", ge=2, le=2**24)
    coefficients: tuple[int, ...] | None = param(None, "vertices per axis of the coefficient grid", ge=2, le=2**24)
    start: float | None = param(None, "initial coefficients; none: 0.05 for distances, else 1e-3")

    def resolve(self, spec: Spec) -> Self:
        is_lattice = spec.shape is not None
        features = self.features or (FEATURES if is_lattice else SPACE_FEATURES)
        frequencies = self.frequencies
        if frequencies is None:
            frequencies = tuple(REFERENCE_SIDE / n for n in self.vertices) if is_lattice else SPACE_FREQUENCIES
        if not len(features) == len(frequencies) == len(self.vertices) > 0:
            lengths = f"{len(features)}, {len(frequencies)} and {len(self.vertices)}"
            raise ConfigError(
                [f"features, frequencies and vertices have {lengths} numbers, expected one per level each"]
            )
        finest = self.finest
        if finest is None:
            shape = (SPACE_SIDE,) if spec.shape is None else spec.shape
            finest = tuple(max(2, n if spec.d_in > 1 else min(n, MAX_LINE)) for n in shape)
        finest = per_axis("finest", finest, spec.d_in)
        share = COEFFICIENT_SHARE if is_lattice else SPACE_COEFFICIENT_SHARE
        coefficients = self.coefficients or tuple(max(2, round(n * share)) for n in finest)
        return dataclasses.replace(
            self,
            features=features,
            frequencies=frequencies,
            lookup=self.lookup or ("nearest" if is_lattice else "linear"),
            finest=finest,
            coefficients=per_axis("coefficients", coefficients, spec.d_in),
            start=self.start if self.start is not None else 1e-3 if is_lattice else 0.05,
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
        assert config.features is not None
        assert config.frequencies is not None
        self.config = config
        self.frequencies, self.features = config.frequencies, config.features
        self.d_out = sum(config.features)
        self.coefficients = nn.Parameter(torch.full((*config.coefficients, self.d_out), config.start))
        for level, (count, vertices) in enumerate(zip(config.features, config.vertices, strict=True)):
            sides = tuple(max(2, round(vertices * n / REFERENCE_SIDE)) for n in config.finest)
            self.register_parameter(f"basis_{level}", nn.Parameter(cosine_atoms(count, sides)))

    def forward(self, x: Tensor) -> Tensor:
        x = x.clamp(0, 1)
        return self._values(self._place(x), self.coefficients) * self._bases(x)

    def _place(self, x: Tensor) -> Tensor:
        """Coordinates in the grid of coefficients, as `multilinear` reads it."""
        return inset(x, self.coefficients.shape[:-1]).clamp(0, 1) if self.config.is_inset else x

    def _place_of(self, level: int, x: Tensor) -> Tensor:
        """Coordinates within a period of a basis."""
        return wrapped(self.frequencies[level] * x, self.config.wrap)

    def _values(self, place: Tensor, table: Tensor) -> Tensor:
        return nearest(place, table) if self.config.lookup == "nearest" else multilinear(place, table)

    def basis(self, level: int) -> Tensor:
        table: Tensor = getattr(self, f"basis_{level}")
        return table

    def _bases(self, x: Tensor) -> Tensor:
        levels = range(len(self.frequencies))
        return torch.cat([self._values(self._place_of(level, x), self.basis(level)) for level in levels], -1)

    def tangent(self, inputs: Sequence[Tensor], cotangent: Tensor) -> list[Factor]:
        """Per grid: the interpolation weights of the corners times the cotangent times the other factor."""
        x = inputs[0].clamp(0, 1)
        place = self._place(x)
        factors = [factor(self._sparse(place, self.coefficients), cotangent=cotangent * self._bases(x))]
        slopes = torch.split(cotangent * self._values(place, self.coefficients), list(self.features), -1)
        for level, slope in enumerate(slopes):
            factors.append(factor(self._sparse(self._place_of(level, x), self.basis(level)), cotangent=slope))
        return factors

    def _sparse(self, place: Tensor, table: Tensor) -> SparseRows:
        sides = table.shape[:-1]
        if self.config.lookup == "nearest":
            index = nearest_vertex(place, sides)
            return SparseRows(index, torch.ones_like(index, dtype=place.dtype), sides.numel())
        return SparseRows(*corners(place, sides), sides.numel())


def wrapped(v: Tensor, wrap: Wrap) -> Tensor:
    """Positions [*B, D] in [0, 1] within a period: sawtooth of period 1, or triangle of period 2."""
    return v - v.detach().floor() if wrap == "sawtooth" else 1 - (v - 2 * (v.detach() / 2).floor() - 1).abs()


def cosine_atoms(count: int, sides: tuple[int, ...]) -> Tensor:
    """Atoms of a discrete cosine transform as the authors choose them: [*sides, count], each of norm 1.

    With p = floor(count^(1/D) + 1), an atom is prod_d c_{k_d}(i_d) for 0 <= k_d < p, c_k(i) = cos(pi k i / p), less its
    mean over i if k > 0. The p^D atoms in the order of k are divided into `count` runs, whose first atoms are taken.
    """
    d, most = len(sides), int(count ** (1 / len(sides)) + 1)
    k = torch.arange(most, dtype=torch.float64)[:, None]
    atoms = torch.ones(1, 1, dtype=torch.float64)
    for n in sides:
        line = torch.cos(math.pi * k * torch.arange(n) / most)
        line[1:] -= line[1:].mean(1, keepdim=True)
        atoms = torch.kron(atoms, line)
    total = most**d
    size, longer = divmod(total, count)
    firsts = [i * size + min(i, longer) for i in range(count)]
    chosen = atoms[firsts]
    norm = torch.linalg.vector_norm(chosen, dim=1, keepdim=True)
    return (chosen / torch.where(norm > 0, norm, 1.0)).T.reshape(*sides, count).float()
