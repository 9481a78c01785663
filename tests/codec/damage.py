"""Damage to files: mutations, and corrected checksums, so that the checks behind them are reached."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator

from inr.codec.container.byte_fields import Writer
from inr.codec.container.file import COMPACT, CRITICAL, HEAD, Container, crc32c

INTERESTING = (0, 1, 2, 3, 4, 5, 127, 128, 254, 255)
WORDS = (0, 1, 2**16 - 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1)


def resealed(data: bytes) -> bytes:
    """The bytes with a correct length and correct checksums, as far as their chunks can be found."""
    if len(data) < HEAD.size:
        return data
    out = bytearray(data)
    out[:10] = b"\x89INR\r\n\x1a\n\x01" + out[9:10]
    struct.pack_into("<I", out, 12, len(out))
    if out[10] & COMPACT:
        struct.pack_into("<I", out, 16, crc32c(bytes(out[:16] + out[20:])))
        return bytes(out)
    struct.pack_into("<I", out, 16, crc32c(bytes(out[:16])))
    at = HEAD.size
    while at + 12 <= len(out):
        (n,) = struct.unpack_from("<I", out, at + 4)
        end = at + 8 + n
        if end + 4 > len(out):
            break
        struct.pack_into("<I", out, end, crc32c(bytes(out[at : at + 4] + out[at + 8 : end])))
        at = end + 4
    return bytes(out)


def mutated(data: bytes, draw: random.Random, others: list[bytes]) -> bytes:
    """A few random changes: bits, bytes, words, runs removed, doubled, filled, or taken from another file."""
    out = bytearray(data)
    for _ in range(draw.choice((1, 1, 1, 2, 3, 8))):
        if not out:
            break
        at = draw.randrange(len(out))
        n = min(draw.choice((1, 1, 2, 4, 8, 32)), len(out) - at)
        what = draw.randrange(9)
        if what == 0:
            out[at] ^= 1 << draw.randrange(8)
        elif what == 1:
            out[at] = draw.choice(INTERESTING)
        elif what == 2:
            out[at] = (out[at] + draw.choice((-1, 1))) % 256
        elif what == 3:
            del out[at : at + n]
        elif what == 4:
            out[at:at] = out[at : at + n]
        elif what == 5:
            out[at : at + n] = bytes([draw.choice((0, 255))]) * n
        elif what == 6:
            out[at : at + n] = draw.randbytes(n)
        elif what == 7 and at + 4 <= len(out):
            struct.pack_into("<I", out, at, draw.choice(WORDS))
        else:
            other = draw.choice(others)
            start = draw.randrange(max(1, len(other)))
            out[at : at + n] = other[start : start + n]
    if draw.random() < 0.05:
        del out[draw.randrange(len(out) + 1) :]
    return bytes(out)


def plain_file(chunks: list[tuple[str, bytes]]) -> bytes:
    """A file of any chunks in the plain layout."""
    body = Writer()
    for kind, part in chunks:
        named = kind.encode("latin-1")
        body.raw(named).u32(len(part)).raw(part).u32(crc32c(named + part))
    return resealed(HEAD.pack(b"\x89INR\r\n\x1a\n", 1, 0, 0, 0, 0) + body.bytes())


def crafted(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Harmful files made from a good one: (the fault, bytes). Checksums are correct unless they are the fault."""
    c = Container.read(data)
    digest = c.symbols_sha256 + bytes(32 - len(c.symbols_sha256))
    arch = struct.pack("<H", c.number) + c.arch
    parts = list(zip(CRITICAL, (c.header, arch, c.table, c.data, digest), strict=True))
    chunks = [*parts, ("IEND", b"")]
    for i, (kind, part) in enumerate(chunks):
        yield f"no-{kind}", plain_file(chunks[:i] + chunks[i + 1 :])
        yield f"two-{kind}", plain_file(chunks[: i + 1] + chunks[i:])
        yield f"empty-{kind}", plain_file([*chunks[:i], (kind, b"" if part else b"x"), *chunks[i + 1 :]])
        if i:
            yield f"swapped-{kind}", plain_file([*chunks[: i - 1], chunks[i], chunks[i - 1], *chunks[i + 1 :]])
    for name, filled in (("zero", bytes(len(c.data))), ("ff", b"\xff" * len(c.data)), ("none", b"")):
        yield f"data-{name}", plain_file([*parts[:3], ("DATA", filled), *chunks[4:]])
    yield "data-long", plain_file([*parts[:3], ("DATA", c.data + bytes(4)), *chunks[4:]])
    yield "digest-wrong", plain_file([*parts[:4], ("HASH", bytes(32)), chunks[5]])
    yield "meta-too-long", plain_file([*parts, ("meta", bytes(2**16 + 1)), chunks[5]])
    yield "length-zero", data[:12] + bytes(4) + data[16:]
    yield "length-huge", data[:12] + b"\xff" * 4 + data[16:]
    yield "trailing", data + b"garbage"
    yield "checksum", data[:-1] + bytes([data[-1] ^ 1])
    yield "version", resealed(data[:9] + b"\xff" + data[10:])
    for kind, part in parts[:3]:
        place = CRITICAL.index(kind)
        for at in range(min(len(part), 24)):
            for value in (0, 1, 127, 128, 255):
                if part[at] != value:
                    changed = part[:at] + bytes([value]) + part[at + 1 :]
                    yield f"{kind}-{at}-{value}", plain_file([*parts[:place], (kind, changed), *chunks[place + 1 :]])
    for name, header in _headers(c.header):
        yield f"header-{name}", plain_file([("FHDR", header), *chunks[1:]])


def _headers(header: bytes) -> Iterator[tuple[str, bytes]]:
    """Signals of sizes beyond any memory."""
    yield "wide", Writer().u8(0).varint(2**32 - 1).varint(1).u8(3).bytes()
    yield "square", Writer().u8(0).varint(2**16).varint(2**16).u8(3).bytes()
    yield "at-the-limit", Writer().u8(0).varint(2**14).varint(2**14).u8(1).bytes()
    yield "no-width", Writer().u8(0).varint(0).varint(5).u8(3).bytes()
    yield "long-sound", Writer().u8(1).varint(2**31).varint(2).varint(44100).u8(0).f32(1.0).bytes()
    nan = Writer().u8(1).varint(8).varint(1).varint(8000).u8(0).bytes() + struct.pack("<f", float("nan"))
    yield "nan", nan
    array = Writer().u8(4).u8(4).varint(2**16).varint(2**16).varint(2**16).varint(2**16).varint(1).u8(0).u8(10)
    yield "overflow", array.f64(0.0).f64(1.0).f64(0.0).f64(1.0).bytes()
    yield "cut", header[:-1]
    yield "varint", header[:1] + b"\x80" * 12
