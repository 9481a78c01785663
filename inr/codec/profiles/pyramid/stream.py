"""The streams of a pyramid: the integers of the networks, and those of the grids, coarsest grid first."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

import numpy as np

from inr.codec.container.byte_fields import Reader, Writer
from inr.codec.entropy.bounded_laplace import decode_bounded, encode_bounded
from inr.codec.entropy.laplace import Integers, decode_symbol, encode_symbol
from inr.codec.entropy.range_coder import (
    FAILED,
    Buffer,
    State,
    capacity,
    decode_bits,
    encode_bits,
    finish_encoder,
    is_finished,
    new_decoder,
    new_encoder,
)
from inr.codec.entropy.tensors import is_reference
from inr.codec.profiles.pyramid import python_stream
from inr.codec.profiles.pyramid.architecture import FIRST_FORM, Architecture, Array
from inr.codec.profiles.pyramid.groups import (
    GROUPS,
    LARGEST_LATENT,
    SCALE_BITS,
    STEP_BITS,
    Group,
    Groups,
    base_of,
    checked,
    context_integers,
    group_of,
    groups_of,
    shapes_of,
)
from inr.codec.profiles.pyramid.predictor import REACH, Context, context_of, mixtures, predict
from inr.core.errors import FormatError
from inr.core.jit import compiled
from inr.kernels.threads import in_turn

MOST_BITS = 16
UNBOUNDED = -1
"""Instead of the largest magnitude of a grid, in the first form."""
ROWS_AT_ONCE = 32
"""Rows after which a listener is called, an even number."""
PARTS, NUMBERS = 8, 1 << 17
"""Parts, of about so many numbers, that are predicted together by the encoder."""
HEAD_BYTES = 2 * len(GROUPS)
"""Of the networks' stream in the first form: bits and scales."""


def encode(
    architecture: Architecture, groups: Groups, networks: Mapping[str, Array], grids: Sequence[Array]
) -> tuple[bytes, bytes]:
    """Encode the networks' integers, by name, and the grids, finest first: one stream each."""
    if is_reference():
        return python_stream.encode(architecture, groups, networks, grids)
    head = groups_head(architecture, groups)
    state, out = new_encoder(), np.empty(capacity(sum(a.size for a in networks.values()) + len(groups)), np.uint8)
    if architecture.form != FIRST_FORM:
        for group in groups.values():
            encode_bits(state, out, group.bits, STEP_BITS)
            encode_bits(state, out, group.scale_code, SCALE_BITS)
    for name in shapes_of(architecture):
        group = groups[group_of(architecture, name)]
        group.model(architecture).encode(symbols_of(name, networks[name], group), state, out)
    first = head + out[: finish_encoder(state, out)].tobytes()
    context = context_of(architecture, context_integers(architecture, groups, networks))
    held = [grid.astype(np.int64) for grid in grids]
    bounds = bounds_of(architecture, grids)
    state, out = new_encoder(), np.empty(capacity(architecture.n_latents), np.uint8)
    for level in reversed(range(architecture.n_grids)):
        if bounds[level] != 0:
            _encode_grid(_Grid(architecture, context, held, level, bounds[level]), state, out)
    return first, bounds_head(bounds) + out[: finish_encoder(state, out)].tobytes()


class Listener(Protocol):
    """Learns what is decoded while the rest is not."""

    def begin(self, groups: Groups, integers: Mapping[str, Array], grids: Sequence[Array]) -> None:
        """The networks, and all grids but the finest, which is filled in later, are decoded."""

    def add_rows(self, n_rows: int) -> None:
        """The first n rows of the finest grid are decoded."""


