"""Combined distances: exact where the table says so, lower bounds elsewhere, never steeper than their operands."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

from inr.core.errors import UsageError
from inr.fields import FIELDS
from tests.fields.solids import A, B, built, combined, everywhere, steepest, values


def _lens_distance(x: np.ndarray, sign: float) -> np.ndarray:
    """Distance to the boundary of the union (sign 1) or the intersection (-1) of the spheres A and B, by the geometry
    of circles: both are bodies of revolution about the line of their centres."""
    u = x[:, 0]
    v = np.hypot(x[:, 1] - 0.5, x[:, 2] - 0.5)
    (a, r), (b, s) = (0.4, 0.2), (0.65, 0.15)
    c = (r**2 - s**2 + (b - a) ** 2) / (2 * (b - a)) + a  # where the spheres meet
    h = np.sqrt(r**2 - (c - a) ** 2)
    found = np.hypot(u - c, v - h)
    for centre, radius, side in ((a, r, -sign), (b, s, sign)):
        away = np.hypot(u - centre, v)
        along = (u - centre) / np.maximum(away, 1e-300) * radius + centre
        is_on = (along - c) * side >= 0  # the nearest point of that sphere is part of the boundary
        found = np.where(is_on, np.minimum(found, np.abs(away - radius)), found)
    return np.asarray(found)


@pytest.mark.parametrize(("operation", "sign"), [("union", 1.0), ("intersection", -1.0)])
def test_it_is_the_distance_on_the_side_of_the_table_and_a_bound_on_the_other(operation: str, sign: float) -> None:
    x = 0.5 + 0.3 * (everywhere(100_000) - 0.5)
    found = values(combined(operation), x).numpy()
    exact = _lens_distance(x.numpy(), sign)
    is_exact_side = sign * found > 0
    assert 1000 < is_exact_side.sum() < 99_900
    assert np.abs(np.abs(found) - exact)[is_exact_side].max() <= 1e-7
    assert (np.abs(found) <= exact + 1e-7).all()
    assert (np.abs(found)[~is_exact_side] < exact[~is_exact_side] - 1e-3).any()


def test_difference_is_the_intersection_with_the_complement() -> None:
    x = everywhere(1000)
    a, b = values(A, x), values(B, x)
    assert torch.equal(values(combined("difference"), x), torch.maximum(a, -b))
    assert torch.equal(values(combined("union"), x), torch.minimum(a, b))


def test_offsets_and_shells() -> None:
    x = everywhere(1000)
    a = values(A, x)
    assert torch.equal(values(combined("offset", by=0.05), x), a - 0.05)
    assert torch.equal(values(combined("shell", by=0.05), x), a.abs() - 0.025)


@pytest.mark.parametrize("operation", ["union", "intersection", "difference"])
def test_a_blend_is_a_quarter_of_its_width_off_where_the_operands_are_equal(operation: str) -> None:
    x, k = everywhere(100_000), 0.1
    off = values(combined(operation, blend=k), x) - values(combined(operation), x)
    sign = -1 if operation == "union" else 1
    assert (sign * off >= 0).all()
    assert float(off.abs().max()) == pytest.approx(k / 4, rel=1e-2)
    assert float(off.abs().max()) <= k / 4 + 1e-12
    b = values(B, x) if operation != "difference" else -values(B, x)
    assert (off[(values(A, x) - b).abs() >= k] == 0).all()


@pytest.mark.parametrize(
    "document",
    [
        combined("union"), combined("intersection"), combined("difference"), combined("shell", by=0.1),
        combined("union", blend=0.2), combined("intersection", blend=0.2), combined("difference", blend=0.05),
    ],
    ids=str,
)  # fmt: skip
def test_no_slope_is_above_one(document: dict[str, object]) -> None:
    assert steepest(document) <= 1 + 1e-6
    assert built(document).lipschitz_bound() == 1.0


def test_sphere_tracing_never_passes_the_surface() -> None:
    """Rays from outside stop on the surface: at every step the way is free, as the exact distance confirms."""
    field = built(combined("union", blend=0.1))
    generator = torch.Generator().manual_seed(3)
    start = torch.nn.functional.normalize(torch.randn(2000, 3, generator=generator, dtype=torch.float64), dim=1) + 0.5
    towards = (
        torch.tensor([0.5, 0.5, 0.5], dtype=torch.float64) + 0.1 * torch.randn(2000, 3, generator=generator).double()
    )
    ray = torch.nn.functional.normalize(towards - start, dim=1)
    way = torch.zeros(2000, 1, dtype=torch.float64)
    for _ in range(60):
        step = field(start + way * ray)
        for part in (0.25, 0.5, 0.75, 0.999):
            assert (field(start + (way + part * step) * ray) >= -1e-12).all()
        way += step
    assert (field(start + way * ray) > -1e-9).all()
    assert (step < 1e-6).float().mean() > 0.5


def test_folded_and_stored_it_is_the_same() -> None:
    document = {"type": "csg", "first": {"type": "mlp", "width": 8, "depth": 2, "linear": "weight_norm"}, "second": A}
    field = built(document).float()
    folded = field.fold()
    x = everywhere(100).float()
    assert torch.allclose(folded(x), field(x), atol=1e-6)
    assert folded.config.first.linear.type_name == "dense"  # type: ignore[attr-defined]
    again = built(json.loads(json.dumps(folded.config.to_json()))).float()
    again.load_state_dict(folded.state_dict())
    assert torch.equal(again(x), folded(x))
    first: Any = field.first
    assert field.lipschitz_bound() == first.lipschitz_bound()  # the larger of the two


def test_it_is_not_fitted_and_not_listed() -> None:
    assert {"csg", "placed", "primitive"}.isdisjoint(FIELDS)
    assert FIELDS["csg"]().type_name == "csg"
    for name in ("csg", "placed", "primitive"):
        with pytest.raises(UsageError, match=f"field '{name}' is made from fitted shapes by inr csg"):
            built({"type": name})
    with pytest.raises(UsageError, match="takes another number of operands"):
        built({"type": "csg", "first": A})
    with pytest.raises(UsageError, match="takes another number of operands"):
        built(combined("shell", by=0.1, second=B))
