"""Distances of simple solids at points where they are known."""

from __future__ import annotations

import pytest
import torch

from inr.core import solid_formulas as formulas


@pytest.mark.parametrize(
    ("formula", "sizes", "point", "expected"),
    [
        (formulas.sphere, (2.0,), (3.0, 4.0, 0.0), 3.0),
        (formulas.box, ((1.0, 2.0, 3.0),), (4.0, 6.0, 3.0), 5.0),
        (formulas.box, ((1.0, 2.0, 3.0),), (0.5, 0.0, 0.0), -0.5),
        (formulas.torus, (5.0, 1.0), (0.0, 8.0, 4.0), 4.0),
        (formulas.cylinder, (2.0, 6.0), (5.0, 0.0, 7.0), 5.0),
        (formulas.cylinder, (2.0, 6.0), (0.0, 1.5, 1.0), -0.5),
        (formulas.half_space, ((0.0, 2.0, 0.0), 2.0), (9.0, 4.0, 9.0), 3.0),
    ],
)
def test_known_distances(formula: object, sizes: tuple[object, ...], point: tuple[float, ...], expected: float) -> None:
    p = torch.tensor([point], dtype=torch.float64)
    assert formula(p, *sizes).item() == pytest.approx(expected, abs=1e-12)  # type: ignore[operator]
