"""The file around a payload: magic, version, length, chunks and their checksums (FORMAT.md, "Container").

Two layouts of the same chunks: `plain`, in which each chunk has its type and its own CRC-32C, and `compact`, without
types, with one CRC-32C and a shorter digest, for small files.
"""

from __future__ import annotations

import dataclasses
import struct
from typing import Any, Self

from inr.codec.container.byte_fields import Reader, Writer
from inr.codec.limits import Limits
from inr.core.errors import FormatError

MAGIC = b"\x89INR\r\n\x1a\n"
VERSION = (1, 0)
COMPACT = 4
"""The flag of the compact layout, the only flag defined so far."""

HEAD = struct.Struct("<8sBBHII")
COMPACT_BELOW = 2**16
"""Files with at least this many bytes of DATA are written in the plain layout."""

CRITICAL = ("FHDR", "ARCH", "QNTB", "DATA", "HASH")
ICC, META, END = "iccp", "meta", "IEND"
DIGEST, SHORT_DIGEST = 32, 16


@dataclasses.dataclass(frozen=True)
class Container:
    """The chunks of a file.

    header: FHDR. number, arch: the profile's number and what follows it in ARCH. table: QNTB. data: DATA.
    symbols_sha256: HASH, 32 bytes, or the first 16 of them from a compact file. icc: a colour profile. meta: UTF-8
    JSON that no decoder needs. layout: "plain" or "compact". sizes: bytes in the file by chunk, set by `read`; all
    bytes outside the chunks' contents are "container".
    """

    header: bytes
    number: int
    arch: bytes
    table: bytes
    data: bytes
    symbols_sha256: bytes
    icc: bytes | None = None
    meta: bytes | None = None
    layout: str = "plain"
    sizes: dict[str, int] = dataclasses.field(default_factory=dict, compare=False)

    def to_bytes(self) -> bytes:
        """The file, in the layout for its size."""
        return self.compact() if len(self.data) < COMPACT_BELOW else self.plain()

    @classmethod
    def of_size(cls, header: bytes, icc: bytes | None, meta: bytes | None, payload: int) -> int:
        """Bytes of a file whose payload (ARCH without its number, QNTB, DATA) has this many bytes; up to 3 too many."""
        table = min(payload, 200)
        file = cls(header, 0, b"", bytes(table), bytes(payload - table), bytes(DIGEST), icc, meta)
        return len(file.to_bytes()) + 1

    def _chunks(self) -> list[tuple[str, bytes]]:
        arch = struct.pack("<H", self.number) + self.arch
        return list(zip(CRITICAL, (self.header, arch, self.table, self.data, self.symbols_sha256), strict=True))

    def _ancillary(self) -> list[tuple[str, bytes]]:
        return [(kind, part) for kind, part in ((ICC, self.icc), (META, self.meta)) if part is not None]

    def plain(self) -> bytes:
        """The file in the plain layout."""
        body = b""
        for kind, part in [*self._chunks(), *self._ancillary(), (END, b"")]:
            named = kind.encode() + part
            body += named[:4] + struct.pack("<I", len(part)) + part + struct.pack("<I", crc32c(named))
        head = HEAD.pack(MAGIC, *VERSION, 0, HEAD.size + len(body), 0)
        return head[:-4] + struct.pack("<I", crc32c(head[:-4])) + body

    def compact(self) -> bytes:
        """The file in the compact layout."""
        out = Writer()
        for kind, part in self._chunks():
            if kind == "HASH":
                out.raw(part[:SHORT_DIGEST])
            else:
                out.varint(len(part)).raw(part)
        for kind, part in self._ancillary():
            out.raw(kind.encode()).varint(len(part)).raw(part)
        body = out.bytes()
        head = HEAD.pack(MAGIC, *VERSION, COMPACT, HEAD.size + len(body), 0)
        return head[:-4] + struct.pack("<I", crc32c(head[:-4] + body)) + body

    @classmethod
    def read(cls, data: bytes, limits: Limits | None = None, *, skip_checksums: bool = False) -> Self:
        """Parse a file. Raises FormatError. skip_checksums: for tests of the checks that follow."""
        limits = limits or Limits()
        if data[: len(MAGIC)] != MAGIC:
            raise FormatError(
                "not an .inrz file: its first bytes are not the magic of the format",
                "expected a file written by inr compress",
            )
        if len(data) < HEAD.size:
            raise FormatError(f"the file is truncated: it has {len(data)} bytes, its head has {HEAD.size}")
        _, major, minor, flags, length, checksum = HEAD.unpack_from(data)
        is_compact = bool(flags & COMPACT)
        covered = data[: HEAD.size - 4] + data[HEAD.size :] * is_compact
        if major != VERSION[0]:
            raise FormatError(f"the file is of format version {major}.{minor}, expected {VERSION[0]}", "update inr")
        if length != len(data):
            raise FormatError(
                f"the file has {len(data)} bytes, its head states {length}", "the file is damaged; copy it again"
            )
        limits.check("file_bytes", length)
        if not skip_checksums and checksum != crc32c(covered):
            raise FormatError("the file's checksum is wrong", "the file is damaged; copy it again")
        if flags & ~COMPACT:
            raise FormatError(f"the file has flags {flags:#x}, which this version does not know", "update inr")
        body = Reader(memoryview(data)[HEAD.size :], "the file")
        parts = _read_compact(body) if is_compact else _read_plain(body, skip_checksums=skip_checksums)
        icc, meta = parts.get(ICC), parts.get(META)
        limits.check("icc_bytes", len(icc or b""))
        limits.check("meta_bytes", len(meta or b""))
        number = Reader(parts["ARCH"], "the architecture").u16("the profile")
        sizes = {kind: len(part) for kind, part in parts.items()}
        sizes["container"] = len(data) - sum(sizes.values())
        return cls(
            parts["FHDR"],
            number,
            parts["ARCH"][2:],
            parts["QNTB"],
            parts["DATA"],
            parts["HASH"],
            icc,
            meta,
            "compact" if is_compact else "plain",
            sizes,
        )


