"""Integer tensors as bytes: a table with a record for each, and one entropy-coded stream for all of them.

Names and shapes are not in the file: encoder and decoder derive them from the architecture, as `TensorSpec`s. A profile
with its own entropy coder (the latent pyramid) appends its streams to the shared one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import os
import sys
from collections.abc import Sequence

import numpy as np

from inr.codec.container.byte_fields import Reader, Writer
from inr.codec.entropy import models
from inr.codec.entropy import python_coder as reference
from inr.codec.entropy.laplace import LARGEST
from inr.codec.entropy.quantise import (
    HIGHEST_EXPONENT,
    HIGHEST_MANTISSA,
    LOWEST_EXPONENT,
    LOWEST_MANTISSA,
    Integers,
    Quantised,
    StepSize,
)
from inr.codec.entropy.range_coder import (
    FAILED,
    POSITION,
    RANGE,
    capacity,
    finish_encoder,
    is_finished,
    new_decoder,
    new_encoder,
)
from inr.codec.limits import Limits
from inr.core.errors import FormatError

OWN = 4
"""The kind of a tensor that the profile codes in a separate stream."""


@dataclasses.dataclass(frozen=True)
class TensorSpec:
    """A tensor as encoder and decoder know it. is_own: the profile codes it itself; here it is bytes."""

    name: str
    shape: tuple[int, ...]
    is_own: bool = False

    @property
    def size(self) -> int:
        return math.prod(self.shape)


@dataclasses.dataclass(frozen=True)
class Record:
    """A row of the table. model, step: of a tensor in the shared stream. n_bytes: of a stream of the profile's own."""

    model: models.Model | None = None
    step: StepSize | None = None
    n_bytes: int = 0


@dataclasses.dataclass(frozen=True)
class Usage:
    """The size of a tensor in a file. bits: of its symbols, without the bytes of its record."""

    spec: TensorSpec
    model: str
    step: float | None
    bits: float
    record_bytes: int


def encode(tensors: Sequence[Quantised | bytes]) -> tuple[bytes, bytes]:
    """(table, data) of tensors in order; `bytes` are streams of the profile's own."""
    coded = [tensor for tensor in tensors if isinstance(tensor, Quantised)]
    picked = [models.best(t.symbols.ravel()) if t.symbols.size else models.Raw(0, 0) for t in coded]
    if any(t.symbols.size and int(np.abs(t.symbols.astype(np.int64)).max()) > LARGEST for t in coded):
        raise ValueError(f"symbols must be at most {LARGEST} in magnitude")
    shared = _encode(coded, picked)
    table = Writer().varint(len(shared))
    models_left = iter(picked)
    for tensor in tensors:
        if isinstance(tensor, Quantised):
            model = next(models_left)
            model.write(table.u8(model.kind).u8(tensor.step.mantissa).i8(tensor.step.exponent))
        else:
            table.u8(OWN).varint(len(tensor))
    own = [tensor for tensor in tensors if isinstance(tensor, bytes)]
    return table.bytes(), b"".join([shared, *own])


def decode(
    specs: Sequence[TensorSpec], table: bytes | memoryview, data: bytes | memoryview, limits: Limits | None = None
) -> list[Quantised | bytes]:
    """The tensors of (table, data); those that the profile codes itself are bytes. Raises FormatError."""
    found, _ = _decode(specs, table, data, limits or Limits())
    return found


def survey(
    specs: Sequence[TensorSpec], table: bytes | memoryview, data: bytes | memoryview, limits: Limits | None = None
) -> list[Usage]:
    """The size of each tensor in (table, data), measured by the decoder's position in the stream."""
    _, usage = _decode(specs, table, data, limits or Limits())
    return usage


def symbols_sha256(tensors: Sequence[Integers]) -> bytes:
    """The digest of all symbols, as int32 little-endian, in the order of the tensors."""
    digest = hashlib.sha256()
    for symbols in tensors:
        digest.update(np.ascontiguousarray(symbols, "<i4").data)
    return digest.digest()


