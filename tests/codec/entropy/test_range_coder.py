"""The range coder and its Laplace distribution: round trips, against the Python coder, and with damage."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inr.codec.entropy import laplace
from inr.codec.entropy import python_coder as reference
from inr.codec.entropy import range_coder as rc
from inr.core.errors import FormatError

TABLES = "8d1e448224e7b57712a17508bb1f650081ca369dc6312360aed45ec072903c11"

EVENT = st.one_of(
    st.tuples(st.just("interval"), st.integers(0, 65535), st.integers(1, 65536)).filter(lambda e: e[1] + e[2] <= 65536),
    st.integers(0, 16).flatmap(lambda n: st.tuples(st.just("bits"), st.integers(0, 2**n - 1), st.just(n))),
    st.tuples(st.just("flag"), st.integers(0, 1), st.integers(1, 65535)),
    st.integers(0, 8).flatmap(lambda k: st.tuples(st.just("golomb"), st.integers(0, 2 ** (24 + k) - 1), st.just(k))),
)


def random_symbols(n: int, seed: int = 0) -> tuple[laplace.Integers, laplace.Integers, laplace.Integers]:
    """Symbols, means and scale indices over all of their ranges."""
    draw = np.random.default_rng(seed)
    s = draw.integers(0, 256, n)
    mu = draw.integers(-80 * 256, 80 * 256, n)
    q = np.rint(draw.laplace(mu / 256, 2.0 ** ((s - 96) / 16))).astype(np.int32)
    q[: n // 50] = draw.integers(-laplace.LARGEST, laplace.LARGEST, n // 50)
    return q, mu.astype(np.int32), s.astype(np.int32)


def test_the_tables_are_those_of_the_format() -> None:
    tables = b"".join(table.astype("<i8").tobytes() for table in (laplace.EXPONENTIALS, laplace.INVERSES))
    assert hashlib.sha256(tables).hexdigest() == TABLES
    assert TABLES in (Path(laplace.__file__).parents[1] / "FORMAT.md").read_text("utf-8")


def test_the_tables_are_the_functions_they_stand_for() -> None:
    k = np.arange(1537)
    np.testing.assert_allclose(laplace.EXPONENTIALS, 2.0**30 * np.exp(-k / 64), atol=0.5001)
    np.testing.assert_allclose(laplace.INVERSES, 2.0 ** (18 - (np.arange(256) - 96) / 16), atol=1.0)


@pytest.mark.parametrize("s", [0, 1, 60, 96, 130, 200, 255])
@pytest.mark.parametrize("mu", [-(2**15), -2000, -129, -128, 0, 1, 77, 2**15])
def test_shares_are_positive_and_add_up(mu: int, s: int) -> None:
    shares = np.diff([laplace.cumulative(mu, s, q) for q in range(-64, 66)])
    assert shares.min() >= 1
    assert shares.sum() == 65536


@pytest.mark.parametrize(("mu", "s"), [(0, 96), (100, 64), (-700, 120), (13, 160)])
def test_shares_are_those_of_the_laplace_density(mu: int, s: int) -> None:
    b = 2.0 ** ((s - 96) / 16)
    edges = (np.arange(-64, 65) - 0.5 - mu / 256) / b
    cdf = np.where(edges < 0, np.exp(-np.abs(edges)) / 2, 1 - np.exp(-np.abs(edges)) / 2)
    found = [laplace.cumulative(mu, s, q) for q in range(-63, 65)]
    np.testing.assert_allclose(found, 65407 * cdf[1:] + np.arange(1, 129), atol=3)


@given(st.lists(EVENT, max_size=60))
@settings(max_examples=60, deadline=None)
def test_both_coders_write_the_same_bytes_and_read_them_back(events: list[tuple[str, int, int]]) -> None:
    out = np.zeros(rc.capacity(2 * len(events)), np.uint8)
    state, slow = rc.new_encoder(), reference.Encoder()
    for kind, a, b in events:
        getattr(rc, f"encode_{kind}")(state, out, a, b)
        getattr(slow, kind)(*((bool(a), b) if kind == "flag" else (a, b)))
    data = out[: rc.finish_encoder(state, out)]
    assert slow.finish() == data.tobytes()
    decoder, slow_decoder = rc.new_decoder(data), reference.Decoder(data.tobytes())
    for kind, a, b in events:
        if kind == "interval":
            rc.take_interval(decoder, data, a, b)
            assert a <= slow_decoder.place() < a + b
            slow_decoder.take(a, b)
        else:
            assert getattr(rc, f"decode_{kind}")(decoder, data, b) == a
            assert getattr(slow_decoder, kind)(b) == a
    assert rc.is_finished(decoder, data)
    assert slow_decoder.is_finished


def test_symbols_come_back_in_both_implementations() -> None:
    q, mu, s = random_symbols(3000)
    data = laplace.encode(q, mu, s)
    assert (laplace.decode(data, mu, s) == q).all()
    slow = reference.Encoder()
    decoder = reference.Decoder(data)
    for event in zip(mu.tolist(), s.tolist(), q.tolist(), strict=True):
        slow.symbol(*event)
        assert decoder.symbol(*event[:2]) == event[2]
    assert slow.finish() == data
    assert decoder.is_finished


@pytest.mark.parametrize("s", [40, 80, 110])
def test_a_stream_is_as_long_as_the_entropy_of_its_symbols(s: int) -> None:
    n = 20_000
    b = 2.0 ** ((s - 96) / 16)
    q = np.rint(np.random.default_rng(1).laplace(0, b, n)).astype(np.int32)
    shares = np.array([laplace.cumulative(0, s, k + 1) - laplace.cumulative(0, s, k) for k in range(-64, 64)])
    bits = -np.log2(shares[q + 64] / 65536).sum()
    length = len(laplace.encode(q, np.zeros(n, np.int32), np.full(n, s, np.int32)))
    assert bits / 8 <= length <= bits / 8 + 2
    k = np.arange(-64, 64)
    edges = np.abs(k[:, None] + (-0.5, 0.5)) / b
    density = np.where(k == 0, 1 - np.exp(-0.5 / b), np.abs(np.diff(np.exp(-edges)))[:, 0] / 2)
    assert bits <= -np.log2(density[q + 64]).sum() * 1.01 + 0.004 * n


def test_an_empty_stream_has_no_bytes() -> None:
    none = np.zeros(0, np.int32)
    assert laplace.encode(none, none, none) == b""
    assert len(laplace.decode(b"", none, none)) == 0


def test_a_stream_that_is_cut_or_lengthened_is_refused() -> None:
    q, mu, s = random_symbols(200)
    data = laplace.encode(q, mu, s)
    for wrong in (data[:-3], data + b"\0\0\0", b"", data + data):
        with pytest.raises(FormatError):
            laplace.decode(wrong, mu, s)


@given(st.binary(max_size=80), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_any_bytes_decode_alike_or_are_refused_alike(data: bytes, seed: int) -> None:
    _, mu, s = random_symbols(64, seed)
    slow = reference.Decoder(data)
    expected = [slow.symbol(m, k) for m, k in zip(mu.tolist(), s.tolist(), strict=True)]
    try:
        found = laplace.decode(data, mu, s).tolist()
    except FormatError:
        assert not slow.is_finished
    else:
        assert slow.is_finished
        assert found == expected


def test_arguments_out_of_range_are_refused() -> None:
    one = np.ones(1, np.int32)
    with pytest.raises(ValueError, match="scale indices"):
        laplace.encode(one, one, 256 * one)
    with pytest.raises(ValueError, match="means"):
        laplace.decode(b"", 40_000 * one, one)
    with pytest.raises(ValueError, match="magnitude"):
        laplace.encode(2**30 * one, one, one)


def test_constriction_agrees_on_the_length_of_a_stream() -> None:
    constriction = pytest.importorskip("constriction")
    q = np.rint(np.random.default_rng(2).laplace(0, 3.0, 20_000)).astype(np.int32)
    encoder = constriction.stream.queue.RangeEncoder()
    encoder.encode(q, constriction.stream.model.QuantizedLaplace(-64, 63, 0.0, 3.0))
    s = np.full(len(q), 121, np.int32)
    ours = len(laplace.encode(q, 0 * s, s))
    assert ours == pytest.approx(encoder.num_bits() / 8, rel=0.003)
