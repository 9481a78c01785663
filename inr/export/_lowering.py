"""From a fitted field to its op list: how each module calculates, told by what the field is made of."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Literal, TypeVar

import numpy as np
import torch
from torch import nn

from inr._errors import UsageError
from inr.assemblies._body import Body
from inr.assemblies._factorised import Factorised
from inr.assemblies.bare import Bare
from inr.assemblies.cp import Cp
from inr.assemblies.single import Single
from inr.assemblies.tt import Tt
from inr.assemblies.tucker import Tucker
from inr.export._builder import Builder, Value, array
from inr.export._ops import Polynomials, Program
from inr.fields._kernel_sum import KernelSumField
from inr.fields.chebyshev import ChebyshevField
from inr.fields.local_cosine import LocalCosineMlp
from inr.fields.mlp import MlpField
from inr.fields.polyharmonic import PolyharmonicField
from inr.fitting import Fit
from inr.layers import Linear

Coordinates = Literal["unit", "signal"]
Rule = Callable[..., Value]
R = TypeVar("R", bound=Rule)

_RULES: dict[type[nn.Module], Rule] = {}


def lowers(*kinds: type[nn.Module]) -> Callable[[R], R]:
    """Register a function (module, *values) -> value as what modules of exactly these types calculate."""

    def add(rule: R) -> R:
        _RULES.update(dict.fromkeys(kinds, rule))
        return rule

    return add


def apply(module: nn.Module, *values: Value) -> Value:
    """The ops of a module. Raises UsageError where its type has none."""
    if isinstance(module, Linear) and len(values) == 1:
        return values[0].dense(*module.effective())
    rule = _RULES.get(type(module))
    if rule is None:
        raise UsageError(
            f"a field with {type(module).__name__} can not be written as a list of ops", "export it as pt2"
        )
    return rule(module, *values)


def lower(fit: Fit, coordinates: Coordinates = "unit") -> Program:
    """The ops of a fit: coordinates [N, D] to values in the signal's units [N, C].

    coordinates: "unit" is the unit box, "signal" the signal's own units. Reparameterised layers are folded first.
    Raises UsageError where a part of the field has no ops.
    """
    import inr.export._lowering_encodings
    import inr.export._lowering_layers  # noqa: F401  they register the rules

    with torch.no_grad():
        field = fit.field.fold().eval()
        builder = Builder(fit.spec.d_in)
        x, domain = builder.input, fit.frame.domain
        if coordinates == "signal":
            x = (x + [-low for low in domain.low]) * [1 / side for side in domain.extent]
        z = apply(field, x)
        y = z.affine(fit.frame.scale, fit.frame.offset)
    return builder.program(y)


# --- fields ---


@lowers(MlpField, KernelSumField, LocalCosineMlp)
def _mlp(field: MlpField, x: Value) -> Value:
    return apply(field.head, apply(field.body, x))


@lowers(PolyharmonicField)
def _polyharmonic(field: PolyharmonicField, x: Value) -> Value:
    return _mlp(field, x.cast("float64")).cast("float32")


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
    return u.builder.add(Polynomials(inputs=(u.place,), width=n, a=a, b=b, scale=scale))


# --- assemblies ---


@lowers(Body, Single)
def _body(body: Body, x: Value) -> Value:
    e = h = apply(body.encoding, x)
    for cell in body.cells:
        h = apply(cell, h, e, x)
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


def product(row: Value, matrix: Value) -> Value:
    """row [N, R] times matrix [N, R R'], row by row."""
    n = matrix.width // row.width
    return (row.select([i for i in range(row.width) for _ in range(n)]) * matrix).sum(row.width)


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
