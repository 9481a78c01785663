"""The streams of a pyramid: the integers of the networks, and those of the grids, coarsest grid first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from inr.codec.container.byte_fields import Reader
from inr.codec.entropy.laplace import decode_symbol, encode_symbol
from inr.codec.entropy.range_coder import (
    FAILED,
    Buffer,
    State,
    capacity,
    finish_encoder,
    is_finished,
    new_decoder,
    new_encoder,
)
from inr.codec.entropy.tensors import is_reference
from inr.codec.profiles.pyramid import python_stream
from inr.codec.profiles.pyramid.architecture import Architecture, Array
from inr.codec.profiles.pyramid.groups import GROUPS, LARGEST_LATENT, Group, base_of, checked, group_of, shapes_of
from inr.codec.profiles.pyramid.predictor import REACH, Context, context_of, mixtures, predict
from inr.core.errors import FormatError
from inr.core.jit import compiled

MOST_BITS = 16
HEAD_BYTES = 2 * len(GROUPS)


def encode(
    architecture: Architecture, groups: Sequence[Group], networks: Mapping[str, Array], grids: Sequence[Array]
) -> tuple[bytes, bytes]:
    """Encode the networks' integers, by name, and the grids, finest first: one stream each."""
    if is_reference():
        return python_stream.encode(architecture, groups, networks, grids)
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
    """Decode the groups and the integers of two streams. Raises FormatError if they are damaged or too long."""
    groups = read_groups(networks)
    if is_reference():
        return groups, *python_stream.decode(architecture, groups, networks[HEAD_BYTES:], latents)
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
    """Read the head of the networks' stream."""
    reader = Reader(networks, "the networks")
    return [Group(reader.u8("bits", 0, MOST_BITS), reader.u8("scale")) for _ in GROUPS]


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
