"""The one stream of a pyramid: the networks' integers, then the grids', the coarsest grid first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inr._compiling import compiled
from inr._errors import FormatError
from inr.codec.laplace import SCALES, decode_symbol, encode_symbol
from inr.codec.pyramid.architecture import Architecture
from inr.codec.pyramid.context import LANES, REACH, Context, context_of, mixtures, predict
from inr.codec.range_coder import (
    FAILED,
    Buffer,
    State,
    capacity,
    finish_encoder,
    is_finished,
    new_decoder,
    new_encoder,
)

Array = NDArray[Any]

GROUPS = ("context.weight", "context.bias", "kernel", "synthesis.weight", "synthesis.bias")
"""Tensors that share a step and a scale index."""
MOST_BITS = 16
LARGEST_LATENT, LARGEST_WEIGHT = 1 << 14, 1 << 16
BICUBIC = (-0.0234375, -0.0703125, 0.2265625, 0.8671875)
"""Taps a, b, c, d of a doubling by Keys' cubic (a = -1/2), which kernels are told relative to."""


@dataclass(frozen=True)
class Group:
    """How the tensors of a group are told: steps of 2^-bits, Laplace symbols of scale index `scale`."""

    bits: int
    scale: int


def group_of(name: str) -> int:
    """The index in GROUPS of a tensor."""
    if name.startswith("kernel"):
        return 2
    return (0 if name.startswith(("context", "mix")) else 3) + name.endswith("bias")


def shapes_of(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """All tensors of the networks in the order of the stream."""
    return architecture.context | architecture.synthesis


def base_of(name: str, bits: int) -> Array:
    """The integers that symbols are told relative to."""
    return np.rint(np.ldexp(BICUBIC, bits)).astype(np.int64) if name.startswith("kernel") else np.zeros(1, np.int64)


def encode(
    architecture: Architecture, groups: Sequence[Group], networks: Mapping[str, Array], grids: Sequence[Array]
) -> tuple[bytes, list[int]]:
    """The stream of integers (networks by name, grids the finest first), and where its parts end: networks, then grids."""
    state, out = new_encoder(), np.empty(capacity(architecture.n_latents) + 65536, np.uint8)
    for name in shapes_of(architecture):
        group = groups[group_of(name)]
        symbols = networks[name].astype(np.int64).reshape(-1) - base_of(name, group.bits)
        _write_all(state, out, symbols, group.scale)
    ends = [int(state[2])]
    context = context_of(architecture, networks, groups[0].bits, groups[1].bits)
    held = [grid.astype(np.int64) for grid in grids]
    for level in reversed(range(architecture.n_grids)):
        _code_grid(architecture, context, held, level, state, out, is_decoding=False)
        ends.append(int(state[2]))
    return out[: finish_encoder(state, out)].tobytes(), ends


def decode(architecture: Architecture, groups: Sequence[Group], data: bytes) -> tuple[dict[str, Array], list[Array]]:
    """What `encode` was given. Raises FormatError when the stream is none or is not used up."""
    buffer = np.frombuffer(data, np.uint8).copy()
    state = new_decoder(buffer)
    networks: dict[str, Array] = {}
    for name, shape in shapes_of(architecture).items():
        group = groups[group_of(name)]
        symbols = np.zeros(int(np.prod(shape)), np.int64)
        _read_all(state, buffer, symbols, group.scale)
        symbols += base_of(name, group.bits)
        if np.abs(symbols).max() > LARGEST_WEIGHT:
            raise FormatError("a weight of the networks is out of range")
        networks[name] = symbols.reshape(shape)
    context = context_of(architecture, networks, groups[0].bits, groups[1].bits)
    grids = [np.zeros(shape, np.int64) for shape in architecture.grids]
    for level in reversed(range(architecture.n_grids)):
        _code_grid(architecture, context, grids, level, state, buffer, is_decoding=True)
        if state[FAILED]:
            break
    if not is_finished(state, buffer):
        raise FormatError("the stream of the pyramid is damaged")
    return networks, grids


def _code_grid(
    architecture: Architecture, context: Context, grids: list[Array], level: int, state: State, buffer: Buffer, *, is_decoding: bool,
) -> None:  # fmt: skip
    grid = grids[level]
    height, width = grid.shape
    near = np.zeros((height + REACH, width + 2 * REACH), np.int64)
    inside = near[REACH:, REACH:-REACH]
    inside[:] = grid
    mixed = mixtures(context, grids, level)
    stride = near.shape[1]
    places = np.array([dy * stride + dx for dy, dx in architecture.offsets], np.int64)
    _code(
        near.reshape(-1), height, width, mixed.reshape(len(mixed), -1), mixed.shape[2], context.weights, context.biases,
        context.last, context.skip, context.offset, context.weight_bits, places, state, buffer, is_decoding,
    )  # fmt: skip
    grid[:] = inside


@compiled
def _code(
    near: Array, height: int, width: int, mixed: Array, mixed_width: int, weights: Array, biases: Array, last: Array,
    skip: Array, offset: Array, weight_bits: int, places: Array, state: State, buffer: Buffer, is_decoding: bool,
) -> None:  # fmt: skip
    room = last.shape[1]
    inputs, hidden, total = np.zeros(room, np.int32), np.zeros(room, np.int32), np.zeros(room, np.int64)
    stride = width + 2 * REACH
    for y in range(height):
        for x in range(width):
            at = (y + REACH) * stride + REACH + x
            above = min(y >> 1, mixed.shape[1] // mixed_width - 1) * mixed_width + min(x >> 1, mixed_width - 1)
            mean, scale = predict(
                near, mixed, weights, biases, last, skip, offset, weight_bits, places, at, above, inputs, hidden, total
            )
            if is_decoding:
                q = decode_symbol(state, buffer, mean, scale)
                near[at] = min(max(q, -LARGEST_LATENT), LARGEST_LATENT)
            else:
                encode_symbol(state, buffer, mean, scale, near[at])
        if state[FAILED] != 0:
            return


@compiled
def _write_all(state: State, out: Buffer, symbols: Array, scale: int) -> None:
    for q in symbols:
        encode_symbol(state, out, 0, scale, q)


@compiled
def _read_all(state: State, data: Buffer, symbols: Array, scale: int) -> None:
    for i in range(len(symbols)):
        symbols[i] = decode_symbol(state, data, 0, scale)
