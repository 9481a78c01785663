"""Equations as text: what operators become, and what is refused with its column."""

from __future__ import annotations

import math

import pytest
import torch

from inr.core.errors import UsageError
from inr.core.formula import Node, parse_formula
from inr.core.tensor_formula import tensor_of
from inr.solving.equation import Scope, by_name, is_linear, streams_of

SCOPE = Scope(
    ("x", "y", "t"),
    {"u": False, "v": False},
    {"k": parse_formula("1 + x**2"), "c": parse_formula("2")},
    ("q",),
)
COMPLEX = Scope(("x", "y"), {"E": True}, {"k": parse_formula("3")})


def value(node: Node, scope: Scope = SCOPE) -> float:
    """The formula where every name has its own number."""
    keys = node.names()
    values = {key: torch.tensor(numbers(key), dtype=torch.float64) for key in keys}
    return float(tensor_of(node, values, torch.zeros((), dtype=torch.float64)))


def numbers(key: str) -> float:
    return 0.3 + sum((at + 1) * ord(letter) for at, letter in enumerate(key)) % 17 / 10


def n(*keys: str) -> list[float]:
    return [numbers(key) for key in keys]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lap(u) = 0", lambda: sum(n("u|xx", "u|yy"))),
        ("u_t = q*u_xx + c", lambda: numbers("u|t") - numbers("q") * numbers("u|xx") - 2),
        ("u_yx - u_xy", lambda: 0.0),
        (
            "div(k*grad(u))",
            lambda: (1 + numbers("x") ** 2) * sum(n("u|xx", "u|yy")) + 2 * numbers("x") * numbers("u|x"),
        ),
        ("div(grad(u)) = lap(u)", lambda: 0.0),
        ("dot(grad(u), grad(v))", lambda: numbers("u|x") * numbers("v|x") + numbers("u|y") * numbers("v|y")),
        ("norm(grad(u)) = 1", lambda: math.hypot(*n("u|x", "u|y")) - 1),
        ("dn(u)", lambda: numbers("n_x") * numbers("u|x") + numbers("n_y") * numbers("u|y")),
        ("lap(u**2)", lambda: 2 * (numbers("u|") * sum(n("u|xx", "u|yy")) + sum(z**2 for z in n("u|x", "u|y")))),
        ("sin(u)*v", lambda: math.sin(numbers("u|")) * numbers("v|")),
    ],
)
def test_operators_expand(text: str, expected: object) -> None:
    (node,) = SCOPE.residuals(text)
    assert math.isclose(value(node), expected(), rel_tol=1e-12, abs_tol=1e-12)  # type: ignore[operator]  # a function


def test_complex_fields_are_two_channels() -> None:
    re, im = COMPLEX.residuals("lap(E) + i*k*E = exp(i*x)")
    assert math.isclose(value(re), sum(n("E.re|xx", "E.re|yy")) - 3 * numbers("E.im|") - math.cos(numbers("x")))
    assert math.isclose(value(im), sum(n("E.im|xx", "E.im|yy")) + 3 * numbers("E.re|") - math.sin(numbers("x")))
    (size,) = COMPLEX.residuals("abs(E)**2 - re(E*conj(E)) + im(E*conj(E))")
    assert abs(value(size)) < 1e-12
    assert COMPLEX.channels == ["E.re", "E.im"]


def test_linearity_and_partial_derivatives() -> None:
    (node,) = SCOPE.residuals("u_t + u*u_x = c*u_xx")
    assert streams_of(node) == {("u", ""), ("u", "x"), ("u", "t"), ("u", "xx")}
    assert not is_linear(node)
    assert is_linear(SCOPE.residuals("u_t + x*u_x = k*v")[0])
    assert value(by_name(node, "u|x")) == numbers("u|")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("u_t = nu*u_xx", "column 7: unknown name 'nu'"),
        ("u_xx + u_w = 0", "column 8: 'u_w': no axis w. Axes are x, y, t."),
        ("u_n = 0", "column 1: 'u_n': no axis n"),
        ("u_xx + u. = 0", "column 9: '.' is not allowed in an equation"),
        ("u = v = 1", "column 7: a second '='"),
        ("grad(u) = 0", "one side is a vector"),
        ("grad(u)*grad(v)", "column 8: a product of two vectors"),
        ("grad(u) + 1", "column 9: '\\+' between a vector and a number"),
        ("sin(grad(u))", "column 1: sin of a vector"),
        ("div(u)", "column 1: div of a number"),
        ("lap(u", "expected \\)"),
        ("eval(u)", "column 1: no function 'eval'"),
        ("bilap(u) = 0", "order 3"),
        ("u_xxx", "order 3"),
        ("u_t = 9**9**9", "no finite value"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        SCOPE.residuals(text)


def test_formulas_have_no_fields() -> None:
    with pytest.raises(UsageError, match="unknown field"):
        SCOPE.formula("u + 1")
    with pytest.raises(UsageError, match="complex"):
        COMPLEX.residuals("sin(i*E)")
