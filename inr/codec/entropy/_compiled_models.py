"""Compiled loops of the entropy models: one pair of functions, encode and decode, for each kind in `models`."""

from __future__ import annotations

from typing import Any

import numpy as np

from inr.codec.entropy.laplace import LARGEST, Integers, decode_symbol, encode_symbol
from inr.codec.entropy.range_coder import (
    CODE,
    FAILED,
    RANGE,
    TOTAL_BITS,
    Buffer,
    State,
    decode_bits,
    decode_flag,
    decode_golomb,
    encode_bits,
    encode_flag,
    encode_golomb,
    encode_interval,
    take_interval,
)
from inr.core.jit import compiled, compiled_inline

BELOW_ZERO = -128
"""A mean of -1/2: with zero coded separately and positive symbols lowered by 1, symbols are symmetric about -1/2."""

Counts = np.ndarray[Any, np.dtype[np.int64]]


@compiled_inline
def _put_fast(symbols: Integers, i: int, q: int, state: State) -> None:
    if abs(q) > LARGEST:
        state[FAILED] = 1
    else:
        symbols[i] = q


@compiled
def encode_raw(symbols: Integers, low: int, width: int, state: State, out: Buffer) -> None:
    if width == 0:
        return
    for i in range(len(symbols)):
        value = symbols[i] - low
        if width > 16:
            encode_bits(state, out, value >> (width - 16), 16)
            encode_bits(state, out, value & ((1 << (width - 16)) - 1), width - 16)
        else:
            encode_bits(state, out, value, width)


@compiled
def decode_raw(symbols: Integers, low: int, width: int, state: State, data: Buffer) -> None:
    for i in range(len(symbols)):
        value = 0
        if width > 16:
            value = decode_bits(state, data, 16) << (width - 16)
            value |= decode_bits(state, data, width - 16)
        elif width > 0:
            value = decode_bits(state, data, width)
        _put_fast(symbols, i, low + value, state)
        if state[FAILED] != 0:
            return


@compiled
def encode_laplace(symbols: Integers, mu: int, s: int, shift: int, state: State, out: Buffer) -> None:
    for i in range(len(symbols)):
        encode_symbol(state, out, mu, s, symbols[i] >> shift)
        if shift > 0:
            encode_bits(state, out, symbols[i] & ((1 << shift) - 1), shift)


@compiled
def decode_laplace(symbols: Integers, mu: int, s: int, shift: int, state: State, data: Buffer) -> None:
    for i in range(len(symbols)):
        q = decode_symbol(state, data, mu, s) << shift
        if shift > 0:
            q |= decode_bits(state, data, shift)
        _put_fast(symbols, i, q, state)
        if state[FAILED] != 0:
            return


@compiled
def encode_inflated(symbols: Integers, share: int, s: int, shift: int, state: State, out: Buffer) -> None:
    for i in range(len(symbols)):
        q = symbols[i]
        encode_flag(state, out, q == 0, share)
        if q != 0:
            q -= 1 if q > 0 else 0
            encode_symbol(state, out, BELOW_ZERO, s, q >> shift)
            if shift > 0:
                encode_bits(state, out, q & ((1 << shift) - 1), shift)


@compiled
def decode_inflated(symbols: Integers, share: int, s: int, shift: int, state: State, data: Buffer) -> None:
    for i in range(len(symbols)):
        q = 0
        if not decode_flag(state, data, share):
            q = decode_symbol(state, data, BELOW_ZERO, s) << shift
            if shift > 0:
                q |= decode_bits(state, data, shift)
            q += 1 if q >= 0 else 0
        _put_fast(symbols, i, q, state)
        if state[FAILED] != 0:
            return


@compiled
def encode_histogram(
    symbols: Integers, low: int, order: int, weights: Counts, edges: Counts, state: State, out: Buffer
) -> None:
    for weight in weights:
        encode_golomb(state, out, weight, order)
    for i in range(len(symbols)):
        event = symbols[i] - low
        encode_interval(state, out, edges[event], edges[event + 1] - edges[event])


@compiled
def decode_weights(weights: Counts, order: int, state: State, data: Buffer) -> None:
    for i in range(len(weights)):
        weights[i] = decode_golomb(state, data, order)


@compiled
def decode_histogram(symbols: Integers, low: int, edges: Counts, state: State, data: Buffer) -> None:
    for i in range(len(symbols)):
        part = state[RANGE] >> TOTAL_BITS
        first, last = 0, len(edges) - 1
        while last - first > 1:
            between = (first + last) >> 1
            if state[CODE] < part * edges[between]:
                last = between
            else:
                first = between
        take_interval(state, data, edges[first], edges[first + 1] - edges[first])
        symbols[i] = low + first
        if state[FAILED] != 0:
            return
