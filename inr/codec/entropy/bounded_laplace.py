"""The Laplace distribution of symbols within +-M, in shares of 2^24 (FORMAT.md, "Laplace").

M, the largest magnitude, is known to both sides, so there is no escape and the two outermost symbols take the tails.
Every symbol has a share of at least 2^-16, or 2^-20 if M >= 32: a zero that is nearly certain costs next to nothing,
and a symbol that the model did not expect costs at most 16 or 20 bits. All products stay below 2^53, so that a decoder
may hold its integers in float64.
"""

from __future__ import annotations

from inr.codec.entropy.laplace import tail_beyond
from inr.codec.entropy.range_coder import CODE, FAILED, RANGE, Buffer, State, encode_interval, take_interval
from inr.core.jit import compiled_inline

SHARE_BITS = 24
LEAST_BITS, MANY_LEAST_BITS = 8, 4
"""The smallest share is 2^8 out of 2^24, or 2^4 if there are many symbols."""
MANY = 32
"""The M from which there are many."""
MOST = 1 << 14
"""Largest M."""


@compiled_inline
def cumulative(mu: int, s: int, q: int, most: int) -> int:
    """The start of the share of symbol q, -most <= q <= most + 1; q = most + 1 is the end (2^24).

    The caller ensures |mu| <= 2^15 and 0 <= s <= 255.
    """
    if q <= -most:
        return 0
    if q > most:
        return 1 << SHARE_BITS
    least = LEAST_BITS if most < MANY else MANY_LEAST_BITS
    free = (1 << SHARE_BITS) - ((2 * most + 1) << least)
    distance = 256 * q - 128 - mu
    share = (free * (tail_beyond(abs(distance), s) >> 2)) >> 29
    return (share if distance < 0 else free - share) + ((q + most) << least)


@compiled_inline
def encode_bounded(state: State, out: Buffer, mu: int, s: int, q: int, most: int) -> None:
    """Write a symbol, |q| <= most."""
    start = cumulative(mu, s, q, most)
    encode_interval(state, out, start, cumulative(mu, s, q + 1, most) - start, SHARE_BITS)


@compiled_inline
def decode_bounded(state: State, data: Buffer, mu: int, s: int, most: int) -> int:
    """Read a symbol; 0 from a stream that has failed."""
    if state[FAILED] != 0:
        return 0
    part = state[RANGE] >> SHARE_BITS
    code = state[CODE]
    low = min(max((mu + 128) >> 8, -most), most)
    start = cumulative(mu, s, low, most)
    step = 1
    if code < part * start:
        high, end = low, start
        while True:
            low = max(high - step, -most)
            start = cumulative(mu, s, low, most)
            if code >= part * start:
                break
            high, end = low, start
            step <<= 1
    else:
        while True:
            high = min(low + step, most + 1)
            end = cumulative(mu, s, high, most)
            if code < part * end or high > most:
                break
            low, start = high, end
            step <<= 1
    while high - low > 1:
        between = (low + high) >> 1
        edge = cumulative(mu, s, between, most)
        if code < part * edge:
            high, end = between, edge
        else:
            low, start = between, edge
    take_interval(state, data, start, end - start, SHARE_BITS)
    return low
