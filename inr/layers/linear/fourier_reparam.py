"""Fourier reparameterisation: matrices trained by their coefficients on a fixed cosine basis.

Shi, Zhou and Gu 2024, Improved Implicit Neural Representation with Fourier Reparameterized Training (CVPR).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Self

import torch
from torch import Generator, Tensor, nn

from inr.core.config import param
from inr.core.gradient_factors import Factor, HasGradientFactors, factor, with_ones
from inr.layers.activations.sine import Sine
from inr.layers.linear._base import LINEARS, Linear, LinearConfig, Role
from inr.layers.linear.dense import Dense

if TYPE_CHECKING:
    from inr.layers.activations import ActivationConfig

ALPHA = 0.05
ALPHA_SINE = 0.01

_SHORT = 1e-4
"""Rows of the basis below this part of the longest one count as 0 up to rounding."""


@LINEARS.register("fourier_reparam")
@dataclass(frozen=True, kw_only=True)
class FourierReparam(LinearConfig):
    """W = Lambda B in hidden layers, Lambda [d_out, M] trained, B [M, d_in] fixed; first and last layers stay dense.

    B has a row alpha cos(f t + 2 pi p / P) for every frequency f and phase p < P, with t = linspace(-T/2, T/2, d_in)
    and T = 2 pi n_low. Frequencies: i / n_low for i = 1 .. n_low, then 1 .. n_high (1 comes twice); M = (n_low +
    n_high) P, rows of one frequency together. The set of representable functions is unchanged, the tangent kernel is
    not; `alpha` acts like a learning rate.

    Initialisation: Lambda_ij ~ U(+-sqrt(6 / M) / |B_j|), so that the mean variance of W is 2 / d_in; bias 0; last layer
    W ~ U(+-sqrt(6 / d_in)). The paper divides both by omega before sines; here Lambda is rescaled to the mean square of
    the initialiser's matrix, which is the same for `sine`, up to sampling error. A hidden layer of 256 trains 2.1
    million coefficients by default; fold the field after training.
    """

    n_low: int = param(128, "frequencies 1/n_low .. 1", ge=1, le=4096)
    n_high: int = param(128, "frequencies 1 .. n_high", ge=1, le=4096)
    phases: int = param(32, "phases P per frequency", ge=1, le=4096)
    alpha: float | None = param(None, "amplitude of the basis; none: 0.01 before sines, 0.05 otherwise", gt=0)

    def before(self, activation: ActivationConfig) -> Self:
        if self.alpha is not None:
            return self
        return dataclasses.replace(self, alpha=ALPHA_SINE if isinstance(activation, Sine) else ALPHA)

    def build(self, d_in: int, d_out: int, *, has_bias: bool, role: Role, generator: Generator) -> Linear:
        if role != "hidden":
            dense = Dense().build(d_in, d_out, has_bias=has_bias, role=role, generator=generator)
            if role == "last":
                bound = math.sqrt(6.0 / d_in)
                dense.assign(torch.empty(d_out, d_in).uniform_(-bound, bound, generator=generator))
            return dense
        return FourierReparamLinear(self, d_in, d_out, has_bias=has_bias, role=role, generator=generator)

    def frequencies(self) -> Tensor:
        """[K], K = n_low + n_high, in float64."""
        low = torch.arange(1, self.n_low + 1, dtype=torch.float64) / self.n_low
        return torch.cat([low, torch.arange(1, self.n_high + 1, dtype=torch.float64)])

    def angles(self, d_in: int) -> Tensor:
        """f t [K, d_in] in float64."""
        half = math.pi * self.n_low
        return self.frequencies()[:, None] * torch.linspace(-half, half, d_in, dtype=torch.float64)

    def offsets(self) -> Tensor:
        """The phases [P] in float64."""
        return 2 * math.pi * torch.arange(self.phases, dtype=torch.float64) / self.phases

    def basis(self, d_in: int) -> Tensor:
        """B [M, d_in]."""
        rows = torch.cos(self.angles(d_in)[:, None] + self.offsets()[:, None])
        return ((self.alpha or ALPHA) * rows).flatten(0, 1).float()

    def waves(self, d_in: int) -> Tensor:
        """[2 K, d_in]: alpha cos(f t) and alpha sin(f t) for each frequency."""
        angles = self.angles(d_in)
        return ((self.alpha or ALPHA) * torch.stack([angles.cos(), angles.sin()], 1)).flatten(0, 1).float()

    def turns(self) -> Tensor:
        """[P, 2]: cos(f t + phase) = turns . (cos f t, sin f t)."""
        phase = self.offsets()
        return torch.stack([phase.cos(), -phase.sin()], 1).float()


class FourierReparamLinear(Linear, HasGradientFactors):
    """W = Lambda B, computed without B: a row of B is a combination of two waves, so Lambda B = (Lambda turns) waves.

    For each frequency the P columns of Lambda become two, [d_out, 2 K], and the product with the waves costs P / 2
    times less than the one with B. Where a row of B is 0 up to rounding, as with few units, its coefficients are so
    large that the rounding counts: there B itself is used.
    """

    basis: Tensor | None  # [M, d_in], where it is used
    turns: Tensor  # [P, 2]
    waves: Tensor  # [2 K, d_in]

    def __init__(
        self, config: FourierReparam, d_in: int, d_out: int, *, has_bias: bool, role: Role, generator: Generator
    ) -> None:
        super().__init__()
        self.d_in, self.d_out, self.role = d_in, d_out, role
        basis = config.basis(d_in)
        lengths = torch.linalg.vector_norm(basis, dim=1)
        self.register_buffer("basis", basis if _has_short_rows(config, d_in) else None, persistent=False)
        self.register_buffer("turns", config.turns(), persistent=False)
        self.register_buffer("waves", config.waves(d_in), persistent=False)
        m = len(basis)
        draw = torch.empty(d_out, m).uniform_(-1.0, 1.0, generator=generator)
        self.coefficients = nn.Parameter(draw * (math.sqrt(6.0 / m) / lengths))
        self.bias = nn.Parameter(torch.zeros(d_out)) if has_bias else None

    def effective(self) -> tuple[Tensor, Tensor | None]:
        if self.basis is not None:
            return self.coefficients @ self.basis, self.bias
        by_wave = self.coefficients.reshape(-1, len(self.turns)) @ self.turns
        return by_wave.reshape(self.d_out, -1) @ self.waves, self.bias

    def assign(self, weight: Tensor) -> None:
        """Rescale the drawn coefficients so that the mean square of W equals that of `weight`."""
        with torch.no_grad():
            now, _ = self.effective()
            self.coefficients.mul_(weight.square().mean().sqrt() / now.square().mean().sqrt())

    def tangent(self, inputs: Sequence[Tensor], cotangent: Tensor) -> list[Factor]:
        """df/dLambda = delta (B h)^T, df/db = delta."""
        h = inputs[0]
        if self.basis is not None:
            projected = h @ self.basis.T
        else:
            projected = ((h @ self.waves.T).reshape(-1, 2) @ self.turns.T).reshape(len(h), -1)
        return [factor(with_ones(projected, self.bias is not None), cotangent=cotangent)]


@cache
def _has_short_rows(config: FourierReparam, d_in: int) -> bool:
    with torch.device("cpu"):  # also while a field is built without numbers
        lengths = torch.linalg.vector_norm(config.basis(d_in), dim=1)
        return bool((lengths <= _SHORT * lengths.max()).any())
