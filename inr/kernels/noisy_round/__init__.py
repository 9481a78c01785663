"""Rounding for training: a soft staircase with noise, instead of steps without a gradient."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inr.core.errors import UsageError
from inr.kernels._dispatch import Backend, Need, Op

__all__ = ["OP", "noisy_round"]

# Both polynomials of the compiled backend are within a few eps; steep slopes at low temperatures enlarge them.
OP = Op(
    name="noisy_round",
    backends=(
        Backend("reference", priority=0, target="inr.kernels.noisy_round.reference:noisy_round", is_functional=True),
        Backend(
            "cpu",
            priority=10,
            target="inr.kernels.noisy_round.cpu:noisy_round",
            package="numba",
            devices=frozenset({"cpu"}),
            dtypes=frozenset({torch.float32, torch.float64}),
            max_order=1,
        ),
        Backend(
            "cuda",
            priority=20,
            target="inr.kernels.noisy_round.cuda:noisy_round",
            package="triton",
            devices=frozenset({"cuda"}),
            dtypes=frozenset({torch.float32}),
            max_order=1,
        ),
    ),
    tolerances={torch.float64: 1e-12, torch.float32: 1e-4},
)


def noisy_round(
    x: Tensor,  # any shape
    temperature: float,
    deviation: float,
    seed: int,
    step: int,
    first: int = 0,
) -> Tensor:
    """s_T(s_T(x) + n), elementwise, with Gaussian noise n of a deviation and the staircase of a temperature T

        s_T(x) = floor(x) + 1/2 + tanh((x - floor(x) - 1/2) / T) / (2 tanh(1 / (2 T))).

    Number i in memory order has noise number k = first + i, a function of (seed, step, k) alone: with p = 16 (k // 32)
    + k % 16 and the hash m of 32 bits (lowbias32, C. Wellons 2018)

        a = m(m(p xor key_0) + key_1),    b = m(a + 0x9E3779B9),    u = (a // 512 + 1/2) / 2^23,    v = b // 512 / 2^23

    it is sqrt(-2 ln u) times cos(2 pi v) where k // 16 is even, and times sin(2 pi v) where it is odd (Box and Muller
    1958). key_0 and key_1 are the halves of a hash of seed and step (splitmix64, Steele et al. 2014).

    temperature: above 0; the staircase is nearly straight at 1 and has its steps at 0.1. deviation: at least 0.
    first: below 2^32, with what follows.
    Source: Agustsson and Theis, Universally Quantized Neural Compression, 2020, arXiv 2006.09952 (the staircase);
    Leguay et al. 2023, arXiv 2307.12706 (this use of it).
    """
    if not (temperature > 0 and deviation >= 0):
        raise UsageError(f"temperature {temperature} and deviation {deviation}: above 0, and at least 0")
    need = Need.of(x, size=x.numel())
    result: Tensor = OP.choose(need).function(x, temperature, deviation, seed, step, first)
    return result


def height(temperature: float) -> float:
    """What makes s_T(n) = n for whole numbers n: 1 / (2 tanh(1 / (2 T)))."""
    return 1 / (2 * math.tanh(1 / (2 * temperature)))


def keys(seed: int, step: int) -> tuple[int, int]:
    """The two words of 32 bits that encode seed and step."""
    z = seed
    for word in (step, 0):
        z = (z + 0x9E3779B97F4A7C15 * (word + 1)) & (2**64 - 1)
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & (2**64 - 1)
        z ^= z >> 31
    return z & (2**32 - 1), z >> 32
