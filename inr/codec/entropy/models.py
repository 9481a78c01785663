"""Entropy models of integer tensors: kinds 0 to 3, each with its parameters (FORMAT.md).

A model writes its parameters into the tensor's record, and the symbols into the stream that all tensors share. `best`
returns the model that needs the fewest bits.
"""

from __future__ import annotations

import dataclasses
import functools
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar, Self

import numpy as np

from inr.codec.container.byte_fields import Reader, Writer
from inr.codec.entropy import _compiled_models as compiled
from inr.codec.entropy import python_coder as reference
from inr.codec.entropy._compiled_models import BELOW_ZERO, Counts
from inr.codec.entropy.laplace import EXPONENTIALS, HIGHEST, INVERSES, LARGEST, LOWEST, MU_LIMIT, SCALES, Integers
from inr.codec.entropy.range_coder import FAILED, GOLOMB_LIMIT, TOTAL_BITS, Buffer, State

MAX_SHIFT = 16
MAX_BITS = 29
MAX_EVENTS = 256
MAX_ORDER = 8
LAPLACE_RECORD = 32
"""Bits of the parameters of kind 1."""


class Model(ABC):
    """An entropy model of one tensor."""

    kind: ClassVar[int]

    @abstractmethod
    def write(self, record: Writer) -> None:
        """Write the parameters into the record."""

    @classmethod
    @abstractmethod
    def read(cls, record: Reader) -> Self:
        """Read the parameters of a record. FormatError if one is out of range."""

    @abstractmethod
    def encode(self, symbols: Integers, state: State, out: Buffer) -> None: ...

    @abstractmethod
    def decode(self, symbols: Integers, state: State, data: Buffer) -> None:
        """Fill `symbols` [N]; after a failed stream their values are undefined."""

    @abstractmethod
    def encode_in_python(self, symbols: Integers, encoder: reference.Encoder) -> None: ...

    @abstractmethod
    def decode_in_python(self, symbols: Integers, decoder: reference.Decoder) -> None: ...

    @abstractmethod
    def bits(self, values: Integers, counts: Counts) -> float:
        """Bits of a tensor that contains each of `values` `counts` times, with the parameters."""


@dataclasses.dataclass(frozen=True)
class Raw(Model):
    """Kind 0: q - low in a fixed number of bits, which is 0 if all symbols are equal."""

    low: int
    width: int
    kind: ClassVar[int] = 0

    def write(self, record: Writer) -> None:
        record.signed(self.low).u8(self.width)

    @classmethod
    def read(cls, record: Reader) -> Self:
        return cls(record.signed("a lowest symbol", -LARGEST, LARGEST), record.u8("a width in bits", 0, MAX_BITS))

    def encode(self, symbols: Integers, state: State, out: Buffer) -> None:
        compiled.encode_raw(symbols, self.low, self.width, state, out)

    def decode(self, symbols: Integers, state: State, data: Buffer) -> None:
        compiled.decode_raw(symbols, self.low, self.width, state, data)

    def encode_in_python(self, symbols: Integers, encoder: reference.Encoder) -> None:
        for q in symbols.tolist():
            for n, rest in _pieces(self.width):
                encoder.bits((q - self.low) >> rest & (1 << n) - 1, n)

    def decode_in_python(self, symbols: Integers, decoder: reference.Decoder) -> None:
        for i in range(len(symbols)):
            value = sum(decoder.bits(n) << rest for n, rest in _pieces(self.width))
            _put(symbols, i, self.low + value, decoder)

    def bits(self, values: Integers, counts: Counts) -> float:
        return 24 + float(self.width * counts.sum())


