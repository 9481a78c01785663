"""What the profiles that hold a field share: ARCH and its limits, payloads, decoding, and landing on an aim."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Generator

from inr._config import Config
from inr._domain import Spec
from inr._errors import FormatError, InrError
from inr.codec import tensors
from inr.codec._fields import Reader, Writer
from inr.codec._header import Header
from inr.codec._limits import Limits
from inr.codec.architecture import read_config, write_config
from inr.codec.pieces import Piece, pieces
from inr.codec.profile import FieldDecoded, Payload, check_symbols
from inr.codec.quantise import Quantised
from inr.fields import Field, FieldConfig
from inr.fields.subspace import Subspace
from inr.fitting import Fit, FitConfig

COUNTS = {"width": "width", "depth": "layers", "levels": "levels"}
"""Settings that a limit of their own holds; every other whole number is held to that of tables."""


def write_arch(config: FieldConfig) -> bytes:
    """ARCH of a field, after the profile's number."""
    writer = Writer()
    write_config(writer, config)
    return writer.bytes()


def read_arch(header: Header, arch: bytes | memoryview, limits: Limits) -> tuple[FieldConfig, Field]:
    """The field's settings, and its outline on the meta device: shapes without memory. Raises FormatError."""
    return _read_arch(header.spec(), bytes(arch), limits)


@functools.lru_cache(maxsize=2)
def _read_arch(spec: Spec, arch: bytes, limits: Limits) -> tuple[FieldConfig, Field]:
    """Kept for the next step of decoding, which asks once more."""
    reader = Reader(arch, "the architecture")
    config = read_config(reader, FieldConfig)
    reader.end()
    for inner in _nested(config):
        _hold_settings(inner, limits)
    with _only_format_errors():
        if config.resolve(spec) != config:
            raise FormatError("the field's settings are not complete")
        outline = _outline(config, spec, limits)
        for inner in _nested(config):
            if isinstance(inner, Subspace):
                n = sum(p.numel() for p in _outline(inner.base, spec, limits).parameters())
                limits.hold("parameters", n * inner.dimensions if inner.projection == "dense" else n)
    return config, outline


@contextlib.contextmanager
def _only_format_errors() -> Iterator[None]:
    """Settings that no field can be built of are the file's fault; what torch says of them may be anything."""
    try:
        yield
    except FormatError:
        raise
    except (InrError, RuntimeError, ValueError, TypeError, AssertionError, ArithmeticError) as error:
        raise FormatError(f"the field can not be built: {str(error).splitlines()[0]}") from error


def _outline(config: FieldConfig, spec: Spec, limits: Limits) -> Field:
    with torch.device("meta"):
        outline = config.build(spec, Generator())
    everything = [*outline.parameters(), *outline.buffers()]
    limits.hold("parameters", sum(t.numel() * (2 if t.is_complex() else 1) for t in everything))
    return outline


def _nested(config: Config) -> Iterator[Config]:
    yield config
    for f in dataclasses.fields(config):
        value = getattr(config, f.name)
        if isinstance(value, Config):
            yield from _nested(value)


def _hold_settings(config: Config, limits: Limits) -> None:
    for f in dataclasses.fields(config):
        value = getattr(config, f.name)
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, int) and not isinstance(item, bool):
                limits.hold(COUNTS.get(f.name, "table"), 2**item if f.name == "log2_table" else abs(item))


def work_of(header: Header, outline: Field) -> int:
    """Multiplications to evaluate the field on its lattice, tables not counted."""
    return sum(part.tensor.numel() for part in pieces(outline) if not part.is_table) * max(1, header.n_samples)


def payload_of(config: FieldConfig, coded: Sequence[Quantised]) -> Payload:
    """What a file holds of a field whose tensors are coded one by one."""
    table, data = tensors.encode(coded)
    return Payload(write_arch(config), table, data, tensors.symbols_sha256([c.symbols for c in coded]))


def decode_field(
    header: Header,
    payload: Payload,
    limits: Limits,
    profile: str,
    decode: Callable[[Sequence[Piece], Payload, Limits], list[Quantised]],
) -> FieldDecoded:
    """The model of a payload. `decode` has the symbols of the pieces. Raises FormatError for any bytes."""
    config, outline = read_arch(header, payload.arch, limits)
    coded = decode(pieces(outline), payload, limits)
    digest = check_symbols(tensors.symbols_sha256([c.symbols for c in coded]), payload)
    with _only_format_errors():
        field = config.build(header.spec(), Generator())
    for piece, symbols in zip(pieces(field), coded, strict=True):
        piece.assign(symbols)
    field.load_state_dict(field.state_dict())  # for fields that derive something from their state
    fit = Fit(field, header.spec(), header.frame(), header.meta, FitConfig(steps=0))
    return FieldDecoded(header, fit, digest, profile)


def decode_plain(parts: Sequence[Piece], payload: Payload, limits: Limits) -> list[Quantised]:
    """The symbols of pieces that are coded one by one."""
    found: list[Any] = tensors.decode([part.spec for part in parts], payload.table, payload.data, limits)
    return found
