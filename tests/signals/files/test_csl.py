"""Contours as text: round trips, what writers do differently, and hostile files."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

from inr.core.errors import UnreadableError
from inr.inspection import describe, summary_of
from inr.signals import Source, load_signal
from inr.signals.files.csl import ContourPlane, csl_text, read_csl

BY_HAND = b"""CSLC
2 2

1 8 2 0 0 2 -1

-3 -3 .5
3 -3 .5
3 3 .5
-3 3 .5
-1 -1 .5
-1 1 .5
1 1 .5
1 -1 .5
4 1 0 1 2 3
4h0 1 4 5 6 7

2 0 0 0 0 1 -3
"""


def planes() -> list[ContourPlane]:
    rng = np.random.default_rng(0)
    ring = rng.normal(size=(7, 3))
    square = np.array([[-9.0, -9, 0], [9, -9, 0], [9, 9, 0], [-9, 9, 0]])
    up = np.array([0.0, 0.0, 1.0])
    return [
        ContourPlane(rng.normal(size=3), 0.1, ((1, ring), (2, ring[::-1] / 3))),
        ContourPlane(up, 0.0, ((1, square), (1, square / 3), (1, square / 9))),
        ContourPlane(up, 5.0, ()),
    ]


def test_planes_are_the_same_after_a_round_trip() -> None:
    text = csl_text(planes())
    again = read_csl(text.encode())
    assert csl_text(again) == text
    for given, found in zip(planes(), again, strict=True):
        np.testing.assert_array_equal(given.normal, found.normal)
        assert given.offset == found.offset
        for (label, ring), (other, back) in zip(given.rings, found.rings, strict=True):
            assert label == other
            np.testing.assert_array_equal(ring, back)


def test_holes_are_written_with_the_component_around_them() -> None:
    """Ring, hole and island: an island lies in two others, so it is no hole."""
    lines = csl_text(planes()).splitlines()
    assert "4h0 1 4 5 6 7" in lines
    assert "4 1 8 9 10 11" in lines


def test_a_file_by_hand() -> None:
    first, second = read_csl(BY_HAND)
    assert first.section().offset == 0.5
    assert first.section().area == pytest.approx(36 - 4)
    assert second.rings == ()
    assert second.offset == 3
    assert read_csl(BY_HAND.replace(b"\n", b"\r\n\r\n"))[0].section().area == pytest.approx(32)


def test_vertices_in_any_order_and_short_components() -> None:
    text = (
        BY_HAND.replace(b"8 2 0 0", b"8 3 0 0").replace(b"4 1 0 1 2 3", b"2 1 0 1\n4 1 3 2 1 0").replace(b"4h0", b"4h7")
    )
    assert read_csl(text)[0].section().area == pytest.approx(32)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (b"CSLC", b"CSL", "does not begin with CSLC"),
        (b"2 2", b"x 2", "has no whole number"),
        (b"2 2", b"99999999 2", "plane 3 of 99999999 is missing"),
        (b"1 8 2", b"1 99999999 2", "is not a number|is not a vertex|is missing"),
        (b"3 -3 .5", b"3 nan .5", "not finite"),
        (b"3 -3 .5", b"3 -3", "is not a vertex"),
        (b"0 0 2 -1", b"0 0 0 -1", "no finite normal"),
        (b"0 0 2 -1", b"0 0 2", "3 coefficients"),
        (b"4 1 0 1 2 3", b"4 1 0 1 2 8", "vertex 8, the plane has 8"),
        (b"4 1 0 1 2 3", b"9999999 1 0 1 2 3", "states 9999999 vertices and lists 4"),
        (b"4 1 0 1 2 3", b"4 1 0 1 2 -3", "not a whole number"),
        (b"4 1 0 1 2 3", b"h 1 0 1 2 3", "is not a component"),
    ],
)
def test_damaged_files_are_one_error(before: bytes, after: bytes, message: str) -> None:
    data = BY_HAND.replace(before, after, 1)
    with pytest.raises(ValueError, match=message):
        read_csl(data)
    with pytest.raises(UnreadableError, match=r"cannot read 'a\.csl' as slices"):
        load_signal(Source("a.csl", data=data))


def _of_many_vertices(end: bytes) -> bytes:
    """A plane with a ring of 20 000 vertices, whose last row is replaced."""
    n = 20_000
    rows = [f"{math.cos(2 * math.pi * k / n):.6f} {math.sin(2 * math.pi * k / n):.6f} 0" for k in range(n - 1)]
    ring = f"{n} 1 {' '.join(map(str, range(n)))}"
    return f"CSLC\n1 2\n\n1 {n} 1 0 0 1 0\n".encode() + "\n".join(rows).encode() + b"\n" + end + f"\n{ring}\n".encode()


HOSTILE = {
    "more vertices and components than there are": BY_HAND.replace(b"1 8 2", b"1 999999999 999999999")
    + b"1 2 3\n" * 100_000,
    "more planes than there are": BY_HAND.replace(b"2 2", b"999999999 2") + b"\n" * 200_000,
    "a component of more vertices than it lists": BY_HAND.replace(b"4 1 0 1 2 3", b"999999999 1" + b" 0" * 200_000),
    "a vertex that is not finite, at the end": _of_many_vertices(b"nan 0 0"),
    "a vertex without a height, at the end": _of_many_vertices(b"1 0"),
    "no line ends": BY_HAND.replace(b"\n", b" ") + b"1 " * 200_000,
    "zeros": b"CSLC\n" + bytes(400_000),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_take_less_than_ten_times_their_size(name: str) -> None:
    data = HOSTILE[name]
    assert len(data) > 200_000
    tracemalloc.start()
    with pytest.raises(UnreadableError, match=r"cannot read 'a\.csl' as slices"):
        load_signal(Source("a.csl", data=data), "slices")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * len(data)


def test_what_it_is_by_its_header() -> None:
    found = describe(Source("a", data=BY_HAND))
    assert (found["format"], found["n_planes"]) == ("csl", 2)
    assert summary_of(found) == "2 planes, 2 labels"
