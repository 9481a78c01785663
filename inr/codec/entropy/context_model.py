"""Context coding of arrays: a static model in integers that predicts each symbol from its neighbours, for latents.

Symbols of an array are coded in row-major order, plane after plane. With c ranging over neighbours that came before
(zero outside of the array):

    mu = sum_i a_i q[c_i], clipped to +-2^15          the mean, in 1/256; a_i integers of the file, or none
    near = floor(sum_{c in NEAR} |256 q[c] - mu| / 256), and far likewise
    s = S[bucket(near), bucket(far)]                  the Laplace scale index, a table of the file

A bucket is the number of thresholds that are at most its argument. Tables are stored as differences from `PRIOR`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from inr.codec.entropy import laplace
from inr.codec.entropy import python_coder as reference
from inr.codec.entropy.laplace import decode_symbol
from inr.codec.entropy.quantise import Integers
from inr.codec.entropy.range_coder import FAILED, is_finished, new_decoder
from inr.codec.entropy.tensors import is_reference
from inr.core.errors import FormatError
from inr.core.jit import compiled

Layout = tuple[str, tuple[int, ...]]
"""The kind of neighbourhood ("line", "plane", "volume", "spectrum"), and the array's shape: planes first."""

NEAR_THRESHOLDS = (1, 2, 3, 4, 6, 8, 11, 15, 20, 28, 40, 60)
FAR_THRESHOLDS = (1, 2, 4, 7, 12, 20, 40)
N_NEAR, N_FAR = len(NEAR_THRESHOLDS) + 1, len(FAR_THRESHOLDS) + 1
N_SCALES = N_NEAR * N_FAR
VALUES_AT_ONCE = 2**16
"""Bits of scales are calculated for as many symbols and scales together, which bounds the memory."""
PRIOR = tuple(
    min(255, 48 + round(16 * math.log2(1 + near)) + round(6 * math.log2(1 + far)))
    for near in (0, *NEAR_THRESHOLDS)
    for far in (0, *FAR_THRESHOLDS)
)

Offsets = tuple[tuple[int, ...], ...]


@dataclasses.dataclass(frozen=True)
class Neighbourhood:
    """Offsets along the axes of a plane, all earlier in coding order; an offset with weight 2 is listed twice."""

    near: Offsets
    far: Offsets
    mean: Offsets
    reach: int


