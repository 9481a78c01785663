"""The range coder: intervals out of 2^16 or 2^24, in integers, equal on every machine (FORMAT.md, "Range coder").

The functions are compiled and meant to be called inside other compiled loops. The state of a stream is an array of
four int64:

    encoder   LOW, RANGE, POSITION (bytes written), FAILED (the buffer was too small)
    decoder   CODE, RANGE, POSITION (bytes taken, those beyond the end included), FAILED (the stream is invalid)

The decoder never reads outside its buffer: beyond the end it reads zeros, up to 6 of which belong to every stream. The
caller checks FAILED or `is_finished` after the loop; a failed stream decodes to zeros. `python_coder.py` is the same in
plain Python.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from inr.core.jit import compiled, compiled_inline

TOTAL_BITS = 16
"""Frequencies are out of 2^16, or of 2^24 in `bounded_laplace`."""

WINDOW_BITS = 48
TAIL = 6
"""Bytes of the decoder's window: how far it reads ahead."""

SHORTEST_TAIL = 4
BITS_PER_CALL = 16
GOLOMB_LIMIT = 24
"""Longest prefix of an exp-Golomb code."""

_TOP = 1 << WINDOW_BITS
_BOTTOM = 1 << (WINDOW_BITS - 8)
_MASK = _TOP - 1
LOW, CODE, RANGE, POSITION, FAILED = 0, 0, 1, 2, 3

State = np.ndarray[Any, np.dtype[np.int64]]
Buffer = np.ndarray[Any, np.dtype[np.uint8]]


@compiled
def new_encoder() -> State:
    """The state of an empty stream."""
    state = np.zeros(4, np.int64)
    state[RANGE] = _TOP
    return state


@compiled_inline
def _carry(out: Buffer, position: int) -> None:
    """Add 1 to the number whose digits are the bytes before a position."""
    i = position - 1
    while out[i] == 255:
        out[i] = 0
        i -= 1
    out[i] += 1


@compiled_inline
def encode_interval(state: State, out: Buffer, start: int, count: int, bits: int = TOTAL_BITS) -> None:
    """Write the event whose share of 2^bits is [start, start + count), count >= 1. bits: 16 or 24."""
    part = state[RANGE] >> bits
    low = state[LOW] + part * start
    width = part * count
    position = state[POSITION]
    if low >= _TOP:
        low -= _TOP
        _carry(out, position)
    while width < _BOTTOM:
        if position >= len(out):
            state[FAILED] = 1
            return
        out[position] = low >> (WINDOW_BITS - 8)
        position += 1
        low = (low << 8) & _MASK
        width <<= 8
    state[LOW], state[RANGE], state[POSITION] = low, width, position


@compiled
def finish_encoder(state: State, out: Buffer) -> int:
    """Write the fewest bytes that still decode if zeros follow. Returns the stream's length."""
    low, width, position = state[LOW], state[RANGE], state[POSITION]
    n = 0
    value = low
    for n in range(TAIL + 1):
        rest = (1 << (WINDOW_BITS - 8 * n)) - 1
        value = (low + rest) & ~rest
        if value < low + width:
            break
    if value >= _TOP:
        value -= _TOP
        _carry(out, position)
    for i in range(n):
        if position >= len(out):
            state[FAILED] = 1
            return int(position)
        out[position] = (value >> (WINDOW_BITS - 8 - 8 * i)) & 255
        position += 1
    state[POSITION] = position
    return int(position)


@compiled
def new_decoder(data: Buffer) -> State:
    """The state before the first event of a stream that is all of `data`."""
    state = np.zeros(4, np.int64)
    code = 0
    for i in range(TAIL):
        code = (code << 8) | (data[i] if i < len(data) else 0)
    state[CODE], state[RANGE], state[POSITION] = code, _TOP, TAIL
    return state


@compiled_inline
def take_interval(state: State, data: Buffer, start: int, count: int, bits: int = TOTAL_BITS) -> None:
    """Move past the event [start, start + count) of 2^bits, which contains the decoder's position."""
    part = state[RANGE] >> bits
    code = state[CODE] - part * start
    width = part * count
    position = state[POSITION]
    if code < 0 or code >= width:
        state[FAILED] = 1
        code, width = 0, _TOP
    while width < _BOTTOM:
        byte = data[position] if position < len(data) else 0
        position += 1
        code = ((code << 8) | byte) & _MASK
        width <<= 8
    if position > len(data) + TAIL:
        state[FAILED] = 1
        position = len(data) + TAIL
    state[CODE], state[RANGE], state[POSITION] = code, width, position


@compiled
def is_finished(state: State, data: Buffer) -> bool:
    """Whether a decoder has read all of its stream and not more."""
    ahead = state[POSITION] - len(data)
    return bool(state[FAILED] == 0 and SHORTEST_TAIL <= ahead <= TAIL)


@compiled
def encode_bits(state: State, out: Buffer, value: int, n: int) -> None:
    """Write n bits, 0 <= n <= 16, of equal shares; 0 <= value < 2^n."""
    encode_interval(state, out, value << (TOTAL_BITS - n), 1 << (TOTAL_BITS - n))


@compiled
def decode_bits(state: State, data: Buffer, n: int) -> int:
    """Read n bits, 0 <= n <= 16."""
    value = (state[CODE] // (state[RANGE] >> TOTAL_BITS)) >> (TOTAL_BITS - n)
    if state[FAILED] != 0 or value >= 1 << n:
        state[FAILED] = 1
        return 0
    take_interval(state, data, value << (TOTAL_BITS - n), 1 << (TOTAL_BITS - n))
    return int(value)


@compiled_inline
def encode_flag(state: State, out: Buffer, is_set: bool, share: int) -> None:
    """Write a flag that is set with probability share / 2^16, 1 <= share <= 2^16 - 1."""
    if is_set:
        encode_interval(state, out, 0, share)
    else:
        encode_interval(state, out, share, (1 << TOTAL_BITS) - share)


@compiled_inline
def decode_flag(state: State, data: Buffer, share: int) -> bool:
    """Read what `encode_flag` wrote."""
    if state[FAILED] != 0:
        return False
    if state[CODE] < (state[RANGE] >> TOTAL_BITS) * share:
        take_interval(state, data, 0, share)
        return True
    take_interval(state, data, share, (1 << TOTAL_BITS) - share)
    return False


@compiled
def encode_golomb(state: State, out: Buffer, value: int, order: int) -> None:
    """Write 0 <= value < 2^(24 + order) as exp-Golomb: the length of value + 2^order in unary, then its bits."""
    value += 1 << order
    n = 0
    while value >> (n + 1):
        n += 1
    for _ in range(n - order):
        encode_bits(state, out, 0, 1)
    encode_bits(state, out, 1, 1)
    while n > 0:
        step = min(n, BITS_PER_CALL)
        n -= step
        encode_bits(state, out, (value >> n) & ((1 << step) - 1), step)


@compiled
def decode_golomb(state: State, data: Buffer, order: int) -> int:
    """Read what `encode_golomb` wrote; a prefix of more than 24 fails."""
    n = order
    while decode_bits(state, data, 1) == 0:
        n += 1
        if state[FAILED] != 0 or n > order + GOLOMB_LIMIT:
            state[FAILED] = 1
            return 0
    value = 1
    while n > 0:
        step = min(n, BITS_PER_CALL)
        n -= step
        value = (value << step) | decode_bits(state, data, step)
    return value - (1 << order)


def capacity(n_symbols: int) -> int:
    """A buffer size in bytes for any stream of this many symbols of `laplace` or `tensors`, with escapes."""
    return 12 * n_symbols + 64
