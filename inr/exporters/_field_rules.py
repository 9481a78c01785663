"""Lowering rules for fields and assemblies."""

from __future__ import annotations

import math
from functools import reduce

import numpy as np
import torch

from inr.assemblies import Body, Factorised
from inr.assemblies.bare import Bare
from inr.assemblies.cp import Cp
from inr.assemblies.single import Single
from inr.assemblies.tt import Tt
from inr.assemblies.tucker import Tucker
from inr.exporters._encoding_rules import radial
from inr.exporters._rules import apply, lowers, product
from inr.exporters.builder import Value, array, concat
from inr.exporters.ops import PolynomialsOp
from inr.fields.block_networks import BlockLayer
from inr.fields.chebyshev import ChebyshevField
from inr.fields.kernel_sum import KernelSumField
from inr.fields.local_cosine import LocalCosineMlp
from inr.fields.miner import MinerField
from inr.fields.mlp import MlpField
from inr.fields.polyharmonic import PolyharmonicField
from inr.fields.polyharmonic_cascade import B, PolyharmonicCascadeField, SplinePackage

# --- fields ---


@lowers(MlpField, KernelSumField, LocalCosineMlp)
def _mlp(field: MlpField, x: Value) -> Value:
    return apply(field.head, apply(field.body, x))


@lowers(PolyharmonicField)
def _polyharmonic(field: PolyharmonicField, x: Value) -> Value:
    return _mlp(field, x.cast("float64")).cast("float32")


@lowers(PolyharmonicCascadeField)
def _cascade(field: PolyharmonicCascadeField, x: Value) -> Value:
    start = x.cast("float64").affine(1.0, -0.5)
    channels = []
    for channel in range(field.d_out):
        h = start
        for package in field.packages:
            assert isinstance(package, SplinePackage)
            h = _package(package, channel, h)
        channels.append(h)
    return concat(channels).cast("float32")


def _package(package: SplinePackage, channel: int, h: Value) -> Value:
    """(r^2 ln r) A - b (1 + r^2) A + constant + b sum_i A_i."""
    a, constant = (t[channel] for t in package.coefficients())
    ones = torch.ones(len(package.nodes), dtype=torch.float64)
    splines, squares = (radial(h, package.nodes, ones, kernel) for kernel in ("thin_plate", "quadric"))
    return concat([splines, squares]).dense(torch.cat([a, -B * a]).T, (constant + B * a.sum(0, keepdim=True))[0])


@lowers(ChebyshevField)
def _chebyshev(field: ChebyshevField, x: Value) -> Value:
    coefficients = array(field.coefficients)
    n_terms = coefficients.shape[:-1]
    is_legendre = field.config.basis == "legendre"
    u = x.cast("float64").clamp(0.0, 1.0).affine(2.0, -1.0)
    bases = [_polynomials(u.columns(d, d + 1), n, is_legendre).cast("float32") for d, n in enumerate(n_terms)]
    value = bases[0].dense(coefficients.reshape(n_terms[0], -1).T)
    for basis, n in zip(bases[1:], n_terms[1:], strict=True):
        rest = value.width // n
        value = (basis.select(np.repeat(np.arange(n), rest).tolist()) * value).sum(n)
    return value


def _polynomials(u: Value, n: int, is_legendre: bool) -> Value:
    k = np.arange(max(1, n - 1), dtype=np.float64)
    a, b, scale = np.full_like(k, 2.0), np.ones_like(k), np.ones(n)
    if is_legendre:
        a, b, scale = (2 * k + 1) / (k + 1), k / (k + 1), np.sqrt(2.0 * np.arange(n) + 1)
    return u.builder.add(PolynomialsOp(inputs=(u.place,), width=n, a=a, b=b, scale=scale))


@lowers(MinerField)
def _miner(field: MinerField, x: Value) -> Value:
    scales, first = [], 0
    for n_blocks in field.partitions:
        place = x.affine(n_blocks)
        floors = place.map("floor")
        cell = concat([floors.columns(d, d + 1).clamp(0.0, n - 1.0) for d, n in enumerate(n_blocks)])
        strides = [math.prod(n_blocks[d + 1 :]) for d in range(len(n_blocks))]
        k = cell.affine(strides).sum().affine(1.0, first)
        h = (place - cell).affine(2.0, -1.0)
        for layer in field.networks.layers:
            assert isinstance(layer, BlockLayer)
            h = h.chosen(k, layer.weight.mT, layer.bias)
            h = h if layer.role == "last" else h.affine(field.config.omega).map("sin")
        scales.append(h)
        first += math.prod(n_blocks)
    return reduce(Value.__add__, scales)


# --- assemblies ---


@lowers(Body, Single)
def _body(body: Body, x: Value) -> Value:
    e = h = apply(body.encoding, x)
    for block in body.blocks:
        h = apply(block, h, e, x)
    return apply(body.last, h)


@lowers(Bare)
def _bare(assembly: Bare, x: Value) -> Value:
    return apply(assembly.encoding, x)


def _factors(assembly: Factorised, x: Value) -> list[Value]:
    return [apply(body, x.columns(d, d + 1)) for d, body in enumerate(assembly.bodies)]


@lowers(Cp)
def _cp(assembly: Cp, x: Value) -> Value:
    rank, _ = assembly._shape
    return reduce(Value.__mul__, _factors(assembly, x)).sum(rank)


@lowers(Tt)
def _tt(assembly: Tt, x: Value) -> Value:
    return reduce(product, _factors(assembly, x))


@lowers(Tucker)
def _tucker(assembly: Tucker, x: Value) -> Value:
    factors, core = _factors(assembly, x), array(assembly.core)
    half = len(factors) - len(factors) // 2
    weights = factors[0]
    for f in factors[1:half]:
        n, m = weights.width, f.width
        weights = weights.select([i for i in range(n) for _ in range(m)]) * f.select(list(range(m)) * n)
    y = weights.dense(core.reshape(weights.width, -1).T)
    for f in factors[half:]:
        y = product(f, y)
    return y
