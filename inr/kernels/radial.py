"""Radial kernels: phi as a function of the offset y = R (x - c), which the root R of the inverse covariance stretches.

With q = |y|^2 every kernel but the tent is a function of q alone. Roots are taken so that their derivative at a
centre is 0 instead of undefined. Exponentials stay at 1e-19 (in float64 1e-154) where they would be smaller: products
of smaller ones are subnormal numbers, with which a CPU calculates much slower. Names in brackets are those
of NeuRBF (Chen et al. 2023, arXiv:2309.15426).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Literal

import torch
from torch import Tensor

Kernel = Literal[
    "tent",
    "inverse_quadric",
    "inverse_multiquadric",
    "inverse_linear",
    "inverse_cubic",
    "gauss",
    "gauss_squared",
    "markov",
    "exp_sine",
    "quadric",
    "multiquadric",
    "linear",
    "cubic",
    "thin_plate",
]


def radial(
    y: Tensor,  # [*B, D]
    kernel: Kernel,
) -> Tensor:  # [*B]
    """phi(y):

    tent (nlin): prod_d max(1 - |y_d|, 0)
    inverse_quadric (ivq): 1 / (1 + q)            inverse_multiquadric (ivmq): (1 + q)^(-1/2)
    inverse_linear (ivd): 1 / (sqrt(q) + 1e-10)   inverse_cubic (ivc): 1 / (q^(3/2) + 1e-30)
    gauss: exp(-q / 2)                            gauss_squared (sgauss2): exp(-(q / 2)^2)
    markov: exp(-sqrt(q))                         exp_sine (expsin): exp(-sin sqrt(q))
    quadric (qd): 1 + q                           multiquadric (mqd): sqrt(1 + q)
    linear (phs1): sqrt(q)                        cubic (phs3): q^(3/2)
    thin_plate: r^2 ln r = (q / 2) ln q, 0 at 0
    """
    return radial_of_axes(y.unbind(-1), kernel)


def radial_of_axes(y: Sequence[Tensor], kernel: Kernel) -> Tensor:
    """phi as a function of the D components of y, [*B] each: sums over an innermost axis of 2 or 3 are slow."""
    if kernel == "tent":
        return reduce(torch.mul, [(1 - component.abs()).clamp_min(0) for component in y])
    return radial_of_square(reduce(torch.add, [component.square() for component in y]), kernel)


def radial_of_square(q: Tensor, kernel: Kernel) -> Tensor:
    """phi as a function of q = |y|^2, elementwise; for every kernel but the tent."""
    return _OF_SQUARE[kernel](q)


def smoothness(kernel: Kernel) -> float:
    """The number of coordinate derivatives of one kernel that mean something."""
    return _SMOOTHNESS.get(kernel, math.inf)


HALF_WIDTH: dict[str, float] = {"tent": 4.0, "inverse_multiquadric": 1.0 / 3.0}
"""By what a variance is multiplied so that phi = 1/2 at the distance at which 1 / (1 + q) is; 1 where not listed."""


def _root(q: Tensor) -> Tensor:
    is_positive = q > 0
    return torch.where(is_positive, torch.where(is_positive, q, 1.0).sqrt(), 0.0)


def _log(q: Tensor) -> Tensor:
    return torch.where(q > 0, q, 1.0).log()


def least_exponent(dtype: torch.dtype) -> float:
    """Below it the square of an exponential would be subnormal."""
    return 0.5 * math.log(torch.finfo(dtype).tiny)


def _exp(exponent: Tensor) -> Tensor:
    return exponent.clamp_min(least_exponent(exponent.dtype)).exp()


_OF_SQUARE: dict[str, Callable[[Tensor], Tensor]] = {
    "inverse_quadric": lambda q: 1 / (1 + q),
    "inverse_multiquadric": lambda q: (1 + q).rsqrt(),
    "inverse_linear": lambda q: 1 / (_root(q) + 1e-10),
    "inverse_cubic": lambda q: 1 / (q * _root(q) + 1e-30),
    "gauss": lambda q: _exp(-0.5 * q),
    "gauss_squared": lambda q: _exp(-(0.5 * q).square()),
    "markov": lambda q: _exp(-_root(q)),
    "exp_sine": lambda q: (-_root(q).sin()).exp(),
    "quadric": lambda q: 1 + q,
    "multiquadric": lambda q: (1 + q).sqrt(),
    "linear": _root,
    "cubic": lambda q: q * _root(q),
    "thin_plate": lambda q: 0.5 * q * _log(q),
}
SQUARE_KERNELS = tuple(_OF_SQUARE)
"""Kernels that are functions of q."""
_SMOOTHNESS: dict[str, float] = {
    "tent": 1.0,
    "inverse_linear": 0.0,
    "inverse_cubic": 0.0,
    "markov": 1.0,
    "exp_sine": 1.0,
    "linear": 1.0,
    "cubic": 3.0,
    "thin_plate": 1.0,
}
