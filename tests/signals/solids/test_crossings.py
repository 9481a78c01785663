"""Crossing faces: two triangles through each other, apart, and with a common edge."""

from __future__ import annotations

import numpy as np

from inr.signals.solids.crossings import crossings

ONE = np.array([[0, 0, 0], [2, 0, 0], [0, 2, 0]], float)


def test_only_faces_that_cross_are_found() -> None:
    through = np.array([[0.5, 0.5, -1], [0.5, 0.5, 1], [3, 3, 0]], float)
    faces = np.arange(6).reshape(2, 3)
    first, second = crossings(np.concatenate([ONE, through]), faces)
    assert sorted((int(first[0]), int(second[0]))) == [0, 1]
    assert len(first) == 1
    assert len(crossings(np.concatenate([ONE, through + 9]), faces)[0]) == 0
    folded = np.concatenate([ONE, [[0.0, 0, 2]]])
    assert len(crossings(folded, np.array([[0, 1, 2], [1, 0, 3]]))[0]) == 0