@dataclasses.dataclass(frozen=True)
class Laplace(Model):
    """Kind 1: q >> shift under a Laplace of mean mu (1/256) and scale index s; the lower bits are uniform."""

    mu: int
    s: int
    shift: int
    kind: ClassVar[int] = 1

    def write(self, record: Writer) -> None:
        record.signed(self.mu).u8(self.s).u8(self.shift)

    @classmethod
    def read(cls, record: Reader) -> Self:
        return cls(
            record.signed("a mean", -MU_LIMIT, MU_LIMIT), record.u8("a scale"), record.u8("a shift", 0, MAX_SHIFT)
        )

    def encode(self, symbols: Integers, state: State, out: Buffer) -> None:
        compiled.encode_laplace(symbols, self.mu, self.s, self.shift, state, out)

    def decode(self, symbols: Integers, state: State, data: Buffer) -> None:
        compiled.decode_laplace(symbols, self.mu, self.s, self.shift, state, data)

    def encode_in_python(self, symbols: Integers, encoder: reference.Encoder) -> None:
        for q in symbols.tolist():
            encoder.symbol(self.mu, self.s, q >> self.shift)
            if self.shift:
                encoder.bits(q & (1 << self.shift) - 1, self.shift)

    def decode_in_python(self, symbols: Integers, decoder: reference.Decoder) -> None:
        for i in range(len(symbols)):
            q = decoder.symbol(self.mu, self.s) << self.shift
            _put(symbols, i, q | decoder.bits(self.shift) if self.shift else q, decoder)

    def bits(self, values: Integers, counts: Counts) -> float:
        return float(laplace_bits(values, counts, self.mu, self.shift)[self.s])

    def bits_of_each(self, values: Integers) -> np.ndarray[Any, np.dtype[np.float64]]:
        """The bits of each symbol, without those of the parameters."""
        event, escapes = _events(values, self.shift)
        bits: np.ndarray[Any, np.dtype[np.float64]] = _lengths(self.mu)[self.s, event] + escapes + self.shift
        return bits


@dataclasses.dataclass(frozen=True)
class Inflated(Model):
    """Kind 2: a flag of probability share / 256 for zero; else q, less 1 above 0, by a Laplace about -1/2."""

    share: int
    s: int
    shift: int
    kind: ClassVar[int] = 2

    def write(self, record: Writer) -> None:
        record.u8(self.share).u8(self.s).u8(self.shift)

    @classmethod
    def read(cls, record: Reader) -> Self:
        return cls(record.u8("a share", 1, 255), record.u8("a scale"), record.u8("a shift", 0, MAX_SHIFT))

    def encode(self, symbols: Integers, state: State, out: Buffer) -> None:
        compiled.encode_inflated(symbols, self.share << 8, self.s, self.shift, state, out)

    def decode(self, symbols: Integers, state: State, data: Buffer) -> None:
        compiled.decode_inflated(symbols, self.share << 8, self.s, self.shift, state, data)

    def encode_in_python(self, symbols: Integers, encoder: reference.Encoder) -> None:
        inner = Laplace(BELOW_ZERO, self.s, self.shift)
        for q in symbols.tolist():
            encoder.flag(q == 0, self.share << 8)
            if q:
                inner.encode_in_python(np.array([q - (q > 0)], np.int32), encoder)

    def decode_in_python(self, symbols: Integers, decoder: reference.Decoder) -> None:
        inner = Laplace(BELOW_ZERO, self.s, self.shift)
        for i in range(len(symbols)):
            symbols[i] = 0
            if not decoder.flag(self.share << 8):
                inner.decode_in_python(symbols[i : i + 1], decoder)
                symbols[i] += symbols[i] >= 0

    def bits(self, values: Integers, counts: Counts) -> float:
        n_zero, n = int(counts[values == 0].sum()), int(counts.sum())
        flags = -n_zero * np.log2(self.share / 256) - (n - n_zero) * np.log2(1 - self.share / 256)
        others = laplace_bits(*_without_zero(values, counts), BELOW_ZERO, self.shift)[self.s] - LAPLACE_RECORD
        return 24 + float(flags + others)


