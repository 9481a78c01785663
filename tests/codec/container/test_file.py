"""Files: both layouts, every cut, every flipped bit, chunks missing, doubled, swapped, and false sizes."""

from __future__ import annotations

import struct

import pytest

from inr.codec import Limits
from inr.codec.container.file import HEAD, Container, crc32c
from inr.core.errors import FormatError


def container(n_data: int = 50, icc: bytes | None = None, meta: bytes | None = None) -> Container:
    data = (bytes(range(256)) * (n_data // 256 + 1))[:n_data]
    return Container(b"header", 7, b"arch", b"table", data, bytes(range(32)), icc, meta)


SMALL, LARGE = container(), container(70_000)
EXTRA = container(icc=b"profile", meta=b"{}")


def test_crc32c_is_the_castagnoli_checksum() -> None:
    assert crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize("given", [SMALL, LARGE, EXTRA, container(70_000, icc=b"profile")])
def test_a_file_comes_back(given: Container) -> None:
    data = given.to_bytes()
    found = Container.read(data)
    assert found.layout == ("compact" if len(given.data) < 2**16 else "plain")
    for name in ("header", "number", "arch", "table", "data", "icc", "meta"):
        assert getattr(found, name) == getattr(given, name)
    assert given.symbols_sha256.startswith(found.symbols_sha256)
    assert len(found.symbols_sha256) == (16 if found.layout == "compact" else 32)
    assert sum(found.sizes.values()) == len(data)


def test_the_compact_layout_is_small() -> None:
    assert Container.read(SMALL.to_bytes()).sizes["container"] == 24
    assert len(SMALL.to_bytes()) == 24 + 6 + 6 + 5 + 50 + 16


@pytest.mark.parametrize("n", [0, 1, 100, 300, 65_000, 66_000, 200_000])
def test_the_size_of_a_file_is_known_beforehand(n: int) -> None:
    table = min(n, 70)
    made = Container(b"header", 7, bytes(min(20, n - table)), bytes(table), bytes(max(0, n - table - 20)), bytes(32))
    assert 0 <= Container.of_size(b"header", None, None, n) - len(made.to_bytes()) <= 3


@pytest.mark.parametrize("given", [SMALL.to_bytes(), SMALL.plain(), EXTRA.plain(), EXTRA.compact()])
def test_every_cut_and_every_flipped_bit_is_refused(given: bytes) -> None:
    for n in range(len(given)):
        with pytest.raises(FormatError):
            Container.read(given[:n])
    for bit in range(8 * len(given)):
        wrong = bytearray(given)
        wrong[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FormatError):
            Container.read(bytes(wrong))
    with pytest.raises(FormatError, match="head states"):
        Container.read(given + b"\0")


def plain(*chunks: tuple[bytes, bytes], version: tuple[int, int] = (1, 0), flags: int = 0) -> bytes:
    """A file of any chunks, with correct checksums."""
    body = b"".join(
        kind + struct.pack("<I", len(part)) + part + struct.pack("<I", crc32c(kind + part)) for kind, part in chunks
    )
    head = HEAD.pack(b"\x89INR\r\n\x1a\n", *version, flags, HEAD.size + len(body), 0)[:-4]
    return head + struct.pack("<I", crc32c(head)) + body


CHUNKS = [
    (b"FHDR", b"header"),
    (b"ARCH", b"\x07\0arch"),
    (b"QNTB", b"table"),
    (b"DATA", bytes(9)),
    (b"HASH", bytes(32)),
    (b"IEND", b""),
]


def test_chunks_must_be_there_once_and_in_order() -> None:
    assert Container.read(plain(*CHUNKS)).arch == b"arch"
    for i in range(len(CHUNKS)):
        with pytest.raises(FormatError):
            Container.read(plain(*CHUNKS[:i], *CHUNKS[i + 1 :]))
        with pytest.raises(FormatError):
            Container.read(plain(*CHUNKS[: i + 1], CHUNKS[i], *CHUNKS[i + 1 :]))
        for j in range(i):
            swapped = list(CHUNKS)
            swapped[i], swapped[j] = swapped[j], swapped[i]
            with pytest.raises(FormatError):
                Container.read(plain(*swapped))


def test_only_ancillary_chunks_may_be_unknown() -> None:
    unknown = (b"zzzz", b"what?")
    found = Container.read(plain(*CHUNKS[:5], unknown, (b"iccp", b"icc"), unknown, CHUNKS[5], version=(1, 9)))
    assert found.icc == b"icc"
    for wrong in ([*CHUNKS[:5], (b"Zzzz", b""), CHUNKS[5]], [unknown, *CHUNKS], [*CHUNKS, unknown]):
        with pytest.raises(FormatError):
            Container.read(plain(*wrong))
    with pytest.raises(FormatError, match="two chunks"):
        Container.read(plain(*CHUNKS[:5], (b"meta", b""), (b"meta", b""), CHUNKS[5]))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (plain(*CHUNKS, version=(2, 0)), "version 2.0"),
        (plain(*CHUNKS, flags=1), "flags"),
        (plain(*CHUNKS[:4], (b"HASH", bytes(31)), CHUNKS[5]), "31 bytes"),
        (plain(CHUNKS[0], (b"ARCH", b"\x07"), *CHUNKS[2:]), "profile"),
        (plain(*CHUNKS[:5], (b"IEND", b"x")), "IEND"),
        (plain(*CHUNKS[:5], (b"a\xffbc", b""), CHUNKS[5]), "four letters"),
        (b"", "magic"),
        (b"\x89PNG\r\n\x1a\n" + bytes(20), "magic"),
    ],
)
def test_other_false_values_are_refused(wrong: bytes, says: str) -> None:
    with pytest.raises(FormatError, match=says):
        Container.read(wrong)


def test_a_chunk_with_a_false_length_allocates_no_memory() -> None:
    data = bytearray(plain(*CHUNKS))
    struct.pack_into("<I", data, HEAD.size + 4, 2**32 - 1)
    with pytest.raises(FormatError, match="ends inside"):
        Container.read(bytes(data), skip_checksums=True)


def test_limits_hold() -> None:
    with pytest.raises(FormatError, match="icc"):
        Container.read(EXTRA.to_bytes(), Limits(icc_bytes=3))
    with pytest.raises(FormatError, match="meta"):
        Container.read(EXTRA.to_bytes(), Limits(meta_bytes=1))
    with pytest.raises(FormatError, match="file bytes"):
        Container.read(SMALL.to_bytes(), Limits(file_bytes=10))
