"""Steps that are the same number on every machine, and values as integer multiples of them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any, Self

import numpy as np

LOWEST_EXPONENT, HIGHEST_EXPONENT = -40, 20
LOWEST_MANTISSA, HIGHEST_MANTISSA = 128, 255

Integers = np.ndarray[Any, np.dtype[np.int32]]
Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclasses.dataclass(frozen=True, order=True)
class Step:
    """The step of a quantiser: mantissa / 128 * 2^exponent, mantissa 128 to 255, exponent -40 to 20."""

    exponent: int
    mantissa: int

    @property
    def value(self) -> float:
        return math.ldexp(self.mantissa, self.exponent - 7)

    @classmethod
    def near(cls, value: float) -> Self:
        """The step nearest to a positive value, the ends of the range where it is beyond them."""
        if not value > 0:
            raise ValueError(f"a step is {value}, expected a number > 0")
        fraction, exponent = math.frexp(min(value, 2.0**30))
        mantissa = round(fraction * 256)
        if mantissa > HIGHEST_MANTISSA:
            mantissa, exponent = LOWEST_MANTISSA, exponent + 1
        exponent -= 1
        if exponent < LOWEST_EXPONENT:
            return cls(LOWEST_EXPONENT, LOWEST_MANTISSA)
        if exponent > HIGHEST_EXPONENT:
            return cls(HIGHEST_EXPONENT, HIGHEST_MANTISSA)
        return cls(exponent, mantissa)


ONE = Step(0, 128)
"""The step of what is an integer anyway."""


@dataclasses.dataclass(frozen=True)
class Quantised:
    """A tensor as it is coded: int32 symbols of any shape, and the step they are multiples of."""

    symbols: Integers
    step: Step = ONE

    def values(self) -> Floats:
        """symbols * step in float64: exact, so that a cast to float32 gives the same bits everywhere."""
        return self.symbols.astype(np.float64) * self.step.value


def quantise(values: Any, step: Step, largest: int = 2**20) -> Quantised:
    """Values to their nearest multiples (ties to even), clipped to `largest` steps in magnitude."""
    q = np.rint(np.asarray(values, np.float64) / step.value)
    return Quantised(np.clip(q, -largest, largest).astype(np.int32), step)


def ladder(middle: float, n: int, ratio: float = math.sqrt(2)) -> Iterator[Step]:
    """n steps from fine to coarse around `middle`, each `ratio` times the one before."""
    for i in range(n):
        yield Step.near(middle * ratio ** (i - (n - 1) / 2))


def balanced_steps(sensitivities: Any, counts: Any, kappa: float) -> list[Step]:
    """The steps of several tensors at which a bit spent on any of them is worth the same.

    With D = D0 + sum_g h_g step_g^2 / 12 and R = sum_g n_g log2(2 e b_g / step_g) this is step_g = kappa sqrt(n_g /
    h_g); kappa^2 = 6 lambda / ln 2 for the weight lambda of the rate. sensitivities: h_g, of the distortion's second
    order, summed over the tensor. counts: n_g.
    """
    h = np.maximum(np.asarray(sensitivities, np.float64), 1e-30)
    return [Step.near(float(step)) for step in kappa * np.sqrt(np.asarray(counts, np.float64) / h)]
