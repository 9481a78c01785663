"""Lowering rules for encodings."""

from __future__ import annotations

import itertools
import math
from functools import reduce

import numpy as np
import torch
from torch import Tensor

from inr.encodings import GridEncoding
from inr.encodings.concat import ConcatEncoding
from inr.encodings.dictionary import DictionaryEncoding, Wrap
from inr.encodings.frequency import FrequencyEncoding
from inr.encodings.gaussians import GaussiansEncoding
from inr.encodings.identity import IdentityEncoding
from inr.encodings.kernels import KernelsEncoding
from inr.encodings.latent_grid import LatentGridEncoding
from inr.encodings.local_cosine import LocalCosine
from inr.encodings.planes import PlanesEncoding
from inr.encodings.random_fourier import RandomFourierEncoding
from inr.encodings.rbf import RbfEncoding
from inr.exporters._rules import apply, lowers, product
from inr.exporters.builder import Value, array, concat
from inr.exporters.ops import Array, GridOp, NearestOp, RadialOp
from inr.kernels.grid_geometry import PRIMES
from inr.kernels.hash_grid import Interpolation


@lowers(IdentityEncoding)
def _identity(module: IdentityEncoding, x: Value) -> Value:
    return x.affine(module.high - module.low, module.low)


@lowers(FrequencyEncoding)
def _frequency(module: FrequencyEncoding, x: Value) -> Value:
    u = x.affine(2.0, -1.0)
    factor = array(module.factor)
    angle = u.dense(np.kron(np.eye(x.width, dtype=factor.dtype), factor[:, None]))
    return concat([*([u] if module.has_raw else []), angle.map("sin"), angle.map("cos")])


@lowers(RandomFourierEncoding)
def _random_fourier(module: RandomFourierEncoding, x: Value) -> Value:
    angle = x.dense(module.frequencies) * (2.0 * math.pi)
    return concat([angle.map("sin"), angle.map("cos")])


@lowers(ConcatEncoding)
def _concat(module: ConcatEncoding, x: Value) -> Value:
    if module.boundary == "clamp":
        x = x.clamp(0.0, 1.0)
    e = concat([apply(module.first, x), apply(module.second, x)])
    return e if module.shift is None else e + module.shift


@lowers(GridEncoding)
def _grid(module: GridEncoding, x: Value) -> Value:
    g = module.geometry
    x = x.clamp(0.0, 1.0)
    table = array(module.table)
    return x.builder.add(
        GridOp(
            inputs=(x.place,),
            width=module.d_out,
            table=table,
            scale=np.array(g.scale, np.float32),
            start=0.5,
            last=None,
            stride=np.array(g.stride, np.int64),
            factor=np.array(PRIMES[: g.d_in], np.uint32),
            entries=np.array(g.entries, np.int64),
            offset=np.array(g.offset, np.int64),
            is_hashed=~np.array(g.is_dense),
            is_smooth=module.interpolation == "smoothstep",
        )
    )


@lowers(LatentGridEncoding)
def _latent_grid(module: LatentGridEncoding, x: Value) -> Value:
    weight, shift = module.maps.as_matrix()
    return apply(module.grid, x).dense(weight, shift)


def multilinear(x: Value, table: Tensor, interpolation: Interpolation = "linear") -> Value:
    """`inr.kernels.multilinear.multilinear` at coordinates in the unit box."""
    *sides, features = table.shape
    strides = [math.prod(sides[d + 1 :]) for d in range(len(sides))]
    return x.builder.add(
        GridOp(
            inputs=(x.place,),
            width=features,
            table=array(table).reshape(-1, features),
            scale=np.array([[n - 1 for n in sides]], np.float32),
            start=0.0,
            last=np.array([[n - 2 for n in sides]], np.float32),
            stride=np.array([strides], np.int64),
            factor=np.zeros(len(sides), np.uint32),
            entries=np.array([math.prod(sides)], np.int64),
            offset=np.zeros(1, np.int64),
            is_hashed=np.zeros(1, bool),
            is_smooth=interpolation == "smoothstep",
        )
    )


@lowers(PlanesEncoding)
def _planes(module: PlanesEncoding, x: Value) -> Value:
    x = x.clamp(0.0, 1.0)
    each = [_plane(module, x, axes) for axes in module.axes]
    features = reduce(Value.__mul__ if module.combine == "product" else Value.__add__, each)
    if module.combine == "mean":
        features = features * (1 / len(each))
    return features if module.beside is None else concat([features, apply(module.beside, x)])


def _plane(module: PlanesEncoding, x: Value, axes: tuple[int, ...]) -> Value:
    table, place = module.table(axes), x.select(axes)
    if module.edge == "zero":
        n = np.array(table.shape[:-1], np.float32) - 2
        place = place.affine(n / (n + 1), 0.5 / (n + 1))
    return multilinear(place, table, module.interpolation)


@lowers(DictionaryEncoding)
def _dictionary(module: DictionaryEncoding, x: Value) -> Value:
    x = x.clamp(0.0, 1.0)
    is_nearest = module.config.lookup == "nearest"

    def values(place: Value, table: Tensor) -> Value:
        place = place.clamp(0.0, 1.0)
        if is_nearest:
            last = np.array(table.shape[:-1], np.float32) - 1
            place = place.affine(last, 0.5).map("floor") * (1 / last)
        return multilinear(place, table)

    n = np.array(module.coefficients.shape[:-1], np.float32)
    place = x.affine(n / (n - 1), -0.5 / (n - 1)) if module.config.is_inset else x
    bases = [
        values(_wrapped(x * f, module.config.wrap), module.basis(level)) for level, f in enumerate(module.frequencies)
    ]
    return values(place, module.coefficients) * concat(bases)


