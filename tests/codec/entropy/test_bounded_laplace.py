"""The Laplace distribution within +-M: shares, both coders, the length of a stream, and the size of the products."""

from __future__ import annotations

import numpy as np
import pytest

from inr.codec.entropy import bounded_laplace as bounded
from inr.codec.entropy import laplace
from inr.codec.entropy import python_coder as reference
from inr.codec.entropy import range_coder as rc
from inr.core.jit import compiled

MAGNITUDES = [1, 2, 31, 32, 300, bounded.MOST]


@compiled
def encode(q: np.ndarray, mu: np.ndarray, s: np.ndarray, most: int, out: rc.Buffer) -> int:
    state = rc.new_encoder()
    for i in range(len(q)):
        bounded.encode_bounded(state, out, mu[i], s[i], q[i], most)
    return int(rc.finish_encoder(state, out))


@compiled
def decode(data: rc.Buffer, mu: np.ndarray, s: np.ndarray, most: int, q: np.ndarray) -> bool:
    state = rc.new_decoder(data)
    for i in range(len(q)):
        q[i] = bounded.decode_bounded(state, data, mu[i], s[i], most)
    return bool(rc.is_finished(state, data))


def random_symbols(n: int, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(most)
    s = draw.integers(0, 256, n)
    mu = np.clip(draw.integers(-(most + 9) * 256, (most + 9) * 256, n), -(2**15), 2**15)
    q = np.clip(np.rint(draw.laplace(mu / 256, 2.0 ** ((s - 96) / 16))), -most, most).astype(np.int64)
    q[: n // 20] = draw.integers(-most, most + 1, n // 20)
    return q, mu, s


@pytest.mark.parametrize("most", [1, 5, 31, 32, 200])
@pytest.mark.parametrize("s", [0, 60, 96, 140, 255])
@pytest.mark.parametrize("mu", [-(2**15), -700, -128, 0, 1, 77, 2**15])
def test_shares_add_up_and_are_never_too_small(mu: int, s: int, most: int) -> None:
    edges = [bounded.cumulative(mu, s, q, most) for q in range(-most, most + 2)]
    assert edges == [reference.bounded_cumulative(mu, s, q, most) for q in range(-most, most + 2)]
    assert min(np.diff(edges)) >= (256 if most < 32 else 16)
    assert (edges[0], edges[-1]) == (0, 2**24)


@pytest.mark.parametrize("most", MAGNITUDES)
def test_symbols_come_back_in_both_implementations(most: int) -> None:
    q, mu, s = random_symbols(600, most)
    out = np.empty(rc.capacity(len(q)), np.uint8)
    data = out[: encode(q, mu, s, most, out)]
    encoder = reference.Encoder()
    for row in zip(mu.tolist(), s.tolist(), q.tolist(), strict=True):
        encoder.bounded(*row, most)
    assert encoder.finish() == data.tobytes()
    found = np.zeros_like(q)
    assert decode(data, mu, s, most, found)
    np.testing.assert_array_equal(found, q)
    decoder = reference.Decoder(data.tobytes())
    assert [decoder.bounded(m, w, most) for m, w in zip(mu.tolist(), s.tolist(), strict=True)] == q.tolist()
    assert decoder.is_finished


def test_any_bytes_decode_alike_or_are_refused_alike() -> None:
    draw = np.random.default_rng(0)
    for trial in range(60):
        most = MAGNITUDES[trial % len(MAGNITUDES)]
        _, mu, s = random_symbols(20, most)
        data = draw.integers(0, 256, trial, dtype=np.uint8)
        found = np.zeros(20, np.int64)
        is_sound = decode(data, mu, s, most, found)
        decoder = reference.Decoder(data.tobytes())
        plain = [decoder.bounded(m, w, most) for m, w in zip(mu.tolist(), s.tolist(), strict=True)]
        assert decoder.is_finished == is_sound
        if is_sound:
            assert plain == found.tolist()


def test_nearly_certain_zeros_cost_next_to_nothing() -> None:
    n = 100_000
    q, mu, s = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64)
    out = np.empty(rc.capacity(n), np.uint8)
    assert encode(q, mu, s, 3, out) < 20  # `laplace` takes 35 bytes


@pytest.mark.parametrize("s", [70, 96, 120])
def test_a_stream_is_as_long_as_the_entropy_of_its_symbols(s: int) -> None:
    n, most, b = 20_000, 400, 2.0 ** ((s - 96) / 16)
    q = np.rint(np.random.default_rng(s).laplace(0, b, n)).astype(np.int64)
    far = np.abs(q)
    share = np.where(far == 0, 1 - np.exp(-0.5 / b), np.exp(-far / b) * np.sinh(0.5 / b))
    out = np.empty(rc.capacity(n), np.uint8)
    length = 8 * encode(q, np.zeros(n, np.int64), np.full(n, s), most, out)
    assert length == pytest.approx(-np.log2(share).sum(), rel=2e-3)


def test_products_stay_below_two_to_the_53() -> None:
    """So that a decoder may hold all integers in float64."""
    farthest = 256 * (bounded.MOST + 1) + 128 + laplace.MU_LIMIT
    gap = int((laplace.EXPONENTIALS[:-1] - laplace.EXPONENTIALS[1:]).max())
    for product in (
        farthest * int(laplace.INVERSES.max()),
        gap << 20,
        (1 << bounded.SHARE_BITS) * (int(laplace.EXPONENTIALS.max()) >> 2),
        1 << 48,
    ):
        assert product <= 1 << 53