def read_table(
    specs: Sequence[TensorSpec], table: bytes | memoryview, n_data: int, limits: Limits
) -> tuple[int, list[tuple[Record, int]]]:
    """(bytes of the shared stream, records with their lengths). FormatError if they do not add up to the data."""
    limits.check("tensors", len(specs))
    limits.check("symbols", sum(spec.size for spec in specs))
    reader = Reader(table, "the table")
    n_shared = reader.varint("the length of the shared stream", 0, n_data)
    records = []
    for spec in specs:
        before = reader.left
        kind = reader.u8("a kind", 0, OWN)
        if (kind == OWN) != spec.is_own:
            raise FormatError(f"tensor {spec.name} has kind {kind}, which is not possible for it")
        if kind == OWN:
            record = Record(n_bytes=reader.varint("the length of a stream", 0, n_data))
        else:
            mantissa = reader.u8("a step", LOWEST_MANTISSA, HIGHEST_MANTISSA)
            step = StepSize(reader.i8("a step's exponent", LOWEST_EXPONENT, HIGHEST_EXPONENT), mantissa)
            record = Record(models.MODELS[kind].read(reader), step)
        records.append((record, before - reader.left))
    reader.end()
    n_all = n_shared + sum(record.n_bytes for record, _ in records)
    if n_all != n_data:
        raise FormatError(f"the table describes {n_all} bytes of data, the file has {n_data}")
    return n_shared, records


def is_reference() -> bool:
    """Whether the Python coder is selected (`use_backend`, or `INR_BACKEND=reference`)."""
    dispatch = sys.modules.get(
        "inr.kernels._dispatch"
    )  # importing it would import torch, so it is used only if it is loaded
    forced = None if dispatch is None else dispatch.forced()
    return (forced or os.environ.get("INR_BACKEND")) == "reference"


def _encode(coded: Sequence[Quantised], picked: Sequence[models.Model]) -> bytes:
    pairs = [(t.symbols.ravel(), model) for t, model in zip(coded, picked, strict=True)]
    if is_reference():
        encoder = reference.Encoder()
        for symbols, model in pairs:
            model.encode_in_python(symbols, encoder)
        return encoder.finish()
    out = np.empty(capacity(sum(len(symbols) for symbols, _ in pairs) + 1024 * len(pairs)), np.uint8)
    state = new_encoder()
    for symbols, model in pairs:
        model.encode(np.ascontiguousarray(symbols, np.int32), state, out)
    n = finish_encoder(state, out)
    assert not state[FAILED], "the buffer holds any stream"
    return out[:n].tobytes()


def _decode(
    specs: Sequence[TensorSpec], table: bytes | memoryview, data: bytes | memoryview, limits: Limits
) -> tuple[list[Quantised | bytes], list[Usage]]:
    n_shared, records = read_table(specs, table, len(data), limits)
    data = bytes(data)
    stream = _Stream(data[:n_shared])
    at = n_shared
    found: list[Quantised | bytes] = []
    usage: list[Usage] = []
    for spec, (record, n_record) in zip(specs, records, strict=True):
        if record.model is None or record.step is None:
            found.append(data[at : at + record.n_bytes])
            at += record.n_bytes
            usage.append(Usage(spec, "own", None, 8.0 * record.n_bytes, n_record))
            continue
        before = stream.bits_taken
        symbols = np.zeros(spec.size, np.int32)
        stream.decode(record.model, symbols)
        found.append(Quantised(symbols.reshape(spec.shape), record.step))
        name = type(record.model).__name__.lower()
        usage.append(Usage(spec, name, record.step.value, stream.bits_taken - before, n_record))
    if not stream.is_finished:
        raise FormatError("the stream of symbols is damaged")
    return found, usage


class _Stream:
    """The shared stream, read by the compiled coder or the Python one. FormatError as soon as damage is found."""

    def __init__(self, data: bytes) -> None:
        self._slow = reference.Decoder(data) if is_reference() else None
        self._data = np.frombuffer(data, np.uint8)
        self._state = new_decoder(self._data) if self._slow is None else np.zeros(4, np.int64)

    def decode(self, model: models.Model, symbols: Integers) -> None:
        if self._slow is None:
            model.decode(symbols, self._state, self._data)
            has_failed = bool(self._state[FAILED])
        else:
            model.decode_in_python(symbols, self._slow)
            has_failed = self._slow.failed
        if has_failed:
            raise FormatError("the stream of symbols is damaged")

    @property
    def bits_taken(self) -> float:
        """Bits read so far: whole bytes, and the fraction of the next one that the decoder's range represents."""
        if self._slow is not None:
            return self._slow.bits_taken
        return 8.0 * (int(self._state[POSITION]) - 6) + 48 - math.log2(self._state[RANGE])

    @property
    def is_finished(self) -> bool:
        return self._slow.is_finished if self._slow is not None else bool(is_finished(self._state, self._data))
