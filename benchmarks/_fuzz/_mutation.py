"""Structure-aware mutations: JSON, numbers in text, chunks with lengths and checksums."""

from __future__ import annotations

import io
import json
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

from tests.codec.damage import mutated as bytes_mutated

from ._target import Mutator

NUMBERS: tuple[Any, ...] = (
    0, 1, -1, 2, 3, 4, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32, 2**53 + 1,
    2**63 - 1, 2**63, 2**64, 10**30, 10**400,
    -(2**31), -(2**63), 0.5, -0.0, 1e-320, 1e-45, 1e38, 1e39, 1e300, -1e300, float("nan"), float("inf"), float("-inf"),
)  # fmt: skip
OTHERS: tuple[Any, ...] = (
    None, True, False, "", "none", "x", "\ud800", "\x1b[31m", "../../x", "a" * 300,
    [], {}, [[]], [0], [1, 2, 3, 4, 5, 6],
    {"type": "siren"}, {"": 0},
)  # fmt: skip
WORDS = (b"nan", b"-inf", b"1e309", b"1e39", b"-1", b"0", b"99999999999", b"18446744073709551616", b"1.", b"x", b"")
_NUMBER = re.compile(rb"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


def json_mutated(document: Any, draw: random.Random, others: list[Any]) -> Any:
    """A copy of a JSON document with a few values changed, dropped, doubled, moved or nested."""
    document = json.loads(json.dumps(document))
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        holders = list(_holders(document))
        if not holders:
            break
        holder = draw.choice(holders)
        key = draw.choice(list(holder)) if isinstance(holder, dict) else draw.randrange(len(holder))
        what = draw.choice((0, 1, 2, 3, 4, 4, 4, 4, 5, 6, 7, 8, 9))
        if what <= 2:
            holder[key] = draw.choice(NUMBERS)
        elif what == 3:
            holder[key] = draw.choice(OTHERS)
        elif what == 4 and isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
            holder[key] = _near(holder[key], draw)
        elif what == 5:
            del holder[key]
        elif what == 6:
            other = draw.choice(list(_holders(draw.choice(others))) or [{}])
            taken = list(other.values()) if isinstance(other, dict) else other
            holder[key] = draw.choice(taken) if taken else None
        elif what == 7 and isinstance(holder, list):
            holder.insert(key, holder[key])
        elif what == 7:
            holder[str(key) + draw.choice(("2", "s", ""))] = holder.pop(key)
        elif what == 8:
            holder[key] = [holder[key]] if draw.random() < 0.5 else {"type": holder[key]}
        else:
            names = [k for each in holders if isinstance(each, dict) for k in each]
            words = [v for each in holders for v in _values(each) if isinstance(v, str)]
            holder[key] = draw.choice(words or names or [""])
        document = json.loads(json.dumps(document))
    return document


def _near(value: float, draw: random.Random) -> Any:
    """A number near another one, whole if that is whole."""
    if isinstance(value, int):
        return value + draw.choice((-1, 1, 2, value))
    return value * draw.choice((-1, 2, 10, 1000, 0.5, 0.99)) + draw.choice((-1, 0, 0, 1))


def json_text(document: Any, draw: random.Random) -> bytes:
    """A document as JSON; sometimes nested deeply, or with damaged text."""
    text = json.dumps(document)
    if draw.random() < 0.02:
        depth = draw.choice((50, 99, 101, 500, 5000, 100_000))
        inner = "[" * depth + "]" * depth if draw.random() < 0.5 else '{"a":' * depth + "0" + "}" * depth
        at = [m.start() for m in re.finditer(r"(?<=: )\d", text)]
        if at:
            place = draw.choice(at)
            text = text[:place] + inner + re.sub(r"^[-\d.eE+]+", "", text[place:])
    data = text.encode()
    return bytes_mutated(data, draw, [data]) if draw.random() < 0.05 else data


def text_mutated(data: bytes, draw: random.Random, others: list[bytes]) -> bytes:
    """Text with numbers replaced by extreme ones, and lines dropped, doubled, swapped, cut, or from another text."""
    for _ in range(draw.choice((1, 1, 2, 3))):
        what = draw.randrange(8)
        if what <= 2:
            found = list(_NUMBER.finditer(data))
            if found:
                m = draw.choice(found)
                data = data[: m.start()] + draw.choice(WORDS) + data[m.end() :]
            continue
        lines = data.split(b"\n")
        at = draw.randrange(len(lines))
        if what == 3:
            del lines[at]
        elif what == 4:
            lines[at:at] = [lines[at]] * draw.choice((1, 1, 3, 20))
        elif what == 5:
            other = draw.choice(others).split(b"\n")
            lines[at] = draw.choice(other)
        elif what == 6:
            words = lines[at].split()
            draw.shuffle(words)
            lines[at] = draw.choice((b" ", b"\t", b",", b";")).join(
                words[: draw.randrange(len(words) + 1)] * draw.choice((1, 1, 2))
            )
        else:
            data = bytes_mutated(data, draw, others)
            continue
        data = b"\n".join(lines)
    return data


def mostly(first: Mutator, second: Mutator = bytes_mutated, share: float = 0.75) -> Mutator:
    """One mutation in this share of the cases, another one in the rest."""

    def mutate(data: bytes, draw: random.Random, others: list[bytes]) -> bytes:
        try:
            return (first if draw.random() < share else second)(data, draw, others)
        except Exception:  # noqa: BLE001  whatever says that the input has no structure left
            return bytes_mutated(data, draw, others)

    return mutate


def then(mutate: Mutator, repair: Callable[[bytes], bytes], share: float = 0.75) -> Mutator:
    """Mutations after which, in this share of the cases, lengths and checksums are corrected."""

    def both(data: bytes, draw: random.Random, others: list[bytes]) -> bytes:
        changed = mutate(data, draw, others)
        return repair(changed) if draw.random() < share else changed

    return both


def numbers_mutated(order: str) -> Mutator:
    """Words of 2, 4 or 8 bytes, at even places, replaced by extreme numbers. order: "<" or ">"."""

    def mutate(data: bytes, draw: random.Random, others: list[bytes]) -> bytes:
        out = bytearray(data)
        for _ in range(draw.choice((1, 1, 2, 3))):
            size, code = draw.choice(((2, "H"), (4, "I"), (4, "f"), (8, "Q")))
            if len(out) < size:
                break
            at = draw.randrange(0, len(out) - size + 1) & ~1
            if code == "f":
                value: Any = draw.choice((0.0, -0.0, float("nan"), float("inf"), 1e38, -1e38, 1e-40, 1.0))
            else:
                top = 256**size
                near = (len(out) + draw.choice((-4, -1, 0, 1, 4))) % top
                value = draw.choice((0, 1, 2, 3, 8, 255, top // 2 - 1, top // 2, top - 1, near))
            struct.pack_into(order + code, out, at, value)
        return bytes(out)

    return mutate


def png_repaired(data: bytes) -> bytes:
    """PNG chunks with correct checksums, as far as chunks can be identified."""
    out = bytearray(data)
    at = 8
    while at + 12 <= len(out):
        (n,) = struct.unpack_from(">I", out, at)
        if at + 12 + n > len(out):
            break
        struct.pack_into(">I", out, at + 8 + n, zlib.crc32(bytes(out[at + 4 : at + 8 + n])))
        at += 12 + n
    return bytes(out)


def png_mutated(data: bytes, draw: random.Random, others: list[bytes]) -> bytes:
    """Chunks of a PNG changed, dropped, doubled, or taken from another one; deflated data changed inside."""
    chunks = _png_chunks(data)
    for _ in range(draw.choice((1, 1, 2))):
        at = draw.randrange(len(chunks))
        what = draw.randrange(6)
        kind, body = chunks[at]
        if what == 0 and kind == b"IDAT":
            body = zlib.compress(bytes_mutated(zlib.decompress(body), draw, [b"\x00\xff"]))
        elif what <= 2:
            body = bytes_mutated(body, draw, [b for _, b in chunks])
        elif what == 3:
            del chunks[at]
            continue
        elif what == 4:
            chunks.insert(draw.randrange(len(chunks) + 1), chunks[at])
            continue
        else:
            chunks.insert(draw.randrange(len(chunks) + 1), draw.choice(_png_chunks(draw.choice(others))))
            continue
        chunks[at] = (kind, body)
    return data[:8] + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def _png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    chunks = []
    at = 8
    while at + 12 <= len(data):
        (n,) = struct.unpack_from(">I", data, at)
        if at + 12 + n > len(data):
            raise ValueError("it is cut")
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + n]))
        at += 12 + n
    return chunks


