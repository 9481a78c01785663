"""The streams of a pyramid: the networks' integers, and the grids', the coarsest grid first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from inr._compiling import compiled
from inr._errors import FormatError
from inr.codec._fields import Reader
from inr.codec.laplace import decode_symbol, encode_symbol
from inr.codec.pyramid import _reference as reference
from inr.codec.pyramid.architecture import Architecture, Array
from inr.codec.pyramid.context import REACH, Context, context_of, mixtures, predict
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
from inr.codec.tensors import is_reference

GROUPS = ("context.weight", "context.bias", "kernel", "synthesis.weight", "synthesis.bias")
"""Tensors that share a step and a scale index."""
MOST_BITS = 16
HEAD_BYTES = 2 * len(GROUPS)
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
) -> tuple[bytes, bytes]:
    """The streams of the networks' integers, by name, and of the grids, the finest first in the argument."""
    if is_reference():
        return reference.encode(architecture, groups, networks, grids)
    state, out = new_encoder(), np.empty(capacity(sum(a.size for a in networks.values())), np.uint8)
    for name in shapes_of(architecture):
        group = groups[group_of(name)]
        _write_all(state, out, networks[name].astype(np.int64).reshape(-1) - base_of(name, group.bits), group.scale)
    head = bytes(number for group in groups for number in (group.bits, group.scale))
    first = head + out[: finish_encoder(state, out)].tobytes()
    context = context_of(architecture, networks, groups[0].bits, groups[1].bits)
    held = [grid.astype(np.int64) for grid in grids]
    state, out = new_encoder(), np.empty(capacity(architecture.n_latents), np.uint8)
    for level in reversed(range(architecture.n_grids)):
        _code_grid(architecture, context, held, level, state, out, is_decoding=False)
    return first, out[: finish_encoder(state, out)].tobytes()


def decode(
    architecture: Architecture, networks: bytes, latents: bytes
) -> tuple[list[Group], dict[str, Array], list[Array]]:
    """The groups and the integers of two streams. Raises FormatError when they are none or are not used up."""
    groups = read_groups(networks)
    if is_reference():
        return groups, *reference.decode(architecture, groups, networks[HEAD_BYTES:], latents)
    buffer = np.frombuffer(networks, np.uint8, offset=HEAD_BYTES).copy()
    state = new_decoder(buffer)
    integers: dict[str, Array] = {}
    for name, shape in shapes_of(architecture).items():
        group = groups[group_of(name)]
        symbols = np.zeros(math.prod(shape), np.int64)
        _read_all(state, buffer, symbols, group.scale)
        integers[name] = checked(symbols + base_of(name, group.bits)).reshape(shape)
    if not is_finished(state, buffer):
        raise FormatError("the stream of the networks is damaged")
    context = context_of(architecture, integers, groups[0].bits, groups[1].bits)
    grids = [np.zeros(shape, np.int64) for shape in architecture.grids]
    buffer = np.frombuffer(latents, np.uint8).copy()
    state = new_decoder(buffer)
    for level in reversed(range(architecture.n_grids)):
        _code_grid(architecture, context, grids, level, state, buffer, is_decoding=True)
        if state[FAILED]:
            break
    if not is_finished(state, buffer):
        raise FormatError("the stream of the latents is damaged")
    return groups, integers, grids


def read_groups(networks: bytes) -> list[Group]:
    """The head of the networks' stream."""
    reader = Reader(networks, "the networks")
    return [Group(reader.u8("bits", 0, MOST_BITS), reader.u8("scale")) for _ in GROUPS]


def checked(symbols: Array) -> Array:
    """The integers of a tensor, when they are within what the arithmetic is exact for."""
    if symbols.size and np.abs(symbols).max() > LARGEST_WEIGHT:
        raise FormatError("a weight of the networks is out of range")
    return symbols


def _code_grid(
    architecture: Architecture,
    context: Context,
    grids: list[Array],
    level: int,
    state: State,
    buffer: Buffer,
    *,
    is_decoding: bool,
) -> None:
    grid = grids[level]
    height, width = grid.shape
    near = np.zeros((height + REACH, width + 2 * REACH), np.int64)
    inside = near[REACH:, REACH:-REACH]
    inside[:] = grid
    mixed = mixtures(context, grids, level)
    stride = near.shape[1]
    places = np.array([dy * stride + dx for dy, dx in architecture.offsets], np.int64)
    _code(
        near.reshape(-1),
        height,
        width,
        mixed.reshape(len(mixed), mixed.shape[1] * mixed.shape[2]),
        mixed.shape[2],
        context.weights,
        context.biases,
        context.last,
        context.skip,
        context.offset,
        context.weight_bits,
        places,
        state,
        buffer,
        is_decoding,
    )
    grid[:] = inside


@compiled
def _code(
    near: Array, height: int, width: int, mixed: Array, mixed_width: int, weights: Array, biases: Array, last: Array,
    skip: Array, offset: Array, weight_bits: int, places: Array, state: State, buffer: Buffer, is_decoding: bool,
) -> None:  # fmt: skip
    room = len(last)
    inputs, hidden, outputs = np.zeros(room, np.int32), np.zeros(2 * room, np.int32), np.zeros_like(offset)
    stride, n_mixed = width + 2 * REACH, mixed.shape[1]
    for y in range(height):
        for x in range(width):
            at = (y + REACH) * stride + REACH + x
            above = min(y >> 1, n_mixed // mixed_width - 1) * mixed_width + min(x >> 1, mixed_width - 1)
            mean, scale = predict(
                near,
                mixed,
                weights,
                biases,
                last,
                skip,
                offset,
                weight_bits,
                places,
                at,
                above,
                inputs,
                hidden,
                outputs,
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
