"""Sources and fluxes: balanced problems pass, others are refused with both integrals."""

from __future__ import annotations

from typing import Any

import pytest

from inr.core.errors import UsageError
from inr.solving import Problem
from inr.solving.balance import check_balance

BOX = {"x": (0, 1), "y": (0, 2)}


def problem(equation: str, flux: str, geometry: Any = None) -> Problem:
    conditions = [{"on": "boundary", "equation": f"dn(u) = {flux}"}]
    return Problem.of(equation, BOX, conditions, **({} if geometry is None else {"geometry": geometry}))


@pytest.mark.parametrize(
    ("equation", "flux", "geometry"),
    [
        ("lap(u) = 3", "1", None),  # 2 * 3 = 6 * 1
        ("-2*lap(u) = cos(pi*x)", "0", None),
        ("lap(u) = 4", "2", {"disc": {"radius": 1}}),
        ("lap(u) = 0", "where(x**2 + y**2 < 2.25, -2, 1)", {"annulus": {"inner": 1, "outer": 2}}),
        ("lap(u) - u = 1", "0", None),  # determined
        ("div((1 + x)*grad(u)) = 2 + 3*x", "n_x*x + n_y*y", None),  # u = (x^2 + y^2)/2
        ("div((1 + x)*grad(u)) = 7", "0*x", {"polygon": [[0, 0], [1, 0], [0, 1]]}),  # not checked
    ],
)
def test_balanced(equation: str, flux: str, geometry: Any) -> None:
    assert check_balance(problem(equation, flux, geometry)) is None  # type: ignore[func-returns-value]  # no error


@pytest.mark.parametrize(
    ("equation", "flux", "message"),
    [
        ("lap(u) = 3", "0.5", r"\(6 against 3\)"),
        ("-lap(u) = 1", "0", r"\(2 against 0\)"),
        ("2*lap(u) = 4", "1", r"\(8 against 12\)"),
        ("div((1 + x)*grad(u)) = 7", "n_x*x + n_y*y", r"\(14 against 7\)"),
    ],
)
def test_not_balanced(equation: str, flux: str, message: str) -> None:
    with pytest.raises(UsageError, match=f"do not balance {message}: no steady solution"):
        check_balance(problem(equation, flux))


def test_a_periodic_box_has_no_walls_for_a_source_to_leave_by() -> None:
    closed: Any = {"problem": {"periodic": ["x", "y"]}}
    with pytest.raises(UsageError, match=r"\(2 against 0\)"):
        check_balance(Problem.of("lap(u) = 1", BOX, **closed))
    assert Problem.of("lap(u) = cos(2*pi*x)", BOX, **closed).floating == ["u"]
    check_balance(Problem.of("lap(u) = cos(2*pi*x)", BOX, **closed))


def test_zero_is_refused() -> None:
    with pytest.raises(UsageError, match="the zero solution fits"):
        Problem.of("lap(u) + u = 0", BOX, [{"on": "boundary", "equation": "u = 0"}])
