"""Formulas: values, derivatives and text agree; text from strangers is refused with its column."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as np
import pytest

from inr.core.errors import UsageError
from inr.core.formula import (
    ONE,
    ZERO,
    Node,
    derivative,
    evaluated,
    name,
    parse_formula,
    substituted,
    text_of,
)

LIBRARY: dict[str, Callable[..., Any]] = {
    **{key: getattr(np, key) for key in ("sin", "cos", "tan", "exp", "log", "sqrt", "abs", "tanh", "sinh", "cosh")},
    **{"sign": np.sign, "atan2": np.arctan2, "min": np.minimum, "max": np.maximum, "where": np.where},
    "heaviside": lambda a: np.heaviside(a, 0.5),
    "erf": np.vectorize(math.erf),
}
X, Y = np.linspace(0.3, 1.7, 9), np.linspace(0.9, 0.2, 9)
FORMULAS: dict[str, Callable[..., Any]] = {
    "1 + 2*3 - 4/8": lambda x, y: 6.5 + 0 * x,
    "-x**2": lambda x, y: -(x**2),
    "2**-x": lambda x, y: 2.0**-x,
    "2**3**0.5": lambda x, y: 2 ** (3**0.5) + 0 * x,
    "x - y - 1": lambda x, y: x - y - 1,
    "x / y / 2": lambda x, y: x / y / 2,
    "-(x - y)*-3": lambda x, y: 3 * (x - y),
    "sin(pi*x)*exp(-y) + cos(x*y)": lambda x, y: np.sin(np.pi * x) * np.exp(-y) + np.cos(x * y),
    "tan(x/3) + log(x) + sqrt(y)": lambda x, y: np.tan(x / 3) + np.log(x) + np.sqrt(y),
    "abs(x - 1) + sign(y - 2)*x": lambda x, y: abs(x - 1) - x,
    "tanh(x) + sinh(y)*cosh(x)": lambda x, y: np.tanh(x) + np.sinh(y) * np.cosh(x),
    "atan2(y, x) + erf(x*y)": lambda x, y: np.arctan2(y, x) + LIBRARY["erf"](x * y),
    "min(x, y) + max(x**2, 0.5)": lambda x, y: np.minimum(x, y) + np.maximum(x**2, 0.5),
    "where(x < y, x, y*heaviside(x - 1))": lambda x, y: np.where(x < y, x, y * np.heaviside(x - 1, 0.5)),
    "x**y + .5e1": lambda x, y: x**y + 5,
}


def constants(node: Node) -> Node:
    return substituted(node, {"pi": Node("number", value=math.pi)})


@pytest.mark.parametrize("text", FORMULAS)
def test_values_and_text(text: str) -> None:
    node = constants(parse_formula(text))
    for formula in (node, parse_formula(text_of(node))):
        found = evaluated(formula, {"x": X, "y": Y}, LIBRARY)
        np.testing.assert_allclose(found + 0 * X, FORMULAS[text](X, Y), rtol=1e-14)


@pytest.mark.parametrize("text", FORMULAS)
def test_derivatives_equal_differences(text: str) -> None:
    node = constants(parse_formula(text))
    by_x = derivative(node, lambda key: ONE if key == "x" else ZERO)
    found = evaluated(by_x, {"x": X, "y": Y}, LIBRARY) + 0 * X
    h = 1e-5
    expected = (FORMULAS[text](X + h, Y) - FORMULAS[text](X - h, Y)) / (2 * h)
    smooth = np.abs(X - 1) > 1e-3  # the kinks of abs and heaviside
    np.testing.assert_allclose(found[smooth], expected[smooth], rtol=1e-6, atol=1e-8)


def test_substitution_folds_constants() -> None:
    node = substituted(parse_formula("2*a + sin(a)*0 + x*(a - 1)"), {"a": ONE})
    assert node == parse_formula("2")
    assert substituted(parse_formula("x + y"), {"x": name("y")}).names() == {"y"}


HOSTILE = [
    ("", "column 1: the formula ends"),
    ("x +", "column 4: the formula ends"),
    ("u.real", "column 2: '.' is not allowed"),
    ("x^2", r"column 2: '\^'"),
    ("__import__('os')", "column 1: '_'"),
    ("x[0]", r"column 2: '\['"),
    ("lambda: 1", "column 7: ':'"),
    ("open(x)", "column 1: no function 'open'"),
    ("sinn(x)", "did you mean 'sin'"),
    ("sin(x, y)", "column 1: sin has 2 arguments, expected 1"),
    ("2 x", "column 3: 'x' is not expected"),
    ("(x", r"column 3: expected \) for the one opened in column 1"),
    ("x)", r"column 2: '\)'"),
    ("x = 1", "column 3: '='"),
    ("1e999", "column 1: the number 1e999 is too large"),
    ("x\0", r"column 2: '\\\\x00'"),
    ("ѕin(x)", "column 1"),  # a Cyrillic letter
    ("x\u00b2", "column 2"),
    ("1 < 2 < 3", "column 7: '<'"),
    ("('a')", 'column 2: "\'"'),
    ("x" * 2001, "2001 characters"),
    ("(" * 100 + "x" + ")" * 100, "column 65: the formula is nested"),
    ("-" * 1999 + "x", "nested"),
    ("2**" * 600 + "x", "nested"),
    ("+".join("x" * 600), "too many operations"),
    ("(" * 10**5, "100000 characters"),
]
WRAPPERS = ("{}", "x + {}", "sin({})", "({})*2", "{} + x", "-{}", "2**{}", "where(x < 1, {}, 0)")
MOST_CALLS = 60_000
"""Of Python functions, for one text: about 50 ms. The limits on characters, depth and operations bound it."""


@pytest.mark.parametrize(("text", "message"), HOSTILE)
def test_other_text_is_refused_with_its_column(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_formula(text)


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_text_from_strangers_takes_little_work(wrapper: str) -> None:
    """208 texts; none is evaluated, and the work is counted in calls, which do not depend on the machine."""
    longest = [("max(" + ",".join("x" * 900) + ")", ""), ("*".join("x" * 999), ""), ("1e" + "9" * 1900, "")]
    for text, _ in [*HOSTILE, *longest]:
        calls = 0

        def count(frame: FrameType, event: str, arg: Any) -> None:
            nonlocal calls
            calls += event in ("call", "c_call")

        before = sys.getprofile()
        sys.setprofile(count)
        try:
            with pytest.raises(UsageError, match=r"^column [0-9]+: "):
                parse_formula(wrapper.format(text))
        finally:
            sys.setprofile(before)
        assert 0 < calls < MOST_CALLS, text[:40]


@pytest.mark.parametrize("text", ["9**9**9", "1/0", "log(0)", "exp(1000)", "sqrt(0 - 1)", "(0-1)**0.5"])
def test_numbers_without_a_finite_value_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no finite value"):
        substituted(parse_formula(text), {})


def test_random_bytes_give_a_formula_or_one_error() -> None:
    letters = "x12.e+-*/()<>=, ysin_^'\"[]{}:;!\\\n\0\u00e9"
    rng = np.random.default_rng(0)
    messages = []
    for _ in range(2000):
        text = "".join(rng.choice(list(letters), size=rng.integers(0, 30)))
        try:
            parse_formula(text)
        except UsageError as error:
            messages.append(error.message)
    assert 1000 < len(messages) < 2000
    assert all(message.startswith("column ") for message in messages)