def decode(
    architecture: Architecture, networks: bytes, latents: bytes, listener: Listener | None = None
) -> tuple[dict[str, Group], dict[str, Array], list[Array]]:
    """Decode the groups and the integers of two streams. Raises FormatError if they are damaged or too long.

    The listener is not called by the Python coder.
    """
    if is_reference():
        return python_stream.decode(architecture, networks, latents)
    groups, start = read_head(architecture, networks)
    buffer = np.frombuffer(networks, np.uint8, offset=start).copy()
    state = new_decoder(buffer)
    for name in groups_of(architecture)[len(groups) :]:
        bits = decode_bits(state, buffer, STEP_BITS)
        groups[name] = Group.of_code(bits, decode_bits(state, buffer, SCALE_BITS))
    integers: dict[str, Array] = {}
    for name, shape in shapes_of(architecture).items():
        group = groups[group_of(architecture, name)]
        symbols = np.zeros(math.prod(shape), np.int32)
        group.model(architecture).decode(symbols, state, buffer)
        integers[name] = checked(symbols.astype(np.int64) + base_of(name, group.bits)).reshape(shape)
    if not is_finished(state, buffer):
        raise FormatError("the stream of the networks is damaged")
    context = context_of(architecture, context_integers(architecture, groups, integers))
    grids = [np.zeros(shape, np.int64) for shape in architecture.grids]
    bounds, start = read_bounds(architecture, latents)
    buffer = np.frombuffer(latents, np.uint8, offset=start).copy()
    state = new_decoder(buffer)
    for level in reversed(range(architecture.n_grids)):
        if level == 0 and listener is not None:
            listener.begin(groups, integers, grids)
        on_rows = listener.add_rows if level == 0 and listener is not None else None
        if bounds[level] != 0:
            _decode_grid(_Grid(architecture, context, grids, level, bounds[level]), state, buffer, on_rows)
        elif on_rows is not None:
            on_rows(len(grids[level]))
        if state[FAILED]:
            break
    if not is_finished(state, buffer):
        raise FormatError("the stream of the latents is damaged")
    return groups, integers, grids


def groups_head(architecture: Architecture, groups: Groups) -> bytes:
    """The bytes before the stream of the networks."""
    if architecture.form != FIRST_FORM:
        return b""
    return bytes(number for group in groups.values() for number in (group.bits, group.scale))


def read_head(architecture: Architecture, networks: bytes) -> tuple[dict[str, Group], int]:
    """The groups before the stream of the networks, and where it begins; none in the second form."""
    if architecture.form != FIRST_FORM:
        return {}, 0
    reader = Reader(networks, "the networks")
    return {name: Group(reader.u8("bits", 0, MOST_BITS), reader.u8("scale")) for name in GROUPS}, HEAD_BYTES


def bounds_of(architecture: Architecture, grids: Sequence[Array]) -> list[int]:
    """The largest magnitude of each grid; UNBOUNDED for each in the first form."""
    if architecture.form == FIRST_FORM:
        return [UNBOUNDED] * len(grids)
    return [int(np.abs(grid).max()) for grid in grids]


def bounds_head(bounds: Sequence[int]) -> bytes:
    """The bytes before the stream of the latents."""
    writer = Writer()
    for most in bounds:
        if most != UNBOUNDED:
            writer.varint(most)
    return writer.bytes()


def read_bounds(architecture: Architecture, latents: bytes) -> tuple[list[int], int]:
    """What `bounds_head` wrote, and where the stream begins. Raises FormatError."""
    if architecture.form == FIRST_FORM:
        return [UNBOUNDED] * architecture.n_grids, 0
    reader = Reader(latents, "the latents")
    bounds = [reader.varint("a largest magnitude", 0, LARGEST_LATENT) for _ in range(architecture.n_grids)]
    return bounds, len(latents) - reader.left


def symbols_of(name: str, integers: Array, group: Group) -> Integers:
    """What is coded of a tensor."""
    return (integers.astype(np.int64).reshape(-1) - base_of(name, group.bits)).astype(np.int32)


class _Grid:
    """A grid while it is coded, not one of zeros, which takes no bits.

    near: its numbers, within a margin of zeros. most: its largest magnitude.
    """

    def __init__(self, architecture: Architecture, context: Context, grids: list[Array], level: int, most: int) -> None:
        self.values, self.most = grids[level], most
        self.height, self.width = self.values.shape
        self.near = np.zeros((self.height + REACH, self.width + 2 * REACH), np.int64)
        self.inside = self.near[REACH:, REACH:-REACH]
        self.inside[:] = self.values
        mixed = mixtures(context, grids, level)
        stride = self.near.shape[1]
        places = np.array([dy * stride + dx for dy, dx in architecture.offsets], np.int64)
        self._model = (
            mixed.reshape(len(mixed), mixed.shape[1] * mixed.shape[2]),
            mixed.shape[2],
            context.weights,
            context.biases,
            context.last,
            context.skip,
            context.offset,
            context.weight_bits,
            places,
        )

    def decode(self, first: int, last: int, state: State, buffer: Buffer) -> None:
        """Read rows."""
        none = np.empty((0, 0, 2), np.int32)
        _code(self.near.reshape(-1), first, last, self.width, *self._model, none, self.most, state, buffer)
        self.values[first:last] = self.inside[first:last]

    def predict(self, first: int, last: int, predictions: Array) -> None:
        """Mean and scale index of each number in some rows [rows, width, 2]."""
        no_state, none = np.zeros(4, np.int64), np.empty(0, np.uint8)
        _code(self.near.reshape(-1), first, last, self.width, *self._model, predictions, self.most, no_state, none)

    def write(self, first: int, last: int, predictions: Array, state: State, buffer: Buffer) -> None:
        """Write rows that are predicted."""
        _write(self.near.reshape(-1), first, last, self.width, predictions, self.most, state, buffer)


