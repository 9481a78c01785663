"""Code shared by the profiles that code a field: ARCH and its limits, payloads and decoding."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Generator

from inr.codec.container.byte_fields import Reader, Writer
from inr.codec.container.header import Header
from inr.codec.container.settings import read_config, write_config
from inr.codec.decoded import FieldDecoded
from inr.codec.entropy import tensors
from inr.codec.entropy.quantise import Quantised
from inr.codec.guards import only_format_errors
from inr.codec.limits import Limits
from inr.codec.profile import Payload, check_symbols
from inr.codec.training.coded_tensors import CodedTensor, coded_tensors
from inr.core.config import Config
from inr.core.domain import Spec
from inr.core.errors import FormatError
from inr.fields import Field, FieldConfig
from inr.fields.subspace import Subspace
from inr.fitting import Fit, FitConfig

COUNTS = {"width": "width", "depth": "layers", "levels": "levels"}
"""Settings with separate limits; all other whole numbers are checked against the limit of tables."""


def write_arch(config: FieldConfig) -> bytes:
    """ARCH of a field, after the profile's number."""
    writer = Writer()
    write_config(writer, config)
    return writer.bytes()


def read_arch(header: Header, arch: bytes | memoryview, limits: Limits) -> tuple[FieldConfig, Field]:
    """The field's settings, and the field on the meta device (shapes without memory). Raises FormatError."""
    return _read_arch(header.spec(), bytes(arch), limits)


@functools.lru_cache(maxsize=2)
def _read_arch(spec: Spec, arch: bytes, limits: Limits) -> tuple[FieldConfig, Field]:
    """Cached, because the next step of decoding needs it again."""
    reader = Reader(arch, "the architecture")
    config = read_config(reader, FieldConfig)
    reader.end()
    for inner in _nested(config):
        _check_settings(inner, limits)
    with only_format_errors("the field cannot be built"):
        if config.resolve(spec) != config:
            raise FormatError("the field's settings are not complete")
        outline = _outline(config, spec, limits)
        for inner in _nested(config):
            if isinstance(inner, Subspace):
                n = sum(p.numel() for p in _outline(inner.base, spec, limits).parameters())
                limits.check("parameters", n * inner.dimensions if inner.projection == "dense" else n)
    return config, outline


def _outline(config: FieldConfig, spec: Spec, limits: Limits) -> Field:
    with torch.device("meta"):
        outline = config.build(spec, Generator())
    everything = [*outline.parameters(), *outline.buffers()]
    limits.check("parameters", sum(t.numel() * (2 if t.is_complex() else 1) for t in everything))
    return outline


def _nested(config: Config) -> Iterator[Config]:
    yield config
    for f in dataclasses.fields(config):
        value = getattr(config, f.name)
        if isinstance(value, Config):
            yield from _nested(value)


def _check_settings(config: Config, limits: Limits) -> None:
    for f in dataclasses.fields(config):
        value = getattr(config, f.name)
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, int) and not isinstance(item, bool):
                limits.check(COUNTS.get(f.name, "table"), 2**item if f.name == "log2_table" else abs(item))


def work_of(header: Header, outline: Field) -> int:
    """Multiplications to evaluate the field on its lattice, without table look-ups."""
    return sum(part.tensor.numel() for part in coded_tensors(outline) if not part.is_table) * max(1, header.n_samples)


def payload_of(config: FieldConfig, quantised: Sequence[Quantised]) -> Payload:
    """The payload of a field whose tensors are coded one by one."""
    table, data = tensors.encode(quantised)
    return Payload(write_arch(config), table, data, tensors.symbols_sha256([c.symbols for c in quantised]))


def decode_field(
    header: Header,
    payload: Payload,
    limits: Limits,
    profile: str,
    decode: Callable[[Sequence[CodedTensor], Payload, Limits], list[Quantised]],
) -> FieldDecoded:
    """Decode the model of a payload. `decode` returns the quantised tensors. Raises only FormatError, for any bytes."""
    config, outline = read_arch(header, payload.arch, limits)
    quantised = decode(coded_tensors(outline), payload, limits)
    digest = check_symbols(tensors.symbols_sha256([c.symbols for c in quantised]), payload)
    with only_format_errors("the field cannot be built"):
        field = config.build(header.spec(), Generator())
    for tensor, symbols in zip(coded_tensors(field), quantised, strict=True):
        tensor.assign(symbols)
    field.load_state_dict(field.state_dict())  # for fields that derive other values from their state
    fit = Fit(field, header.spec(), header.frame(), header.meta, FitConfig(steps=0))
    return FieldDecoded(header, fit, digest, profile)


def decode_plain(parts: Sequence[CodedTensor], payload: Payload, limits: Limits) -> list[Quantised]:
    """The quantised tensors of a payload that codes them one by one."""
    found: list[Any] = tensors.decode([part.spec for part in parts], payload.table, payload.data, limits)
    return found
