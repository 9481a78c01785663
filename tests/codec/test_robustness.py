"""Hostile files: whatever the bytes, one kind of error or a signal, within the limits, in little time.

`benchmarks/fuzz.py` does the same at length.
"""

from __future__ import annotations

import random
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import inr
from inr._errors import FormatError
from inr.codec import field_coding
from inr.codec.container import Container
from inr.codec.decode import decode
from tests.codec.damage import crafted, mutated, resealed
from tests.codec.test_compress import SIGNALS

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.inrz"))
FAULTS = sorted((Path(__file__).parent / "faults").glob("*.inrz"))
CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.inrz"))
SMALL = inr.compress(SIGNALS["array"], profile="minimal", quality=20, verify=False).data
SEEDS = [SMALL, *(path.read_bytes() for path in GOLDEN)]


def is_refused(data: bytes, *, skip_checksums: bool = False) -> bool:
    """False where the bytes decode to a signal; any error but FormatError goes through."""
    try:
        decode(data, skip_checksums=skip_checksums)
    except FormatError:
        return True
    return False


def test_a_file_cut_at_any_byte_is_refused() -> None:
    assert not is_refused(SMALL)
    for n in range(len(SMALL)):
        assert is_refused(SMALL[:n])


def test_every_single_flipped_bit_is_refused() -> None:
    for bit in range(8 * len(SMALL)):
        wrong = bytearray(SMALL)
        wrong[bit // 8] ^= 1 << bit % 8
        assert is_refused(bytes(wrong))


@pytest.mark.parametrize("layout", ["compact", "plain"])
def test_every_flipped_bit_behind_the_checksums_is_refused_or_harmless(layout: str) -> None:
    """What decodes all the same has the same symbols: the bit was of the head, the header, or of a step."""
    container = Container.read(SMALL)
    whole = resealed(container._compact() if layout == "compact" else SMALL)
    expected = decode(whole).symbols_sha256
    for bit in range(8 * len(whole)):
        wrong = bytearray(whole)
        wrong[bit // 8] ^= 1 << bit % 8
        try:
            found = decode(bytes(wrong), skip_checksums=True)
        except FormatError:
            continue
        assert found.symbols_sha256 == expected


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_the_corpus_of_hostile_files_is_refused(path: Path) -> None:
    assert is_refused(path.read_bytes())
    with pytest.raises(FormatError):
        inr.decompress(path)


@pytest.mark.parametrize("path", FAULTS, ids=lambda path: path.stem)
def test_what_the_fuzzer_found_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the digest of its symbols is right, as an attacker would make it."""
    monkeypatch.setattr(field_coding, "check_symbols", lambda found, payload: found)
    assert is_refused(path.read_bytes(), skip_checksums=True)


def test_crafted_files_are_refused_or_decode_to_the_same_symbols() -> None:
    expected = decode(SMALL).symbols_sha256
    names = []
    for name, data in crafted(SMALL):
        try:
            found = decode(data)
        except FormatError:
            names.append(name)
            continue
        assert found.symbols_sha256 == expected, name
    assert len(names) > 60


@given(st.randoms(use_true_random=False), st.sampled_from(SEEDS), st.booleans())
@settings(max_examples=300, deadline=None)
def test_mutations_are_refused_or_decode(draw: random.Random, seed: bytes, seal: bool) -> None:
    data = mutated(seed, draw, SEEDS)
    data = resealed(data) if seal else data
    assert is_refused(data, skip_checksums=seal) in (True, False)


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_refused(data: bytes) -> None:
    assert is_refused(data)
    assert is_refused(resealed(b"\x89INR\r\n\x1a\n\x01\0\4\0" + bytes(8) + data))


def test_a_hostile_size_takes_no_memory() -> None:
    tracemalloc.start()
    try:
        for name, data in crafted(SMALL):
            if name.startswith(("header", "length", "data")):
                assert is_refused(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**22
