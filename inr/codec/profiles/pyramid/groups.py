"""Groups of a pyramid's network tensors: tensors of a group share a quantiser step and a scale index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from inr.codec.entropy.tensors import symbols_sha256
from inr.codec.profiles.pyramid.architecture import Architecture, Array
from inr.core.errors import FormatError

GROUPS = ("context.weight", "context.bias", "kernel", "synthesis.weight", "synthesis.bias")
LARGEST_LATENT, LARGEST_WEIGHT = 1 << 14, 1 << 16
"""Largest magnitudes of a latent and of a network weight in steps."""
BICUBIC = (-0.0234375, -0.0703125, 0.2265625, 0.8671875)
"""Taps a, b, c, d of 2x upsampling by Keys' cubic (a = -1/2); kernels are coded as differences from them."""


@dataclass(frozen=True)
class Group:
    """How the tensors of a group are coded: a step of 2^-bits, and Laplace symbols of scale index `scale`."""

    bits: int
    scale: int


def group_of(name: str) -> int:
    """The index in GROUPS of a tensor."""
    if name.startswith("kernel"):
        return 2
    return (0 if name.startswith(("context", "mix")) else 3) + name.endswith("bias")


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


def dequantised(groups: Sequence[Group], integers: Mapping[str, Array]) -> dict[str, Array]:
    """Integers times their steps, as float32."""
    return {
        name: np.ldexp(value.astype(np.float64), -groups[group_of(name)].bits).astype(np.float32)
        for name, value in integers.items()
    }


def digest(integers: Mapping[str, Array], grids: Sequence[Array]) -> bytes:
    """SHA-256 of all symbols: the networks' integers, then the grids."""
    return symbols_sha256([array.astype(np.int32) for array in (*integers.values(), *grids)])
