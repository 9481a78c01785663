"""Placed distances: exact for moves, turns and equal scales, lower bounds for others and beyond the box."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from inr.core.errors import UsageError
from tests.fields.solids import A, built, everywhere, steepest, values


def _placed(matrix: list[float], shift: list[float], gain: float, **more: Any) -> dict[str, Any]:
    return {"type": "placed", "base": A, "matrix": matrix, "shift": shift, "gain": gain, "is_boxed": False, **more}


def test_a_turned_and_scaled_sphere_is_a_sphere() -> None:
    c, s, k = math.cos(0.3), math.sin(0.3), 0.5  # twice as large
    document = _placed([k * c, -k * s, 0, k * s, k * c, 0, 0, 0, k], [0.1, 0.2, 0.3], 2.0)
    x = everywhere(1000)
    centre = torch.linalg.solve(
        k * torch.tensor([[c, -s, 0], [s, c, 0], [0, 0, 1]], dtype=torch.float64),
        torch.tensor([0.3, 0.3, 0.2], dtype=torch.float64),
    )
    assert torch.allclose(values(document, x), (x - centre).norm(dim=1) - 0.4, atol=1e-12)


def test_unequal_scales_are_lower_bounds() -> None:
    document = _placed([1, 0, 0, 0, 0.5, 0, 0, 0, 2], [0, 0.25, -0.5], 0.5)
    assert steepest(document) <= 1 + 1e-6
    assert built(document).lipschitz_bound() == pytest.approx(1)


def test_a_gain_that_would_make_slopes_larger_is_refused() -> None:
    with pytest.raises(UsageError, match=r"placed.gain is 0.6, expected at most 0.5: values would be no distances"):
        built(_placed([1, 0, 0, 0, 0.5, 0, 0, 0, 2], [0, 0, 0], 0.6))
    with pytest.raises(UsageError, match=r"have 8 and 3 numbers, expected 9 and 3"):
        built(_placed([1.0] * 8, [0, 0, 0], 0.1))


def test_beyond_the_box_it_is_continued_by_a_lower_bound() -> None:
    matrix = [4.0, 0, 0, 0, 4, 0, 0, 0, 4]  # a quarter of the box
    document = _placed(matrix, [-1.2, -1.6, -0.8], 0.25, is_boxed=True)
    x = 3 * everywhere(100_000) - 1
    found, exact = values(document, x), values({**document, "is_boxed": False}, x)
    at = 4 * x + torch.tensor([-1.2, -1.6, -0.8], dtype=torch.float64)
    beyond = ((at < 0) | (at > 1)).any(dim=1)
    assert (found <= exact + 1e-12).all()
    assert torch.equal(found[~beyond], exact[~beyond])
    wall = at.clamp(0, 1)
    upper = (at - wall).norm(dim=1) / 4 + values({**document, "is_boxed": False}, (wall - at) / 4 + x)
    assert (exact <= upper + 1e-12).all()
    assert steepest(document) <= 1 + 1e-6


def test_values_are_scaled_and_shifted_first() -> None:
    document = _placed([1, 0, 0, 0, 1, 0, 0, 0, 1], [0, 0, 0], 1.0, scale=0.5, offset=0.1)
    x = everywhere(100)
    assert torch.allclose(values(document, x), 0.5 * values(A, x) + 0.1, atol=1e-12)
