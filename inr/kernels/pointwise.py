"""Activations that networks can have inside one operation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from inr.kernels import mlp_shape
from inr.kernels.mlp_shape import MlpShape
from inr.kernels.sine import sine

NAMES = ("sine", "finer", "finer_exact", "gauss", "gauss_warped", "spder", "gabor", "relu", "silu", "softplus", "tanh")
"""Activations that the compiled backends know; the place of a name is its number there."""


LEAST_GABOR = 32
"""Real features of a layer of complex numbers: two vectors."""


@dataclass(frozen=True)
class Pointwise:
    """An activation: h = function(z), z [N, H] -> h [N, H].

    name: one of NAMES, or any other for a function that only the reference can compute. a, b: numbers of the function:

    | name | function |
    |---|---|
    | sine | sin(a z) |
    | finer | sin(a (c + 1) z), with c = \\|z\\| whose gradient is not taken |
    | finer_exact | sin(a (\\|z\\| + 1) z) |
    | gauss | exp(-(a z)^2) |
    | gauss_warped | exp(-(a sin(b (c + 1) z))^2), c as in finer |
    | spder | sin(a z) sqrt\\|a z\\| |
    | gabor | exp(j a z - b^2 \\|z\\|^2) of complex numbers in z = [Re, Im] |
    | relu, silu, tanh | max(z, 0), z / (1 + e^-z), tanh z |
    | softplus | log(1 + e^(a z)) / a |
    """

    function: Callable[[Tensor], Tensor]
    name: str
    a: float = 1.0
    b: float = 0.0


def sines(*frequencies: float) -> list[Pointwise]:
    """The activations of a network of sines: sin(w z) for each frequency w."""

    def wave(frequency: float) -> Callable[[Tensor], Tensor]:
        return lambda z: sine(z, frequency)

    return [Pointwise(wave(frequency), "sine", frequency) for frequency in frequencies]


def refused_by_cpu(shape: MlpShape) -> list[str]:
    """Reasons against the compiled backends of the CPU."""
    unknown = sorted(set(shape.activations) - set(NAMES))
    reasons = [f"its activations are {', '.join(NAMES)}, and this network has {', '.join(unknown)}"] if unknown else []
    if "gabor" in shape.activations and min(shape.hidden) < LEAST_GABOR:
        reasons.append(f"layers with gabor have at least {LEAST_GABOR} features, and these have {shape.hidden}")
    return reasons


def refused_by_triton(shape: MlpShape) -> list[str]:
    """Reasons against the backend of Triton."""
    others = sorted(set(shape.activations) - {"sine"})
    reasons = [f"its activation is sine, and this network has {', '.join(others)}"] if others else []
    return reasons + mlp_shape.refused_by_triton(shape)
