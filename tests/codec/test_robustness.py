"""Harmful files: any bytes give one kind of error or a signal, within the limits, in little time.

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
from inr.codec import field_profile as field_coding
from inr.codec.container.file import Container
from inr.codec.decode import decode
from inr.core.errors import FormatError
from inr.kernels import use_backend
from tests.codec.damage import crafted, mutated, resealed
from tests.codec.test_encode import SIGNALS

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.inrz"))
FAULTS = sorted((Path(__file__).parent / "faults").glob("*.inrz"))
CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.inrz"))
SMALL = inr.compress(SIGNALS["array"], profile="minimal", quality=20, verify=False).data
SEEDS = [SMALL, *(path.read_bytes() for path in GOLDEN)]


def is_refused(data: bytes, *, skip_checksums: bool = False) -> bool:
    """False if the bytes decode to a signal; errors other than FormatError are raised."""
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
    """Files that still decode have the same symbols: the bit was in the head, the header, or a step size."""
    container = Container.read(SMALL)
    whole = resealed(container.compact() if layout == "compact" else SMALL)
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
def test_files_found_by_the_fuzzer_are_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with a correct digest of its symbols, which an attacker can compute."""
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
def test_mutations_are_refused_or_decode_alike_with_both_coders(draw: random.Random, seed: bytes, seal: bool) -> None:
    data = mutated(seed, draw, SEEDS)
    if not seal:
        assert is_refused(data) == (data not in SEEDS)
        return
    data = resealed(data)
    with use_backend("reference"):
        expected = symbols_of(data)
    assert symbols_of(data) == expected


def symbols_of(data: bytes) -> bytes | None:
    """The digest of what the bytes decode to, checksums aside; None if they are refused."""
    try:
        return decode(data, skip_checksums=True).symbols_sha256
    except FormatError:
        return None


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_refused(data: bytes) -> None:
    assert is_refused(data)
    assert is_refused(resealed(b"\x89INR\r\n\x1a\n\x01\0\4\0" + bytes(8) + data))


def test_a_false_size_allocates_no_memory() -> None:
    tracemalloc.start()
    try:
        for name, data in crafted(SMALL):
            if name.startswith(("header", "length", "data")):
                assert is_refused(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**22
