"""Values in bands: cut, put together and cut anew, always the same ones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inr.signals.files import bands as module
from inr.signals.files.bands import Bands, Regrouped, rows_of


@pytest.mark.parametrize("shape", [(7, 5, 3), (1, 400), (400, 1), (3, 2, 2, 2)])
@pytest.mark.parametrize("most", [1, 12, 10**6])
def test_bands_hold_every_row_once_in_order(shape: tuple[int, ...], most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BAND_VALUES", most)
    values = np.arange(np.prod(shape)).reshape(shape)
    parts = list(Bands.of(values))
    assert np.array_equal(np.concatenate(parts), values)
    assert all(part.size <= most or len(part) == 1 for part in parts)
    assert [part.base is not None for part in parts] == [True] * len(parts), "views, not copies"
    assert np.array_equal(Bands.of(values).each(lambda part: 2 * part).whole(np.int64), 2 * values)
    assert [len(values[rows]) for rows in rows_of(shape)] == [len(part) for part in parts]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=20), st.integers(1, 12), st.data())
def test_blocks_do_not_depend_on_the_parts_that_come(parts: list[int], n: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, n - 1))
    total = sum(parts)
    rows = np.arange(total)
    regrouped = Regrouped(n, overlap)
    blocks = []
    for part in np.split(rows, np.cumsum(parts)[:-1]):
        for first, second in regrouped.add(part, 2 * part):
            assert np.array_equal(second, 2 * first)
            blocks.append(first)
    starts = range(0, max(0, total - n + 1), n - overlap)
    assert [block.tolist() for block in blocks] == [rows[start : start + n].tolist() for start in starts]
    rest, _ = regrouped.rest()
    assert rest.tolist() == rows[len(starts) * (n - overlap) :].tolist()
    assert rest.base is None, "the part that it came in is not kept alive"


@pytest.mark.parametrize("n", [1, 3, 4, 9])
def test_a_window_is_a_part_and_what_is_below_is_not_made(n: int) -> None:
    values = np.arange(9 * 5 * 2).reshape(9, 5, 2)
    made: list[int] = []

    def parts() -> Iterator[np.ndarray]:
        for first in range(0, 9, n):
            made.append(first)
            yield values[first : first + n]

    for top, bottom in ((0, 9), (2, 5), (4, 5), (8, 9)):
        made.clear()
        found = Bands(values.shape, parts()).window(slice(top, bottom), slice(1, 4))
        assert found.shape == (bottom - top, 3, 2)
        np.testing.assert_array_equal(found.whole(np.int64), values[top:bottom, 1:4])
        assert made == list(range(0, bottom, n))
