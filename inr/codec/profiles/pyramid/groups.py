"""Groups of a pyramid's network tensors: tensors of a group share a quantiser step and a scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from inr.codec.entropy.models import Laplace
from inr.codec.entropy.tensors import symbols_sha256
from inr.codec.profiles.pyramid.architecture import FIRST_FORM, Architecture, Array
from inr.core.errors import FormatError

GROUPS = ("context.weight", "context.bias", "kernel", "synthesis.weight", "synthesis.bias")
"""The groups of the first form; those of the second follow from the architecture."""
LARGEST_LATENT, LARGEST_WEIGHT = 1 << 14, 1 << 16
"""Largest magnitudes of a latent and of a network weight in steps."""
LARGEST_CONTEXT_WEIGHT = 1 << 15
"""The same for weights of the context model in the second form, after they are brought to a common step."""
BICUBIC = (-0.0234375, -0.0703125, 0.2265625, 0.8671875)
"""Taps a, b, c, d of 2x upsampling by Keys' cubic (a = -1/2); kernels are coded as differences from them."""
SPLIT = 144
"""The scale index (b = 8) from which the lowest bits of a symbol are coded as such."""

STEP_BITS, SCALE_BITS = 4, 6
"""In the second form bits are a number of 4 bits, and a scale index is 32 + 4 v, v of 6 bits."""
LOWEST_SCALE, SCALE_STEP = 32, 4


@dataclass(frozen=True)
class Group:
    """How the tensors of a group are coded: a step of 2^-bits, and Laplace symbols of scale b = 2^((scale - 96) / 16).

    model: of the symbols. The second form allows larger scales: it codes k lower bits of a symbol with equal shares.
    """

    bits: int
    scale: int

    @classmethod
    def of_code(cls, bits: int, v: int) -> Self:
        """Of the two numbers that the second form has for a group."""
        return cls(bits, LOWEST_SCALE + SCALE_STEP * v)

    @property
    def scale_code(self) -> int:
        return (self.scale - LOWEST_SCALE) // SCALE_STEP

    def model(self, architecture: Architecture) -> Laplace:
        """How a symbol is coded."""
        if architecture.form == FIRST_FORM:
            return Laplace(0, self.scale, 0)
        k = max(0, (self.scale - SPLIT) >> 4)
        return Laplace((128 >> k) - 128, self.scale - 16 * k, k)


Groups = Mapping[str, Group]
"""The groups of a file by name, in the order in which their first tensors are in the stream."""


def group_of(architecture: Architecture, name: str) -> str:
    """The group of a tensor."""
    if name.startswith("kernel"):
        return "kernel"
    network = "synthesis" if name.startswith("synthesis") else "context"
    if name.endswith("bias"):
        return f"{network}.bias"
    if architecture.form == FIRST_FORM:
        return f"{network}.weight"
    if name.startswith("mix"):
        return "mix"
    is_convolution = network == "synthesis" and name not in {"synthesis0.weight", "synthesis1.weight", "synthesis.skip"}
    return "convolution" if is_convolution else name


def groups_of(architecture: Architecture) -> tuple[str, ...]:
    """The names of all groups in the order of the file."""
    if architecture.form == FIRST_FORM:
        return GROUPS
    return tuple(dict.fromkeys(group_of(architecture, name) for name in shapes_of(architecture)))


def is_of_context(group: str) -> bool:
    """Whether a group belongs to the context model."""
    return group.startswith(("context", "mix"))


def shapes_of(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Shapes of all network tensors, by name, in the order of the stream."""
    return architecture.context | architecture.synthesis


def base_of(name: str, bits: int) -> Array:
    """The integers that are subtracted from a tensor before coding."""
    return np.rint(np.ldexp(BICUBIC, bits)).astype(np.int64) if name.startswith("kernel") else np.zeros(1, np.int64)


def checked(integers: Array) -> Array:
    """The integers of a tensor. Raises FormatError if one is too large for exact arithmetic."""
    if integers.size and np.abs(integers).max() > LARGEST_WEIGHT:
        raise FormatError("a network weight is out of range")
    return integers


@dataclass(frozen=True)
class ContextIntegers:
    """The tensors of the context model by name: weights in units of 2^-weight_bits, biases in units of 2^-bias_bits."""

    tensors: Mapping[str, Array]
    weight_bits: int
    bias_bits: int


def context_integers(architecture: Architecture, groups: Groups, integers: Mapping[str, Array]) -> ContextIntegers:
    """All weights of the context model in the finest of their steps. Raises FormatError if one is then too large."""
    names = {name: group_of(architecture, name) for name in architecture.context}
    weight_bits = max((groups[group].bits for group in names.values() if group != "context.bias"), default=0)
    tensors = {}
    for name, group in names.items():
        tensors[name] = value = integers[name].astype(np.int64)
        if group != "context.bias":
            tensors[name] = value = value << (weight_bits - groups[group].bits)
            if architecture.form != FIRST_FORM and value.size and np.abs(value).max() > LARGEST_CONTEXT_WEIGHT:
                raise FormatError("a weight of the context model is out of range")
    return ContextIntegers(tensors, weight_bits, groups["context.bias"].bits)


def dequantised(architecture: Architecture, groups: Groups, integers: Mapping[str, Array]) -> dict[str, Array]:
    """Integers times their steps, as float32."""
    return {
        name: np.ldexp(value.astype(np.float64), -groups[group_of(architecture, name)].bits).astype(np.float32)
        for name, value in integers.items()
    }


def digest(integers: Mapping[str, Array], grids: Sequence[Array]) -> bytes:
    """SHA-256 of all symbols: the networks' integers, then the grids."""
    return symbols_sha256([array.astype(np.int32) for array in (*integers.values(), *grids)])
