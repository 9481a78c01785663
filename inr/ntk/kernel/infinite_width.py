"""Kernels of infinitely wide networks.  Jacot et al. 2018, arXiv:1806.07572; Lee et al. 2019, arXiv:1902.06720."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import singledispatch

import torch
from torch import Tensor, nn

from inr.assemblies import Body
from inr.core.errors import UsageError
from inr.fields import Field
from inr.fields.mlp import MlpField
from inr.layers import Activation
from inr.layers.activations.gauss import GaussActivation
from inr.layers.activations.relu import ReluActivation
from inr.layers.activations.sine import SineActivation
from inr.layers.blocks.affine import AffineBlock
from inr.layers.heads.standard import LinearHead
from inr.layers.linear.dense import DenseLinear

NODES = 40
PAIRS = 1 << 14


class Dual(ABC):
    """The dual of an activation phi: T = E phi(u) phi(v) and T' = E phi'(u) phi'(v).

    (u, v) is normal with mean 0 and covariance (a, c; c, b).
    """

    @abstractmethod
    def __call__(self, a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """(T, T') of variances a, b >= 0 and covariance c, all of one shape."""


@dataclass(frozen=True)
class ReluDual(Dual):
    """phi(z) = max(z, 0): T' = 1/2 - t / 2 pi, T = s / 2 pi + T' c, s = sqrt(ab - c^2), t = atan2(s, c).

    Cho and Saul 2009.
    """

    def __call__(self, a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        s = (a * b - c * c).clamp_min(0).sqrt()
        slope = 0.5 - torch.atan2(s, c) / (2 * math.pi)
        return s / (2 * math.pi) + slope * c, slope


@dataclass(frozen=True)
class SineDual(Dual):
    """phi(z) = a sin(b z + c): T = a^2/2 (E- - cos 2c E+), T' = a^2 b^2 / 2 (E- + cos 2c E+), E-+ = exp(-b^2 (m -+ q)).

    m is the mean of the variances and q the covariance.
    """

    amplitude: float = 1.0
    frequency: float = 1.0
    phase: float = 0.0

    def __call__(self, a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        mean, w = (a + b) / 2, self.frequency**2
        minus, plus = torch.exp(w * (c - mean)), math.cos(2 * self.phase) * torch.exp(-w * (c + mean))
        half = self.amplitude**2 / 2
        return half * (minus - plus), half * w * (minus + plus)


@dataclass(frozen=True)
class GaussDual(Dual):
    """phi(z) = exp(-s^2 z^2): T = D^(-1/2), T' = 4 s^4 c D^(-3/2), D = (1 + 2 s^2 a)(1 + 2 s^2 b) - 4 s^4 c^2."""

    scale: float

    def __call__(self, a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        w = self.scale**2
        root = ((1 + 2 * w * a) * (1 + 2 * w * b) - 4 * w * w * c * c).sqrt()
        return 1 / root, 4 * w * w * c / root**3


@dataclass(frozen=True)
class QuadratureDual(Dual):
    """Any phi, by Gauss-Hermite quadrature with nodes^2 points: exact for polynomials.

    At kinks the error is about 1 % of T and 7 % of T'. Oscillations need more nodes: phi should have fewer than about
    sqrt(nodes) extrema within a standard deviation.
    """

    function: Callable[[Tensor], Tensor]
    nodes: int = NODES

    def __call__(self, a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        import numpy as np

        at, weight = (torch.from_numpy(v) for v in np.polynomial.hermite_e.hermegauss(self.nodes))
        weight = weight / weight.sum()
        flat = [t.reshape(-1) for t in (a, b, c)]
        found = [
            self._some(p, q, r, at, weight) for p, q, r in zip(*(torch.split(t, PAIRS) for t in flat), strict=True)
        ]
        value, slope = (torch.cat(parts).reshape(a.shape) for parts in zip(*found, strict=True))
        return value, slope

    def _some(self, a: Tensor, b: Tensor, c: Tensor, at: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        root = a.clamp_min(0).sqrt()
        along = torch.where(root > 0, c / root.clamp_min(1e-300), 0.0)
        across = (b - along.square()).clamp_min(0).sqrt()
        u = root[:, None] * at  # [K, m]
        v = along[:, None, None] * at[:, None] + across[:, None, None] * at  # [K, m, m]
        (phi_u, slope_u), (phi_v, slope_v) = self._with_slope(u), self._with_slope(v)
        pairs = (weight[:, None] * weight).unsqueeze(0)
        value = (pairs * phi_u.unsqueeze(-1) * phi_v).sum((-1, -2))
        return value, (pairs * slope_u.unsqueeze(-1) * slope_v).sum((-1, -2))

    def _with_slope(self, z: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            y = self.function(z)
            (slope,) = torch.autograd.grad(y.sum(), z)
        return y.detach(), slope


@singledispatch
def dual_of(activation: Activation) -> Dual:
    """The dual of an activation module: in closed form if there is one, else by quadrature.

    Raises UsageError for activations with several inputs and for those whose units differ.
    """
    if activation.arity != 1 or any(t.numel() > 1 for t in (*activation.parameters(), *activation.buffers())):
        raise UsageError(f"the units of {type(activation).__name__} differ, so its infinite-width kernel is not known")
    return QuadratureDual(activation)


@dual_of.register
def _(activation: ReluActivation) -> Dual:
    return ReluDual()


@dual_of.register
def _(activation: SineActivation) -> Dual:
    return SineDual(frequency=activation.omega)


@dual_of.register
def _(activation: GaussActivation) -> Dual:
    return GaussDual(activation.scale) if activation.warp is None else QuadratureDual(activation)


@dataclass(frozen=True)
class WideLayer:
    """An affine map z = W h + b with random, independent entries, in infinitely many units.

    weight: fan_in Var W. bias: Var b. fan_in: the actual width, for derivatives by the actual weights ("standard"
    parameterisation); None: W = sqrt(weight / fan_in) w and b = sqrt(bias) v with w, v trained ("NTK"
    parameterisation). has_bias: whether b is trained.
    """

    weight: float
    bias: float = 0.0
    fan_in: int | None = None
    has_bias: bool = True


@dataclass(frozen=True)
class WideKernels:
    """covariance: of the outputs at random parameters (NNGP) [N, M]. tangent: Theta [N, M], of one channel."""

    covariance: Tensor
    tangent: Tensor


def wide_kernels(x: Tensor, z: Tensor, layers: Sequence[WideLayer], duals: Sequence[Dual]) -> WideKernels:
    """The recursion over layers l = 1..L, with an activation after all but the last.

        G_1 = x z^T / d             K_l = weight_l G_l + bias_l               G_(l+1) = T(K_l)
        Theta_1 = S_1               Theta_l = S_l + weight_l Theta_(l-1) * T'(K_(l-1))

    S_l = K_l in the NTK parameterisation and fan_in_l G_l + 1 in the standard one (1 only if there is a bias).

    x: inputs of the first layer [N, d], z: [M, d]. duals: L - 1 activations. In float64.
    """
    if len(duals) != len(layers) - 1:
        raise UsageError(f"{len(layers)} layers need {len(layers) - 1} activations between them, got {len(duals)}")
    x, z = x.detach().double(), z.detach().double()
    d = x.shape[1]
    g, g_x, g_z = x @ z.T / d, x.square().sum(1, keepdim=True) / d, z.square().sum(1) / d
    slope = torch.zeros_like(g)
    tangent = torch.zeros_like(g)
    k = g
    for i, layer in enumerate(layers):
        k, k_x, k_z = (layer.weight * m + layer.bias for m in (g, g_x, g_z))
        own = k if layer.fan_in is None else layer.fan_in * g + float(layer.has_bias)
        if layer.fan_in is None and not layer.has_bias:
            own = layer.weight * g
        tangent = own + layer.weight * tangent * slope
        if i < len(duals):
            g, slope = duals[i](k_x.expand_as(k), k_z.expand_as(k), k)
            g_x, g_z = (duals[i](m, m, m)[0] for m in (k_x, k_z))
    return WideKernels(k, tangent)


def infinite_width(field: Field, x: Tensor, z: Tensor | None = None) -> WideKernels:
    """The infinite-width kernels of a field's architecture, with the present mean squares of its weights.

    For fields of one body with dense layers, plain blocks and a linear head. Layer l after the encoding is random with
    the mean squares of its weights and biases, in the standard parameterisation, so for a wide field at its start
    this is Theta_cc of every channel. For a trained field it is the kernel of random layers with weights of the same
    size. The outputs of a first layer with few inputs are normal only if its weights are; those of SIREN are uniform,
    so its kernels differ at any width.

    x: points [N, D]. z: other points [M, D]; None: x. Raises UsageError for other fields, with the reason.
    """
    if not isinstance(field, MlpField) or not isinstance(field.body, Body):
        raise UsageError(
            f"{type(field).__name__} has no single body of layers, so its infinite-width kernel is not known"
        )
    body = field.body
    blocks = [block for block in body.blocks if isinstance(block, AffineBlock)]
    linears = [*(block.linear for block in blocks), body.last]
    parts: list[nn.Module] = [*body.blocks, *linears, field.head]
    known = (AffineBlock, DenseLinear, LinearHead)
    unknown = sorted({type(part).__name__ for part in parts if not isinstance(part, known)})
    if unknown:
        raise UsageError(f"the infinite-width kernel is not known for {', '.join(unknown)}")
    if any(p.requires_grad for p in body.encoding.parameters()):
        raise UsageError(
            f"{type(body.encoding).__name__} is trained, but the infinite-width kernel is known only for layers"
        )
    with torch.no_grad():
        e = [body.encoding(p.to(next(field.parameters()).dtype)) for p in (x, x if z is None else z)]
    layers = [_wide(linear) for linear in linears if isinstance(linear, DenseLinear)]
    return wide_kernels(e[0], e[1], layers, [dual_of(block.activation) for block in blocks])


def _wide(linear: DenseLinear) -> WideLayer:
    weight = linear.d_in * _mean_square(linear.weight)
    bias = 0.0 if linear.bias is None else _mean_square(linear.bias)
    return WideLayer(weight, bias, linear.d_in, linear.bias is not None)


def _mean_square(parameter: Tensor) -> float:
    return float(parameter.detach().double().square().mean())