@dataclasses.dataclass(frozen=True)
class Histogram(Model):
    """Kind 3: shares in proportion to weights of 0 to 255 for the symbols low, low + 1 ...; at most 256 of them.

    The weights come before the symbols in the stream, as exp-Golomb codes of the given order.
    """

    low: int
    order: int
    n: int
    weights: tuple[int, ...] = ()
    kind: ClassVar[int] = 3

    def write(self, record: Writer) -> None:
        record.signed(self.low).u8(self.order).u8(self.n - 1)

    @classmethod
    def read(cls, record: Reader) -> Self:
        low = record.signed("a lowest symbol", -LARGEST, LARGEST)
        return cls(low, record.u8("an order", 0, MAX_ORDER), record.u8("a number of events") + 1)

    def encode(self, symbols: Integers, state: State, out: Buffer) -> None:
        weights = np.array(self.weights, np.int64)
        compiled.encode_histogram(symbols, self.low, self.order, weights, _edges(weights), state, out)

    def decode(self, symbols: Integers, state: State, data: Buffer) -> None:
        weights = np.zeros(self.n, np.int64)
        compiled.decode_weights(weights, self.order, state, data)
        if weights.sum() > 0 and weights.max() < MAX_EVENTS:
            compiled.decode_histogram(symbols, self.low, _edges(weights), state, data)
        else:
            state[FAILED] = 1

    def encode_in_python(self, symbols: Integers, encoder: reference.Encoder) -> None:
        for weight in self.weights:
            encoder.golomb(weight, self.order)
        edges = _edges(np.array(self.weights, np.int64)).tolist()
        for q in symbols.tolist():
            start, end = edges[q - self.low : q - self.low + 2]
            encoder.interval(start, end - start)

    def decode_in_python(self, symbols: Integers, decoder: reference.Decoder) -> None:
        weights = np.array([decoder.golomb(self.order) for _ in range(self.n)], np.int64)
        if not weights.sum() > 0 or weights.max() >= MAX_EVENTS:
            decoder.failed = True
            return
        edges = _edges(weights).tolist()
        for i in range(len(symbols)):
            event = next((e for e in range(self.n) if decoder.place() < edges[e + 1]), None)
            if event is None or decoder.failed:
                decoder.failed = True
                return
            decoder.take(edges[event], edges[event + 1] - edges[event])
            symbols[i] = self.low + event

    def bits(self, values: Integers, counts: Counts) -> float:
        shares = np.diff(_edges(np.array(self.weights, np.int64)))[values - self.low] / 2**TOTAL_BITS
        lengths = 2 * (np.log2(np.array(self.weights) + (1 << self.order)).astype(np.int64)) + 1 - self.order
        return 32 + float(lengths.sum() - (counts * np.log2(shares)).sum())


MODELS: dict[int, type[Model]] = {model.kind: model for model in (Raw, Laplace, Inflated, Histogram)}


def best(symbols: Integers) -> Model:
    """The model that codes these symbols in the fewest bits. There must be at least one symbol."""
    values, counts = np.unique(symbols, return_counts=True)
    return min(candidates(values.astype(np.int32), counts), key=lambda model: model.bits(values, counts))


def candidates(values: Integers, counts: Counts) -> Iterator[Model]:
    """The models that `best` compares. values: the distinct symbols, ascending. counts: how often each occurs."""
    low, high = int(values[0]), int(values[-1])
    yield Raw(low, (high - low).bit_length())
    if low == high:
        return
    n = int(counts.sum())
    n_zero = int(counts[values == 0].sum())
    shifts = range(max(max(abs(low), abs(high)) >> 6, 1).bit_length() + 1)
    for shift in [k for k in shifts if k <= MAX_SHIFT]:
        mean = float(((values >> shift) * counts).sum()) / n
        for mu in {0, min(max(round(256 * mean), -MU_LIMIT), MU_LIMIT)}:
            yield Laplace(mu, int(np.argmin(laplace_bits(values, counts, mu, shift))), shift)
        if 0 < n_zero < n:
            share = min(max(round(256 * n_zero / n), 1), 255)
            lengths = laplace_bits(*_without_zero(values, counts), BELOW_ZERO, shift)
            yield Inflated(share, int(np.argmin(lengths)), shift)
    if high - low < MAX_EVENTS:
        full = np.zeros(high - low + 1, np.int64)
        full[values - low] = counts
        for peak in (15, 63, 255):
            weights = np.where(full > 0, np.maximum(np.rint(full * (peak / full.max())), 1), 0).astype(np.int64)
            for order in range(0, MAX_ORDER, 2):
                yield Histogram(low, order, len(weights), tuple(weights.tolist()))