def npy_mutated(data: bytes, draw: random.Random, others: list[bytes]) -> bytes:
    """The header of an .npy as text, with a corrected length."""
    (n,) = struct.unpack_from("<H", data, 8)
    header, body = data[10 : 10 + n], data[10 + n :]
    choices = (
        lambda: text_mutated(header, draw, others),
        lambda: re.sub(rb"'[<>|=][a-zA-Z]\d+'", draw.choice(_DTYPES), header),
        lambda: re.sub(rb"\([\d, ]*\)", draw.choice(_SHAPES), header),
        lambda: header.replace(b"False", b"True"),
    )
    header = draw.choice(choices)()
    if draw.random() < 0.3:
        body = bytes_mutated(body, draw, [body])
    return data[:8] + struct.pack("<H", len(header) % 65536) + header + body


_DTYPES = (
    b"'|O'",
    b"'<f2'",
    b"'>f8'",
    b"'|b1'",
    b"'<c16'",
    b"'<U4'",
    b"'|V8'",
    b"'<M8[ns]'",
    b"[('a','<f4')]",
    b"'<i8'",
    b"'<f16'",
)
_SHAPES = (
    b"()",
    b"(0,)",
    b"(1,)",
    b"(-1,)",
    b"(2, 3)",
    b"(99999999, 99999999)",
    b"(2,2,2,2,2)",
    b"(1, 0)",
    b"(4294967296,)",
    b"(3,)",
)


