"""Quantisation: steps that are exact on every machine, and values as integer multiples of them."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Self

import numpy as np

LOWEST_EXPONENT, HIGHEST_EXPONENT = -40, 20
LOWEST_MANTISSA, HIGHEST_MANTISSA = 128, 255

Integers = np.ndarray[Any, np.dtype[np.int32]]
Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclasses.dataclass(frozen=True, order=True)
class StepSize:
    """The step of a quantiser: mantissa / 128 * 2^exponent, mantissa 128 to 255, exponent -40 to 20."""

    exponent: int
    mantissa: int

    @property
    def value(self) -> float:
        return math.ldexp(self.mantissa, self.exponent - 7)

    @classmethod
    def near(cls, value: float) -> Self:
        """The step nearest to a positive value, clipped to the range of steps."""
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


ONE = StepSize(0, 128)
"""The step of tensors that hold integers."""


@dataclasses.dataclass(frozen=True)
class Quantised:
    """A quantised tensor: int32 symbols of any shape, and their step."""

    symbols: Integers
    step: StepSize = ONE

    def values(self) -> Floats:
        """symbols * step in float64: exact, so that a cast to float32 gives the same bits everywhere."""
        return self.symbols.astype(np.float64) * self.step.value


def quantise(values: Any, step: StepSize, largest: int = 2**20) -> Quantised:
    """Values to their nearest multiples (ties to even), clipped to `largest` steps in magnitude."""
    q = np.rint(np.asarray(values, np.float64) / step.value)
    return Quantised(np.clip(q, -largest, largest).astype(np.int32), step)
