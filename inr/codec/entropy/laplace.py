"""The discretised Laplace distribution in integers: the share of 2^16 of each symbol (FORMAT.md, "Laplace").

A symbol q, an integer, has the probability of [q - 1/2, q + 1/2) under a Laplace density of mean mu and scale b,

    mu in units of 1/256, |mu| <= 2^15     b = 2^((s - 96) / 16), scale index s in 0..255

for q in -64..63, each at least 1/2^16. All other symbols are one more event, the escape, followed by the sign and the
distance as exp-Golomb. No exponential is evaluated: two tables are computed with integers when this file is imported,
and their digest is part of the format.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from inr.codec.entropy.range_coder import (
    CODE,
    FAILED,
    GOLOMB_LIMIT,
    RANGE,
    TOTAL_BITS,
    Buffer,
    State,
    capacity,
    decode_bits,
    decode_golomb,
    encode_bits,
    encode_golomb,
    encode_interval,
    finish_encoder,
    is_finished,
    new_decoder,
    new_encoder,
    take_interval,
)
from inr.core.jit import compiled, compiled_inline

LOWEST, HIGHEST = -64, 63
SCALES = 256
MU_LIMIT = 1 << 15
ESCAPE_ORDER = 4
LARGEST = (1 << (GOLOMB_LIMIT + ESCAPE_ORDER)) - 1
"""Largest magnitude of a symbol for which a code always exists."""

_EVENTS = HIGHEST - LOWEST + 2
_FREE = (1 << TOTAL_BITS) - _EVENTS
_E_BITS = 30
_STEPS = 64
_N_STEPS = 24 * _STEPS
_FRACTION_BITS = 20
_GUARD_BITS = 192

Integers = np.ndarray[Any, np.dtype[np.int32]]


def _exponentials() -> np.ndarray[Any, np.dtype[np.int64]]:
    """round(2^30 exp(-k / 64)) for k = 0..1536, by the series of exp(-1/64) and products, with 192 more bits."""
    one = 1 << (_E_BITS + _GUARD_BITS)
    ratio, term, n = 0, one, 0
    while term:
        ratio += term
        n += 1
        term = -(term // (_STEPS * n))
    values, power = [], one
    for _ in range(_N_STEPS + 1):
        values.append((power + (1 << (_GUARD_BITS - 1))) >> _GUARD_BITS)
        power = power * ratio >> (_E_BITS + _GUARD_BITS)
    return np.array(values, np.int64)


def _inverses() -> np.ndarray[Any, np.dtype[np.int64]]:
    """floor(2^20 / (4 b)) for every scale index, as a 16th root of an integer."""
    values = []
    for s in range(SCALES):
        root = 1 << (16 * (_FRACTION_BITS - 2) + 96 - s)
        for _ in range(4):
            root = math.isqrt(root)
        values.append(root)
    return np.array(values, np.int64)


EXPONENTIALS = _exponentials()
INVERSES = _inverses()


@compiled_inline
def tail_beyond(distance: int, s: int) -> int:
    """2^30 exp(-distance / b), distance >= 0 in units of 1/256."""
    at = distance * INVERSES[s]
    step = at >> _FRACTION_BITS
    if step >= _N_STEPS:
        return 0
    left, right = EXPONENTIALS[step], EXPONENTIALS[step + 1]
    tail: int = left - (((left - right) * (at & ((1 << _FRACTION_BITS) - 1))) >> _FRACTION_BITS)
    return tail


@compiled_inline
def cumulative(mu: int, s: int, q: int) -> int:
    """The start of the share of symbol q, for q in -64..63; q = 64 is the escape, q = 65 the end (2^16).

    The caller ensures |mu| <= 2^15 and 0 <= s <= 255.
    """
    if q <= LOWEST:
        return 0
    if q > HIGHEST + 1:
        return 1 << TOTAL_BITS
    distance = 256 * q - 128 - mu
    share = (_FREE * tail_beyond(abs(distance), s)) >> (_E_BITS + 1)
    return (share if distance < 0 else _FREE - share) + q - LOWEST


@compiled_inline
def encode_symbol(state: State, out: Buffer, mu: int, s: int, q: int) -> None:
    """Write a symbol, |q| <= 2^28 - 1. |mu| <= 2^15, 0 <= s <= 255."""
    if LOWEST <= q <= HIGHEST:
        start = cumulative(mu, s, q)
        encode_interval(state, out, start, cumulative(mu, s, q + 1) - start)
        return
    start = cumulative(mu, s, HIGHEST + 1)
    encode_interval(state, out, start, (1 << TOTAL_BITS) - start)
    if q < 0:
        encode_bits(state, out, 1, 1)
        encode_golomb(state, out, LOWEST - 1 - q, ESCAPE_ORDER)
    else:
        encode_bits(state, out, 0, 1)
        encode_golomb(state, out, q - HIGHEST - 1, ESCAPE_ORDER)


@compiled_inline
def decode_symbol(state: State, data: Buffer, mu: int, s: int) -> int:
    """Read a symbol; 0 from a stream that has failed."""
    if state[FAILED] != 0:
        return 0
    part = state[RANGE] >> TOTAL_BITS
    code = state[CODE]
    middle = min(max((mu + 128) >> 8, LOWEST), HIGHEST + 1)
    step = 1
    if code < part * cumulative(mu, s, middle):
        high = middle
        low = high - 1
        while low > LOWEST and code < part * cumulative(mu, s, low):
            high = low
            low = max(low - step, LOWEST)
            step <<= 1
    else:
        low = middle
        high = low + 1
        while high < HIGHEST + 2 and code >= part * cumulative(mu, s, high):
            low = high
            high = min(high + step, HIGHEST + 2)
            step <<= 1
    while high - low > 1:
        between = (low + high) >> 1
        if code < part * cumulative(mu, s, between):
            high = between
        else:
            low = between
    start = cumulative(mu, s, low)
    take_interval(state, data, start, cumulative(mu, s, low + 1) - start)
    if low <= HIGHEST:
        return low
    is_negative = decode_bits(state, data, 1)
    excess = decode_golomb(state, data, ESCAPE_ORDER)
    if state[FAILED] != 0:
        return 0
    return LOWEST - 1 - excess if is_negative else HIGHEST + 1 + excess


@compiled
def _encode(symbols: Integers, mu: Integers, s: Integers, out: Buffer) -> int:
    state = new_encoder()
    for i in range(len(symbols)):
        encode_symbol(state, out, mu[i], s[i], symbols[i])
    n = finish_encoder(state, out)
    return -1 if state[FAILED] != 0 else n


@compiled
def _decode(data: Buffer, mu: Integers, s: Integers, symbols: Integers) -> bool:
    state = new_decoder(data)
    for i in range(len(symbols)):
        symbols[i] = decode_symbol(state, data, mu[i], s[i])
    return is_finished(state, data)


def encode(symbols: Integers, mu: Integers, s: Integers) -> bytes:
    """One stream of symbols [N], each with its own mean and scale index [N]. ValueError outside their ranges."""
    _check(mu, s)
    if len(symbols) and np.abs(symbols.astype(np.int64)).max() > LARGEST:
        raise ValueError(f"symbols must be at most {LARGEST} in magnitude")
    out = np.empty(capacity(len(symbols)), np.uint8)
    return out[: _encode(_ints(symbols), _ints(mu), _ints(s), out)].tobytes()


def decode(data: bytes, mu: Integers, s: Integers) -> Integers:
    """The symbols [N] of a stream. Raises FormatError if it is damaged or longer than they need."""
    from inr.core.errors import FormatError

    _check(mu, s)
    symbols = np.zeros(len(mu), np.int32)
    if not _decode(np.frombuffer(data, np.uint8), _ints(mu), _ints(s), symbols):
        raise FormatError("a stream of symbols is damaged")
    return symbols


def _ints(values: Integers) -> Integers:
    return np.ascontiguousarray(values, np.int32)


def _check(mu: Integers, s: Integers) -> None:
    if len(mu) and (np.abs(mu.astype(np.int64)).max() > MU_LIMIT or s.min() < 0 or s.max() >= SCALES):
        raise ValueError(f"means must be within ±{MU_LIMIT} and scale indices within 0 and {SCALES - 1}")
