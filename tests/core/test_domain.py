"""Frames and grids."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inr.core.domain import Domain, Frame, Grid
from inr.core.errors import UnreadableError
from tests.assertions import assert_near

numbers = st.floats(-1e6, 1e6).map(lambda v: round(v, 3))


@given(st.lists(st.tuples(numbers, st.floats(1e-3, 1e6)), min_size=1, max_size=4), numbers, st.floats(1e-3, 1e6))
def test_frames_are_invertible_and_survive_json(box: list[tuple[float, float]], offset: float, scale: float) -> None:
    low, high = tuple(a for a, _ in box), tuple(a + b for a, b in box)
    frame = Frame(Domain(low, high, ("a", "b", "c", "d")[: len(box)], "m"), (offset,), (scale,))
    assert Frame.from_json(frame.to_json()) == frame
    x = torch.rand(5, len(box), dtype=torch.float64)
    assert_near(frame.domain.to_unit(frame.domain.from_unit(x)), x, 1e-6)
    y = torch.rand(5, 1, dtype=torch.float64)
    assert_near(frame.to_field(frame.from_field(y)), y, 1e-6)


@pytest.mark.parametrize(("low", "high"), [((0.0,), (0.0,)), ((0.0,), (float("nan"),)), ((), ()), ((0.0,), (1.0, 2.0))])
def test_a_domain_that_is_not_a_box_is_refused(low: tuple[float, ...], high: tuple[float, ...]) -> None:
    with pytest.raises(UnreadableError, match="is not a box"):
        Domain(low, high, ("x",) * len(low), "m")


def test_grid_points_are_sample_centres_in_coordinate_order() -> None:
    grid = Grid.whole((2, 4), (1, 0))  # 2 rows, 4 columns, addressed (x, y)
    x = grid.points(torch.arange(8))
    assert x[0].tolist() == [0.125, 0.25]  # row 0, column 0
    assert x[1].tolist() == [0.375, 0.25]  # row 0, column 1: x moves first
    assert x[4].tolist() == [0.125, 0.75]  # row 1, column 0
    assert Grid.whole((2, 4)).points(torch.tensor([1]))[0].tolist() == [0.25, 0.375]  # plain array order


def test_grid_points_are_in_float64_where_float32_does_not_tell_them_apart() -> None:
    assert Grid.whole((2**20, 3)).dtype == torch.float32
    long = Grid.whole((2**25,))
    ends = long.points(torch.tensor([2**25 - 2, 2**25 - 1]))
    assert (1 - ends[:, 0]).mul(2**26).tolist() == [3, 1]
    assert Grid((2**19,), (0,), (0.5,), (0.75,)).dtype == torch.float64
    assert Grid((1, 5), (1, 0), (0.2, 0.3), (0.8, 0.3)).dtype == torch.float32  # a slice has one place on an axis


def test_a_cropped_grid_samples_the_same_points_as_the_whole() -> None:
    whole = Grid.whole((6,)).points(torch.arange(6))
    part = Grid((3,), (0,), (1 / 3,), (5 / 6,)).points(torch.arange(3))
    assert_near(part, whole[2:5], 1e-6)


@pytest.mark.parametrize("tau", [1e-4, 1e-3, 1e-2, 1e-1])
def test_softened_values_come_back(tau: float) -> None:
    """z = w^2 / (w + tau) and its inverse, for distances from 0 to 1 and in the unit of the signal."""
    frame = Frame(Domain((0.0,) * 3, (2.0,) * 3, ("x", "y", "z"), "m"), (0.0,), (2.0,), tau)
    d = torch.linspace(0, 1, 10001, dtype=torch.float64)[:, None]
    z = frame.to_field(2 * d)
    assert torch.allclose(z, d * d / (d + tau))
    assert (frame.from_field(z) - 2 * d).abs().max() < 1e-6
    assert (frame.from_field(frame.to_field(2 * d.float())) - 2 * d).abs().max() < 2e-6
    assert (frame.from_field(-z[1:]) == 0).all()
    assert Frame.from_json(frame.to_json()) == frame


def test_frames_without_softening_are_written_as_before() -> None:
    frame = Frame(Domain((0.0,), (1.0,), ("t",), "s"), (0.0,), (1.0,))
    assert set(frame.to_json()) == {"domain", "offset", "scale"}
    with pytest.raises(UnreadableError, match="softening"):
        Frame(frame.domain, (0.0,), (1.0,), -1.0)