NEIGHBOURHOODS: Mapping[str, Neighbourhood] = {
    "line": Neighbourhood(
        near=((-1,), (-1,), (-2,)),
        far=((-3,), (-4,), (-5,), (-6,), (-7,), (-8,)),
        mean=tuple((-i,) for i in range(1, 9)),
        reach=8,
    ),
    "plane": Neighbourhood(
        near=((0, -1), (0, -1), (-1, 0), (-1, 0), (-1, -1), (-1, 1)),
        far=((0, -2), (-2, 0), (-2, -1), (-2, 1), (-1, -2), (-1, 2)),
        mean=((0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0)),
        reach=2,
    ),
    "volume": Neighbourhood(
        near=((0, 0, -1), (0, 0, -1), (0, -1, 0), (0, -1, 0), (-1, 0, 0), (-1, 0, 0)),
        far=(
            (0, -1, -1), (-1, 0, -1), (-1, -1, 0), (0, -1, 1), (-1, 0, 1), (-1, 1, 0),
            (0, 0, -2), (0, -2, 0), (-2, 0, 0),
        ),
        mean=(
            (0, 0, -1), (0, -1, 0), (-1, 0, 0), (0, -1, -1), (-1, 0, -1), (-1, -1, 0), (-1, -1, -1),
            (0, 0, -2), (0, -2, 0), (-2, 0, 0),
        ),
        reach=2,
    ),
    "spectrum": Neighbourhood(  # rows are frames, columns are bands
        near=((0, -1), (0, -1), (-1, 0), (-1, 0), (0, -2), (-1, 1), (-1, -1)),
        far=((-2, 0), (-2, 0), (-2, -1), (-2, 1), (-3, 0), (-1, 2), (-1, -2), (0, -3)),
        mean=(),
        reach=3,
    ),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class CodedArray:
    """An array in a file. means: a_i, or all zero. scales: S - PRIOR. stream: of the symbols."""

    means: Integers
    scales: Integers
    stream: bytes


def encode(symbols: Integers, layout: Layout) -> CodedArray:
    """Code planes [P, ...] of symbols with fitted tables."""
    kind, shape = layout
    own = NEIGHBOURHOODS[kind]
    flat = np.ascontiguousarray(symbols, np.int32).reshape(shape)
    candidates = [np.zeros(len(own.mean), np.int32)]
    fitted = _fitted_means(flat, own)
    if fitted.any():
        candidates.append(fitted)
    best: CodedArray | None = None
    for means in candidates:
        mu, bucket = _contexts(flat, own, means)
        table = _scales(flat.ravel(), mu, bucket)
        stream = laplace.encode(flat.ravel(), mu, table[bucket].astype(np.int32))
        coded = CodedArray(means, (table - np.array(PRIOR)).astype(np.int32), stream)
        if best is None or len(coded.stream) + 2 * np.count_nonzero(means) < len(best.stream):
            best = coded
    assert best is not None
    return best


def decode(coded: CodedArray, layout: Layout) -> Integers:
    """The symbols of a stream. Raises FormatError for tables out of range and for a damaged stream."""
    kind, shape = layout
    own = NEIGHBOURHOODS[kind]
    scales = coded.scales.astype(np.int64) + np.array(PRIOR)
    if scales.min() < 0 or scales.max() > 255 or np.abs(coded.means.astype(np.int64)).max(initial=0) > 2**15:
        raise FormatError("a context model is out of range")
    padded, positions, near, far, mean = _frame(shape, own)
    means = coded.means.astype(np.int64)
    if is_reference():
        is_whole = _decode_in_python(coded.stream, padded, positions, near, far, mean, means, scales)
    else:
        data = np.frombuffer(coded.stream, np.uint8)
        is_whole = _decode(data, padded, positions, near, far, mean, means, scales, _NEAR, _FAR)
    if not is_whole:
        raise FormatError("a stream of symbols is damaged")
    found: Integers = padded[positions].reshape(shape)
    return found


_NEAR, _FAR = np.array(NEAR_THRESHOLDS, np.int64), np.array(FAR_THRESHOLDS, np.int64)

Wide = np.ndarray[Any, np.dtype[np.int64]]


def _frame(shape: tuple[int, ...], own: Neighbourhood) -> tuple[Integers, Wide, Wide, Wide, Wide]:
    """A flat zero array with margins, the positions of the symbols in it, and the offsets as distances in it."""
    margin = (0, *[own.reach] * (len(shape) - 1))
    padded = tuple(n + 2 * m for n, m in zip(shape, margin, strict=True))
    inner = np.arange(math.prod(padded), dtype=np.int64).reshape(padded)
    positions = inner[tuple(slice(m, m + n) for n, m in zip(shape, margin, strict=True))].ravel()
    strides = [math.prod(padded[d + 1 :]) for d in range(1, len(padded))]

    def distances(offsets: Offsets) -> Wide:
        return np.array([sum(o * s for o, s in zip(offset, strides, strict=True)) for offset in offsets], np.int64)

    zeros = np.zeros(math.prod(padded), np.int32)
    return zeros, np.ascontiguousarray(positions), distances(own.near), distances(own.far), distances(own.mean)


def _contexts(symbols: Integers, own: Neighbourhood, means: Integers) -> tuple[Integers, Wide]:
    padded, positions, near, far, mean = _frame(symbols.shape, own)
    padded[positions] = symbols.ravel()
    mu, bucket = np.zeros(len(positions), np.int32), np.zeros(len(positions), np.int64)
    _survey(padded, positions, near, far, mean, means.astype(np.int64), _NEAR, _FAR, mu, bucket)
    return mu, bucket


def _fitted_means(symbols: Integers, own: Neighbourhood) -> Integers:
    """Least-squares weights of the neighbours, in 1/256."""
    if not own.mean:
        return np.zeros(0, np.int32)
    padded, positions, _, _, mean = _frame(symbols.shape, own)
    padded[positions] = symbols.ravel()
    q = padded.astype(np.float64)
    n = len(mean)
    gram, right = np.eye(n) * 1e-3, np.zeros(n)
    for part in np.array_split(positions, max(1, len(positions) // 2**16)):
        columns = np.stack([q[part + d] for d in mean])
        gram += columns @ columns.T
        right += columns @ q[part]
    weights = np.rint(256 * np.linalg.solve(gram, right))
    held: Integers = np.clip(weights, -1024, 1024).astype(np.int32)
    return held


def _scales(symbols: Integers, mu: Integers, bucket: Wide) -> Wide:
    """The scale index of each bucket that minimises the bits of its symbols; PRIOR's for empty buckets."""
    table = np.array(PRIOR, np.int64)
    order = np.argsort(bucket, kind="stable")
    starts = np.searchsorted(bucket[order], np.arange(N_SCALES + 1))
    for k in range(N_SCALES):
        rows = order[starts[k] : starts[k + 1]]
        if len(rows) == 0:
            continue
        far = np.abs(symbols[rows] - mu[rows] / 256)
        middle = 96 + 16 * math.log2(max(float(far.mean()), 2.0**-6))
        table[k] = _cheapest(far, {min(max(round(middle) + d, 0), 255) for d in range(-24, 17, 4)})
        table[k] = _cheapest(far, {min(max(int(table[k]) + d, 0), 255) for d in range(-3, 4)})
    return table


def _cheapest(far: Any, candidates: set[int]) -> int:
    """The scale index with the fewest bits for symbols at these distances from their means; the least of equal ones."""
    scales = sorted(candidates)
    at_once = max(1, VALUES_AT_ONCE // len(far))
    bits = [_bits(far, scales[i : i + at_once]) for i in range(0, len(scales), at_once)]
    return scales[int(np.argmin(np.concatenate(bits)))]


def _bits(far: Any, scales: list[int]) -> Any:
    """The bits of all symbols with each of these scales."""
    widths = [2.0 ** ((s - 96) / 16) for s in scales]
    b, half = np.array(widths)[:, None], np.array([(1 - math.exp(-1 / b)) / 2 for b in widths])[:, None]
    outer = np.exp(-np.maximum(far - 0.5, 0) / b) * half
    inner = 1 - (np.exp(-(far + 0.5) / b) + np.exp(np.minimum(far - 0.5, 0) / b)) / 2
    return -np.log2(np.maximum(np.where(far < 0.5, inner, outer), 2.0**-16)).sum(1)


@compiled
def _mean(padded: Integers, p: int, mean: Wide, means: Wide) -> int:
    mu = np.int64(0)
    for i in range(len(mean)):
        mu += means[i] * padded[p + mean[i]]
    if mu < -32768:
        return -32768
    return int(mu) if mu < 32767 else 32767


@compiled
def _bucket(padded: Integers, p: int, mu: int, offsets: Wide, thresholds: Wide) -> int:
    total = np.int64(0)
    for i in range(len(offsets)):
        total += abs(256 * np.int64(padded[p + offsets[i]]) - mu)
    total >>= 8
    n = 0
    for i in range(len(thresholds)):
        n += total >= thresholds[i]
    return n


@compiled
def _survey(
    padded: Integers,
    positions: Wide,
    near: Wide,
    far: Wide,
    mean: Wide,
    means: Wide,
    near_thresholds: Wide,
    far_thresholds: Wide,
    mu: Integers,
    bucket: Wide,
) -> None:
    for i in range(len(positions)):
        p = positions[i]
        m = _mean(padded, p, mean, means)
        mu[i] = m
        bucket[i] = _bucket(padded, p, m, near, near_thresholds) * (len(far_thresholds) + 1) + _bucket(
            padded, p, m, far, far_thresholds
        )


@compiled
def _decode(
    data: Any,
    padded: Integers,
    positions: Wide,
    near: Wide,
    far: Wide,
    mean: Wide,
    means: Wide,
    scales: Wide,
    near_thresholds: Wide,
    far_thresholds: Wide,
) -> bool:
    state = new_decoder(data)
    for i in range(len(positions)):
        p = positions[i]
        m = _mean(padded, p, mean, means)
        k = _bucket(padded, p, m, near, near_thresholds) * (len(far_thresholds) + 1) + _bucket(
            padded, p, m, far, far_thresholds
        )
        padded[p] = decode_symbol(state, data, m, scales[k])
        if state[FAILED] != 0:
            return False
    return is_finished(state, data)


def _decode_in_python(
    data: bytes, padded: Integers, positions: Wide, near: Wide, far: Wide, mean: Wide, means: Wide, scales: Wide
) -> bool:
    """`_decode` in plain Python."""
    decoder = reference.Decoder(data)
    q = padded.tolist()

    def bucket(p: int, mu: int, offsets: list[int], thresholds: tuple[int, ...]) -> int:
        total = sum(abs(256 * q[p + d] - mu) for d in offsets) >> 8
        return sum(total >= t for t in thresholds)

    nearer, farther, before = near.tolist(), far.tolist(), list(zip(means.tolist(), mean.tolist(), strict=True))
    for p in positions.tolist():
        mu = min(max(sum(a * q[p + d] for a, d in before), -32768), 32767)
        k = bucket(p, mu, nearer, NEAR_THRESHOLDS) * N_FAR + bucket(p, mu, farther, FAR_THRESHOLDS)
        q[p] = decoder.symbol(mu, int(scales[k]))
        if decoder.failed:
            return False
    padded[:] = q
    return decoder.is_finished