def _without_zero(values: Integers, counts: Counts) -> tuple[Integers, Counts]:
    kept = values != 0
    return values[kept] - (values[kept] > 0), counts[kept]


def shares(mu: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Shares of 2^16 [scale index, event] of all Laplace models of a mean; the last event is the escape."""
    q = np.arange(LOWEST + 1, HIGHEST + 2)
    distance = 256 * q - 128 - mu
    at = np.abs(distance) * INVERSES[:, None]
    step = np.minimum(at >> 20, len(EXPONENTIALS) - 2)
    left, right = EXPONENTIALS[step], EXPONENTIALS[step + 1]
    tail = left - (((left - right) * (at & (1 << 20) - 1)) >> 20)
    tail[at >> 20 >= len(EXPONENTIALS) - 1] = 0
    free = (1 << TOTAL_BITS) - (HIGHEST - LOWEST + 2)
    share = (free * tail) >> 31
    inner = np.where(distance < 0, share, free - share) + q - LOWEST
    edges = np.concatenate([np.zeros((SCALES, 1), np.int64), inner, np.full((SCALES, 1), 1 << TOTAL_BITS)], axis=1)
    return np.diff(edges)


@functools.lru_cache(maxsize=256)
def _lengths(mu: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Bits [scale index, event]."""
    lengths: np.ndarray[Any, np.dtype[np.float64]] = TOTAL_BITS - np.log2(shares(mu))
    return lengths


def laplace_bits(values: Integers, counts: Counts, mu: int, shift: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Bits [scale index] of symbols under kind 1, with those of the parameters."""
    event, escapes = _events(values, shift)
    met = np.bincount(event, weights=counts, minlength=HIGHEST - LOWEST + 2)
    others = (escapes * counts).sum() + shift * counts.sum()
    bits: np.ndarray[Any, np.dtype[np.float64]] = LAPLACE_RECORD + _lengths(mu) @ met + others
    return bits


def _events(values: Integers, shift: int) -> tuple[np.ndarray[Any, np.dtype[np.int64]], Counts]:
    """The event of each symbol, and the bits that follow an escape; 0 without one."""
    high = values.astype(np.int64) >> shift
    is_inside = (high >= LOWEST) & (high <= HIGHEST)
    event = np.where(is_inside, high - LOWEST, HIGHEST - LOWEST + 1)
    excess = np.where(is_inside, 0, np.where(high > 0, high - HIGHEST - 1, LOWEST - 1 - high)) + 16
    return event, np.where(is_inside, 0, 2 * np.log2(excess).astype(np.int64) - 4 + 2)


def _edges(weights: np.ndarray[Any, np.dtype[np.int64]]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The start of each event's share of 2^16 [n + 1]: floor(2^16 (w_0 + ... + w_i-1) / (w_0 + ... + w_n-1))."""
    sums = np.concatenate([[0], np.cumsum(weights)])
    edges: np.ndarray[Any, np.dtype[np.int64]] = (sums << TOTAL_BITS) // sums[-1]
    return edges


def _pieces(width: int) -> list[tuple[int, int]]:
    """(bits, bits below them) of a number, at most 16 at a time, the highest first."""
    return [(16, width - 16), (width - 16, 0)] if width > 16 else [(width, 0)] * (width > 0)


def _put(symbols: Integers, i: int, q: int, decoder: reference.Decoder) -> None:
    if abs(q) > LARGEST:
        decoder.failed = True
    else:
        symbols[i] = q


assert GOLOMB_LIMIT + MAX_ORDER <= 32
