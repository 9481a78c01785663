"""Files that hold fields of random parameters, and grids whose contexts are at the limits of the format."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Generator

from inr.codec.container.byte_fields import Writer
from inr.codec.container.file import Container
from inr.codec.container.header import Header
from inr.codec.entropy import context_model, tensors
from inr.codec.entropy.context_model import FAR_THRESHOLDS, N_FAR, NEAR_THRESHOLDS, NEIGHBOURHOODS, PRIOR, Offsets
from inr.codec.entropy.python_coder import Encoder
from inr.codec.entropy.quantise import Quantised, StepSize
from inr.codec.field_profile import payload_of, write_arch
from inr.codec.profile import Payload
from inr.codec.profiles.grids import pack
from inr.codec.training.coded_tensors import CodedTensor, coded_tensors
from inr.core.config import override
from inr.encodings.hash_grid import HashGridEncodingConfig
from inr.fields import FIELDS, Field
from inr.fields.hash_grid import HashGrid
from inr.layers.initialisers.standard import Xavier

Array = np.ndarray[Any, np.dtype[np.int64]]
WEIGHTS, GRIDS = 1, 2
STEP = StepSize.near(2.0**-12)
LARGEST_MEAN = 2**15
LARGEST_LATENT = 2**29 + 47
"""64 + v, with v + 2^4 of 29 bits: the largest that golomb(4) codes."""


def picture(width: int, height: int, channels: int = 3) -> bytes:
    """The header of a picture of 8 bits."""
    return Writer().u8(0).varint(width).varint(height).u8(channels).bytes()


def sound(samples: int, channels: int = 1) -> bytes:
    return Writer().u8(1).varint(samples).varint(channels).varint(8000).u8(0).f32(1.0).bytes()


def shape() -> bytes:
    header = Writer().u8(2)
    for number in (-2.0, 1.0, 0.5, 3.0):
        header.f64(number)
    return header.u8(0).bytes()


def random_field(family: str, settings: tuple[str, ...], header: bytes, seed: int = 0) -> Field:
    """A field with its initial parameters, of which those in grids are in [-1, 1]."""
    spec = Header.read(header).spec()
    config = override(FIELDS[family](), settings, "field").resolve(spec)
    field = config.build(spec, Generator().manual_seed(seed))
    for part in coded_tensors(field):
        if part.is_table:
            with torch.no_grad():
                part.values.uniform_(-1, 1, generator=Generator().manual_seed(seed))
    return field


def file_of(field: Field, header: bytes, profile: int) -> bytes:
    """A file of a field, its parameters rounded."""
    parts = coded_tensors(field)
    quantised = [part.quantise(STEP) for part in parts]
    config = field.config
    payload = payload_of(config, quantised) if profile == WEIGHTS else pack(config, parts, quantised)
    return _sealed(header, profile, payload)


def _sealed(header: bytes, profile: int, payload: Payload) -> bytes:
    return Container(header, profile, payload.arch, payload.table, payload.data, payload.symbols_sha256).to_bytes()


def extreme_grids(seed: int, n: int) -> Iterator[tuple[bytes, int]]:
    """n files of lattices of one to three axes and of spectra, each with the number of its latents.

    Means are at their limit, of one sign, of random signs, or cancelling in pairs; latents are at their limit, small,
    or mixed; scale indices are 0, 255 or random.
    """
    random = np.random.default_rng(seed)
    for i in range(n):
        d = i % 4
        if d == 0:
            header, field = sound(40, 2), random_field("local_cosine", ("encoding.bands=9",), sound(40, 2))
        else:
            header = (sound(300), picture(16, 15, 1), _array((7, 8, 6)))[d - 1]
            finest = ((300,), (17, 16), (8, 9, 7))[d - 1]
            grid = HashGridEncodingConfig(levels=1, features=2, log2_table=12, base=max(finest), finest=finest)
            spec = Header.read(header).spec()
            config = HashGrid(encoding=grid, width=1, depth=0, init=Xavier()).resolve(spec)
            field = config.build(spec, Generator().manual_seed(0))
        yield _file_of_grids(field, header, random)


def _array(sides: tuple[int, ...]) -> bytes:
    header = Writer().u8(4).u8(len(sides))
    for side in sides:
        header.varint(side)
    header.varint(1).u8(0).u8(10)
    for number in (-1.0, 1.0, 0.0, 1e-30):
        header.f64(number)
    return header.bytes()


def _file_of_grids(field: Field, header: bytes, random: np.random.Generator) -> tuple[bytes, int]:
    out: list[Quantised | bytes] = []
    symbols = []
    n = 0
    for part in coded_tensors(field):
        if part.layout is None:
            zeros = part.quantise(STEP)
            out.append(dataclasses.replace(zeros, symbols=np.zeros_like(zeros.symbols)))
            symbols.append(np.zeros_like(zeros.symbols))
            continue
        planes, coded = _latents(part, random)
        n += planes.size
        out += [Quantised(coded.means), Quantised(coded.scales), bytes([128, 0]) + coded.stream]
        symbols.append(part.from_planes(planes.astype(np.int32)))
    assert n
    table, data = tensors.encode(out)
    payload = Payload(write_arch(field.config), table, data, tensors.symbols_sha256(symbols))
    return _sealed(header, GRIDS, payload), n


def _latents(part: CodedTensor, random: np.random.Generator) -> tuple[Array, context_model.CodedArray]:
    assert part.layout is not None
    kind, sides = part.layout
    own = NEIGHBOURHOODS[kind]
    size = int(random.choice([1, 2**7, 2**15, LARGEST_LATENT]))
    planes = np.where(random.random(sides) < 0.5, size, random.integers(-size, size + 1, sides))
    if random.random() < 0.7:
        planes = planes * random.choice([-1, 1], sides)
    means = np.full(len(own.mean), LARGEST_MEAN) * random.choice([-1, 1])
    if random.random() < 0.5:
        means = means * random.choice([-1, 1], means.shape)
    if random.random() < 0.5:
        means[1::2] = -means[: len(means) // 2 * 2 : 2] + random.integers(-1, 2, len(means) // 2)
        means = np.clip(means, -LARGEST_MEAN, LARGEST_MEAN)
    table = random.choice([0, 255, -1]) * np.ones(len(PRIOR), np.int64)
    table = np.where(table < 0, random.integers(0, 256, len(PRIOR)), table)
    stream = _encoded(planes, own.near, own.far, own.mean, means.tolist(), table.tolist())
    return planes, context_model.CodedArray(means.astype(np.int32), (table - np.array(PRIOR)).astype(np.int32), stream)


def _encoded(planes: Array, near: Offsets, far: Offsets, before: Offsets, means: list[int], table: list[int]) -> bytes:
    """FORMAT.md, profile 2, word for word, in Python's integers."""
    encoder = Encoder()
    for plane in planes.tolist():
        sides = np.shape(plane)

        def at(place: tuple[int, ...], offset: tuple[int, ...], plane: Any = plane, sides: Any = sides) -> int:
            found = plane
            for p, o, side in zip(place, offset, sides, strict=True):
                if not 0 <= p + o < side:
                    return 0
                found = found[p + o]
            return int(found)

        for place in itertools.product(*map(range, sides)):
            mu = sum(a * at(place, c) for a, c in zip(means, before, strict=True))
            mu = min(max(mu, -32768), 32767)
            nearer, farther = (sum(abs(256 * at(place, c) - mu) for c in offsets) >> 8 for offsets in (near, far))
            n, m = sum(t <= nearer for t in NEAR_THRESHOLDS), sum(t <= farther for t in FAR_THRESHOLDS)
            encoder.symbol(mu, table[N_FAR * n + m], at(place, (0,) * len(sides)))
    return encoder.finish()


def largest_sums() -> dict[str, int]:
    """The largest magnitudes of sums in a context of latents (FORMAT.md, section 9)."""
    longest = max(len(own.mean) for own in NEIGHBOURHOODS.values())
    widest = max(len(offsets) for own in NEIGHBOURHOODS.values() for offsets in (own.near, own.far))
    return {
        "mean": longest * LARGEST_MEAN * LARGEST_LATENT,
        "distances": widest * (256 * LARGEST_LATENT + 2**15),
    }