def _wrapped(v: Value, wrap: Wrap) -> Value:
    if wrap == "sawtooth":
        return v - v.map("floor")
    return ((v - (v * 0.5).map("floor") * 2.0) + -1.0).map("abs").affine(-1.0, 1.0)


def _roots(root: Tensor, d: int) -> Array:
    """[M], [M, D] or [M, D, D] as matrices [M, D, D]."""
    if root.ndim == 1:
        root = root[:, None].expand(-1, d)
    return array(torch.diag_embed(root) if root.ndim == 2 else root)


def radial(p: Value, centres: Tensor, roots: Tensor, kernel: str, reach: float | None = None) -> Value:
    return p.builder.add(
        RadialOp(
            inputs=(p.place,),
            width=len(centres),
            centres=array(centres),
            roots=_roots(roots, p.width),
            kernel=kernel,
            reach=reach,
        )
    )


@lowers(KernelsEncoding)
def _kernels(module: KernelsEncoding, x: Value) -> Value:
    e = radial(x * module.sides, module.centres, 1 / module.widths, module.kernel)
    return e / e.sum() if module.config.is_normalised else e


@lowers(GaussiansEncoding)
def _gaussians(module: GaussiansEncoding, x: Value) -> Value:
    size = torch.tensor(module.size)
    centres = size * (torch.tanh(module.position) + 1) / 2
    identity = torch.eye(len(size))
    roots = torch.linalg.solve_triangular(module.factors(), identity, upper=False)
    phi = radial(x * size, centres, roots, "gauss", module.reach)
    return phi.dense(module.values.weight.T, torch.full((module.d_out,), module.background))


@lowers(RbfEncoding)
def _rbf(module: RbfEncoding, x: Value) -> Value:
    p = x * module.sides
    return p.builder.add(
        NearestOp(
            inputs=(p.place,),
            width=module.d_out,
            centres=array(module.centres),
            roots=_roots(module.roots, p.width),
            weight=array(module.weight),
            factors=array(module.factors) if module.config.has_sines else None,
            kernel=module.kernel,
            neighbours=module.neighbours,
            is_normalised=module.config.is_normalised,
        )
    )


@lowers(LocalCosine)
def _local_cosine(module: LocalCosine, x: Value) -> Value:
    """Positions and angles are split into integer part and rest, so float32 suffices for signals of any length."""
    bands, frames, d_in = module.bands, module.frames, x.width
    terms = _multiples(x.clamp(0.0, 1.0), module.samples)
    floors = [term.map("floor") for term in terms]
    first = (reduce(Value.__add__, terms) * [1 / m for m in bands]).map("floor")
    whole = reduce(Value.__add__, floors[1:], floors[0] - first * bands)
    rest = reduce(Value.__add__, [term - floor for term, floor in zip(terms, floors, strict=True)])
    table = array(module.table.movedim(1, -1)).reshape(math.prod(frames), -1)
    waves = [
        [_waves(whole.columns(d, d + 1) + (-m if side else 0.0), rest.columns(d, d + 1), m) for side in (0, 1)]
        for d, m in enumerate(bands)
    ]
    parts = []
    for corner in itertools.product((0, 1), repeat=d_in):
        c = _row(first + corner, table, frames)
        for d, side in enumerate(corner):
            c = product(waves[d][side], c)
        parts.append(c)
    return reduce(Value.__add__, parts)


def _multiples(x: Value, n: tuple[int, ...]) -> list[Value]:
    """x n as a sum of terms of decreasing size: x is split into parts with so few bits that part times n is exact."""
    bits = max(4, 24 - max(n).bit_length())
    rest, terms = x, []
    for end in range(bits, 24, bits):
        part = (rest * 2.0**end).map("floor") * 2.0**-end
        terms.append(part * n)
        rest = rest - part
    return [*terms, rest * n]


def _waves(whole: Value, rest: Value, m: int) -> Value:
    """`inr.encodings.local_cosine.local_cosines` at t = M + whole + rest.

    Angles of integers are integers in units of 1 / 4M turns, and their remainders are exact in float32.
    """
    odd = np.arange(1, 2 * m, 2, dtype=np.float32)[:, None]
    angle = whole.dense(odd)
    angle = angle - (angle * (1 / (4 * m))).map("floor") * (4.0 * m)
    eighths = odd[:, 0] * 3 % 8 * (m / 2)
    cosines = ((angle + rest.dense(odd, eighths)) * (math.pi / (2 * m))).map("cos")
    window = ((whole + rest + float(m)) * (math.pi / (2 * m))).map("sin") * math.sqrt(2 / m)
    return cosines.join("multiply", window)


def _row(index: Value, table: Array, sides: tuple[int, ...]) -> Value:
    """The row of the table at integer indices, row-major and periodic."""
    strides = [math.prod(sides[d + 1 :]) for d in range(len(sides))]
    return index.builder.add(
        GridOp(
            inputs=(index.place,),
            width=table.shape[1],
            table=table,
            scale=np.ones((1, len(sides)), np.float32),
            start=0.0,
            last=None,
            stride=np.array([strides], np.int64),
            factor=np.zeros(len(sides), np.uint32),
            entries=np.array([len(table)], np.int64),
            offset=np.zeros(1, np.int64),
            is_hashed=np.zeros(1, bool),
            is_smooth=False,
        )
    )