def zip_mutated(mutate_member: Mutator) -> Mutator:
    """A member of a zip file changed, and the archive rewritten; names and methods changed."""

    def mutate(data: bytes, draw: random.Random, others: list[bytes]) -> bytes:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [(name, archive.read(name)) for name in archive.namelist()]
        i = draw.randrange(len(members))
        name, body = members[i]
        what = draw.randrange(6)
        if what <= 2:
            members[i] = (name, mutate_member(body, draw, [body]))
        elif what == 3:
            members[i] = (draw.choice(("", ".npy", "../x.npy", "a/b.npy", name + "\n", "é.npy", "a" * 300)), body)
        elif what == 4:
            del members[i]
        else:
            members.append(draw.choice(members))
        out = io.BytesIO()
        method = draw.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2))
        import warnings

        with warnings.catch_warnings(), zipfile.ZipFile(out, "w", method) as archive:
            warnings.simplefilter("ignore")  # of duplicate names
            for name, body in members:
                archive.writestr(name, body)
        written = out.getvalue()
        return numbers_mutated("<")(written, draw, others) if draw.random() < 0.2 else written

    return mutate


def ogg_repaired(data: bytes) -> bytes:
    """Ogg pages with correct checksums."""
    out = bytearray(data)
    at = 0
    while at + 27 <= len(out) and out[at : at + 4] == b"OggS":
        n_segments = out[at + 26]
        end = at + 27 + n_segments + sum(out[at + 27 : at + 27 + n_segments])
        if end > len(out):
            break
        out[at + 22 : at + 26] = bytes(4)
        struct.pack_into("<I", out, at + 22, _ogg_crc(bytes(out[at:end])))
        at = end
    return bytes(out)


def _ogg_table() -> list[int]:
    table = []
    for i in range(256):
        r = i << 24
        for _ in range(8):
            r = ((r << 1) ^ 0x04C11DB7) & 0xFFFFFFFF if r & 0x80000000 else (r << 1) & 0xFFFFFFFF
        table.append(r)
    return table


_OGG = _ogg_table()


def _ogg_crc(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc = ((crc << 8) & 0xFFFFFFFF) ^ _OGG[(crc >> 24) ^ byte]
    return crc


def _holders(value: Any) -> Any:
    """Every list and table in a document that is not empty."""
    if isinstance(value, dict | list) and value:
        yield value
        for inner in _values(value):
            yield from _holders(inner)


def _values(holder: Any) -> list[Any]:
    return list(holder.values()) if isinstance(holder, dict) else list(holder)