def _read_plain(body: Reader, *, skip_checksums: bool) -> dict[str, bytes]:
    parts: dict[str, bytes] = {}
    while True:
        kind = _kind(body)
        n = body.u32(f"the length of chunk {kind}")
        part = bytes(body.take(n, f"chunk {kind}"))
        checksum = body.u32(f"the checksum of chunk {kind}")
        if not skip_checksums and checksum != crc32c(kind.encode() + part):
            raise FormatError(f"the checksum of chunk {kind} is wrong", "the file is damaged; copy it again")
        if kind == END:
            break
        _keep(parts, kind, part)
    if part:
        raise FormatError(f"chunk {END} has {len(part)} bytes, expected none")
    body.end()
    if len(CRITICAL) > sum(kind in parts for kind in CRITICAL):
        raise FormatError(f"the file has no chunk {_expected(parts)}")
    if len(parts["HASH"]) != DIGEST:
        raise FormatError(f"chunk HASH has {len(parts['HASH'])} bytes, expected {DIGEST}")
    return parts


def _read_compact(body: Reader) -> dict[str, bytes]:
    parts: dict[str, bytes] = {}
    for kind in CRITICAL:
        n = SHORT_DIGEST if kind == "HASH" else body.varint(f"the length of {kind}")
        parts[kind] = bytes(body.take(n, kind))
    while body.left:
        kind = _kind(body)
        n = body.varint(f"the length of chunk {kind}")
        _keep(parts, kind, bytes(body.take(n, f"chunk {kind}")))
    return parts


def _kind(body: Reader) -> str:
    name = bytes(body.take(4, "a chunk's type"))
    if not (name.isascii() and name.isalpha()):
        raise FormatError(f"a chunk's type is {name!r}, expected four letters")
    return name.decode("ascii")


def _keep(parts: dict[str, bytes], kind: str, part: bytes) -> None:
    """Keep a chunk. Critical chunks come first, each once and in order; unknown ancillary chunks are ignored."""
    expected = _expected(parts)
    if kind == expected:
        parts[kind] = part
    elif expected is not None or kind[0].isupper():
        raise FormatError(f"found chunk {kind}, expected {expected or 'an ancillary chunk'}")
    elif kind in (ICC, META):
        if kind in parts:
            raise FormatError(f"the file has two chunks {kind}")
        parts[kind] = part


def _expected(parts: dict[str, Any]) -> str | None:
    return next((kind for kind in CRITICAL if kind not in parts), None)


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli) of bytes."""
    import google_crc32c

    return int(google_crc32c.value(data))