def _decode_grid(grid: _Grid, state: State, buffer: Buffer, on_rows: Callable[[int], None] | None) -> None:
    """on_rows: called with the rows done so far."""
    step = grid.height if on_rows is None else ROWS_AT_ONCE
    for first in range(0, grid.height, step):
        last = min(first + step, grid.height)
        grid.decode(first, last, state, buffer)
        if state[FAILED] != 0:
            return
        if on_rows is not None:
            on_rows(last)


def _encode_grid(grid: _Grid, state: State, buffer: Buffer) -> None:
    """The encoder knows all numbers: threads predict rows, while one writes those before them, which are predicted."""
    rows = max(2, NUMBERS // grid.width // 2 * 2)
    step, height = PARTS * rows, grid.height
    predicted, coming = np.empty((2, min(step, height), grid.width, 2), np.int32)
    for first in range(0, height + step, step):
        tasks = [partial(grid.write, first - step, min(first, height), predicted, state, buffer)] if first else []
        tasks += [
            partial(grid.predict, start, min(start + rows, height), coming[start - first :])
            for start in range(first, min(first + step, height), rows)
        ]
        _at_once(tasks)
        predicted, coming = coming, predicted


def _at_once(tasks: Sequence[Callable[[], None]]) -> None:
    in_turn(len(tasks), lambda i: tasks[i]())


@compiled
def _write(
    near: Array, first: int, end: int, width: int, predictions: Array, most: int, state: State, buffer: Buffer
) -> None:
    """Rows of numbers. predictions: [rows or more, width, 2]."""
    stride = width + 2 * REACH
    for y in range(first, end):
        for x in range(width):
            mean, scale = int(predictions[y - first, x, 0]), int(predictions[y - first, x, 1])
            number = near[(y + REACH) * stride + REACH + x]
            if most >= 0:
                encode_bounded(state, buffer, mean, scale, number, most)
            else:
                encode_symbol(state, buffer, mean, scale, number)


@compiled
def _code(
    near: Array, first: int, end: int, width: int, mixed: Array, mixed_width: int, weights: Array, biases: Array,
    last: Array, skip: Array, offset: Array, weight_bits: int, places: Array, predictions: Array, most: int,
    state: State, buffer: Buffer,
) -> None:  # fmt: skip
    """Decode rows; or, if there is room for predictions, only predict their numbers."""
    room, n_near, width_above = len(last), len(places), mixed_width
    inputs, hidden, outputs = np.zeros(room, np.int32), np.zeros(2 * room, np.int32), np.zeros_like(offset)
    stride, n_mixed = width + 2 * REACH, mixed.shape[1]
    # Below one number of the coarser grid, all numbers whose neighbours are zero have the same prediction.
    calm_means, calm_scales = np.zeros(width_above, np.int64), np.full(width_above, -1, np.int64)
    for y in range(first, end):
        row_above = min(y >> 1, n_mixed // width_above - 1)
        if y & 1 == 0:
            calm_scales[:] = -1
        for x in range(width):
            at = (y + REACH) * stride + REACH + x
            column = min(x >> 1, width_above - 1)
            seen = near[at] & 0
            for k in range(n_near):
                seen |= near[at + places[k]]
            if seen == 0 and calm_scales[column] >= 0:
                mean, scale = calm_means[column], calm_scales[column]
            else:
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
                    row_above * width_above + column,
                    inputs,
                    hidden,
                    outputs,
                )
                if seen == 0:
                    calm_means[column], calm_scales[column] = mean, scale
            if len(predictions) > 0:
                predictions[y - first, x, 0], predictions[y - first, x, 1] = mean, scale
            elif most >= 0:
                near[at] = decode_bounded(state, buffer, mean, scale, most)
            else:
                q = decode_symbol(state, buffer, mean, scale)
                near[at] = min(max(q, -LARGEST_LATENT), LARGEST_LATENT)
        if state[FAILED] != 0:
            return
