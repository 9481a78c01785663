"""Equal rows by hashing, against NumPy's sorting."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from inr.kernels.equal_rows import named

RANDOM = np.random.default_rng(0)
ROWS = {
    "none": np.zeros((0, 3)),
    "one": np.ones((1, 3)),
    "few values": RANDOM.integers(0, 4, (1000, 3)),
    "corners of faces": np.sort(RANDOM.integers(0, 50, (5000, 3)), axis=1),
    "floats": RANDOM.integers(-2, 3, (1000, 3)) / 3.0,
    "signs of zero": np.where(RANDOM.random((100, 3)) < 0.5, 0.0, -0.0),
    "distinct": RANDOM.random((1000, 3)),
    "on one axis": np.stack([np.arange(3000), np.zeros(3000), np.zeros(3000)], axis=1).astype(np.int64) << 40,
}


@pytest.mark.parametrize("name", ROWS)
def test_rows_are_named_by_their_first_occurrence(name: str) -> None:
    rows: Any = ROWS[name]
    first, names = named(rows)
    assert (rows[first][names] == rows).all()
    assert len(np.unique(rows + 0, axis=0)) == len(first)
    assert (np.diff(first) > 0).all()
    assert (names[first] == np.arange(len(first))).all()
    assert (first[names] <= np.arange(len(rows))).all()
