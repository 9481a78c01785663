"""Problem files: read, checked and refused in one clear line."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from inr.core.config import read_toml
from inr.core.errors import InrError, UnreadableError, UsageError
from inr.core.formula import parse_formula
from inr.solving.examples import EXAMPLES
from inr.solving.problem import Problem

BOX = {"x": (0, 1), "y": (0, 1)}
WALLS = [{"on": "boundary", "equation": "u = 0"}]
EXACT = {
    "-lap(u) = 2*pi**2*sin(pi*x)*sin(pi*y)": "sin(pi*x)*sin(pi*y)",
    "lap(u) + 4*u = 0": "sin(2*x)",
    "u_xx = -4*pi**2*sin(2*pi*x) - 250*pi**2*sin(50*pi*x)": "sin(2*pi*x) + 0.1*sin(50*pi*x)",
    "lap(u) = 0": "x**3 - 3*x*y**2",
    "div((1 + 0.5*sin(2*pi*x)*sin(2*pi*y))*grad(u)) = -2*pi**2*(1 + 0.5*sin(2*pi*x)*sin(2*pi*y))*sin(pi*x)*sin(pi*y)"
    " + pi**2*(cos(2*pi*x)*sin(2*pi*y)*cos(pi*x)*sin(pi*y) + sin(2*pi*x)*cos(2*pi*y)*sin(pi*x)*cos(pi*y))":
    "sin(pi*x)*sin(pi*y)",
}  # fmt: skip


@pytest.mark.parametrize("equation", EXACT)
def test_exact_solutions_have_no_residual(equation: str) -> None:
    """Closed forms T1, T2, T4, T8 and T26 of the handbook satisfy the equations as they are read."""
    problem = Problem.of(equation, BOX, [{"on": "boundary", "equation": "u = x"}])
    points = torch.rand(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    (found,) = problem.residual_of({"u": problem.scope.formula(EXACT[equation]).re}, points)
    assert found.abs().max() < 1e-9
    (other,) = problem.residual_of({"u": problem.scope.formula(EXACT[equation] + " + x**2*y**2").re}, points)
    assert other.abs().max() > 1e-3


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_are_problems_and_their_solutions_are_exact(name: str) -> None:
    problem = Problem.of_document(read_toml(EXAMPLES[name].encode(), name))
    assert Problem.of_document(read_toml(problem.text.encode(), name)).residuals == problem.residuals
    points = problem.domain.inside(50, torch.Generator().manual_seed(0)).x
    if problem.exact:
        found = problem.residual_of(problem.exact, points)
        assert max(float(each.abs().max()) for each in found) < 1e-9
    assert problem.is_linear == (name not in ("burgers.toml", "flow.toml"))


def test_properties() -> None:
    starts = [{"on": "start", "equation": text} for text in ("u = x", "u_t = 0")]
    problem = Problem.of("u_tt = c**2*lap(u)", {**BOX, "t": (0, 2)}, [*WALLS, *starts], parameters={"c": 2})
    assert problem.order_of("t") == 2
    assert problem.is_linear
    assert problem.floating == []
    assert Problem.of("lap(u) = 1", BOX, [{"on": "boundary", "equation": "dn(u) = 0"}]).floating == ["u"]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, r"0 axes"),
        ({"axes": {"x": [0, 1]}}, "no equation"),
        ({"axes": {"t": [0, 1]}, "problem": {"equation": "u_t = u"}}, "the only axis is t"),
        ({"axes": {"x": [1, 0]}, "problem": {"equation": "u_x = 1"}}, r"axis x is \[1, 0\]"),
        ({"axes": {"e": [0, 1]}, "problem": {"equation": "u_x = 1"}}, "an axis is called 'e'"),
        ({"axes": {"x": [0, 1]}, "problem": {"equation": "u_xx = nu"}}, "1 equation for 2 unknown fields"),
        ({"axes": {"x": [0, 1]}, "problem": {"equation": "u_xx = 1"}}, 'no condition on side "left"'),
        ({"axes": {"x": [0, 1]}, "problem": {"equation": "x = 1"}}, "no unknown field"),
        ({"axs": {}}, r"unknown table \[axs\] \(did you mean 'axes'"),
        ({"problem": {"equatoin": "u"}}, r"unknown entry 'equatoin' \(did you mean 'equation"),
        ({"condition": {"on": "left"}}, r"write \[\[condition\]\]"),
        ({"data": {"k": 3}, "axes": {"x": [0, 1]}, "problem": {"equation": "u_xx = k"}}, "data k is 3, expected"),
        ({"problem": {"kind": "picture", "task": "clone"}}, "this is a picture problem"),
        ({"problem": {"kind": "modes", "equation": "u"}}, "kind is 'modes'"),
        ({"axes": {"x": [0, 1]}, "problem": {"equation": "u_xx = 1"}, "parameters": {"u": 1}}, "no unknown field"),
        ({"axes": {"x": [0, 1]}, "problem": {"equation": "u_xx = a"}, "fields": {"u": 1}}, "field u is 1"),
        ({"axes": {"x": [0, 1]}, "problem": {"equation": "u_xx = 1"}, "solve": {"widht": 3}}, "unknown setting"),
        ({"axes": {"x": [0, 1]}, "problem": {"equation": "u_xx = 1", "periodic": "y"}}, "periodic is"),
        ({"axes": {"x": [0, 1]}, "problem": {"equation": "u_xx = 1"}, "unknowns": {"k": {"low": 1}}}, "unknown k is"),
        ({"axes": {"x": [0, 1]}, "problem": {"equation": "__import__('os')"}}, "equation 1, column 1: '_'"),
        ({"axes": {"x": [0, 1]}, "problem": {"equation": "u_xx = 1"}, "reference": {"exact": "u"}}, "exact solution"),
        ({"axes": {"x": [0, 1]}, "problem": {"equation": "u_xx = 1"}, "observed": [{"file": "a.csv"}]}, "needs a file"),
        ({"axes": {"x": [0, 1]}, "problem": {"equations": 3}}, "the equations are 3, expected text"),
        ({"axes": {"x": [0, 1]}, "problem": {"equation": "u_xx = 1", "periodic": 4}}, "periodic is 4, expected a text"),
        ({"axes": {"x": [0, 1]}, "problem": {"equation": "u_xx = 1"}, "reference": {"exact": 3}}, "exact is 3"),
        ({"axes": {"x": [0, 1]}, "problem": {"equation": "u_xx = 1"}, "reference": {"exact": ["x"]}}, "exact is"),
        ({"axes": {"x": [0, 1]}, "problem": {"equation": "u_xx = 1"}, "unknowns": {"k": {"start": "a"}}}, "numbers"),
        (
            {"axes": {"x": [0, 1]}, "problem": {"equation": "u_xx = 1"}, "fields": {"u": {"complex": "no"}}},
            "field u is",
        ),
        (
            {
                "axes": {"x": [0, 1]},
                "problem": {"equation": "u_xx = 1"},
                "unknowns": {"k": {"start": 1}},
                "condition": WALLS,
            },
            "unknown k is in no equation",
        ),
        (
            {"axes": {"x": [0, 1]}, "problem": {"equation": "-u_xx = E*u", "kind": "eigen"}, "parameters": {"E": 3}},
            "names with two meanings: E",
        ),
    ],
)
def test_documents_that_are_refused(document: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Problem.of_document(document)


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ([{"on": "lft", "equation": "u = 0"}], r"condition 1 is on 'lft' \(did you mean 'left'"),
        ([{"on": "left", "equation": "u = v"}], "condition 1, column 5: unknown name 'v'"),
        ([{"on": "left", "equation": "x = 0"}], "has no unknown field"),
        ([{"on": "left"}], "no entry 'equation'"),
        ([{"on": 3, "equation": "u = 0"}], "condition 1, on is 3, expected a text"),
        ([{"on": [3], "equation": "u = 0"}], r"condition 1, on is \[3\], expected a text"),
        ([{"on": [], "equation": "u = 0"}], "condition 1 is on an empty list"),
        ([{"on": "left", "equation": "u = 0", "hard": "yes"}], "hard = 'yes'"),
        ([{"on": ["left", "right", "bottom"], "equation": "u = 0"}], 'no condition on side "top": the solution is not'),
    ],
)
def test_conditions_that_are_refused(conditions: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Problem.of("lap(u) = 1", BOX, conditions)


def test_the_start_has_no_normal() -> None:
    """dn(u) would be 0 there, and the condition empty."""
    start = [{"on": "start", "equation": text} for text in ("u = x", "dn(u) = 0")]
    with pytest.raises(
        UsageError, match="condition 2 has the normal of the boundary, which the start of the time lacks"
    ):
        Problem.of("u_tt = u_xx", {"x": (0, 1), "t": (0, 1)}, [*start, *WALLS])


def test_values_that_are_given_twice_are_refused() -> None:
    conditions = [{"on": "left", "equation": "u = 0"}, {"on": "left", "equation": "2*u = 1"}, *WALLS]
    with pytest.raises(UsageError, match="u is given twice on side \"left\": 'u = 0' and '2\\*u = 1'"):
        Problem.of("lap(u) = 1", BOX, conditions)


SIDES = {"on": "boundary", "equation": "u = 0"}
PLATE = ["lap(w) = m", "lap(m) = 1"]
FLOW = ["u*u_x + v*u_y = -p_x + lap(u)", "u*v_x + v*v_y = -p_y + lap(v)", "u_x + v_y = 0"]


@pytest.mark.parametrize(
    ("equation", "axes", "conditions", "message"),
    [
        ("u_tt = u_xx", {"x": (0, 1), "t": (0, 1)}, [SIDES, {"on": "start", "equation": "u = sin(pi*x)"}],
         '1 condition on "start" and "end", and the equations need 2'),
        (["u_t = v", "v_t = u_xx"], {"x": (0, 1), "t": (0, 1)}, [SIDES, {"on": "start", "equation": "u = x"}],
         '1 condition on "start" and "end", and the equations need 2'),
        (PLATE, BOX, [{"on": "boundary", "equation": "w = 0"}], '1 condition on "left", and the equations need 2'),
        (FLOW, BOX, [{"on": "boundary", "equation": "u = y"}], '1 condition on "left", and the equations need 2'),
        ("lap(E) + E = 1", BOX, [{"on": "boundary", "equation": "re(E) = 0"}], '1 condition on "left"'),
        ("u_xx = 1", {"x": (0, 1)}, [{"on": "left", "equation": "u = 0"}], '1 condition on "left" and "right"'),
    ],
)  # fmt: skip
def test_fewer_conditions_than_the_equations_need(equation: Any, axes: Any, conditions: Any, message: str) -> None:
    tables = {"fields": {"E": {"complex": True}}} if "E" in equation else {}
    with pytest.raises(UsageError, match=message) as error:
        Problem.of(equation, axes, conditions, **tables)
    assert "the solution is not unique" in error.value.message


@pytest.mark.parametrize(
    ("equation", "axes", "conditions"),
    [
        ("u_xx = 1", {"x": (0, 1)}, [{"on": "left", "equation": "u = 0"}, {"on": "left", "equation": "u_x = 0"}]),
        (PLATE, BOX, [{"on": "boundary", "equation": "w = 0"}, {"on": "boundary", "equation": "dn(w) = 0"}]),
        (FLOW, BOX, [{"on": "boundary", "equation": "u = y"}, {"on": "boundary", "equation": "v = 0"}]),
        (["u_t + v_t = u_xx", "v = u**2"], {"x": (0, 1), "t": (0, 1)}, [SIDES, {"on": "start", "equation": "u = x"}]),
        ("u_t + u_x = 0", {"x": (0, 1), "t": (0, 1)},
         [{"on": "left", "equation": "u = 0"}, {"on": "start", "equation": "u = x"}]),
    ],
)  # fmt: skip
def test_as_many_conditions_as_the_equations_need(equation: Any, axes: Any, conditions: Any) -> None:
    assert Problem.of(equation, axes, conditions).conditions


def test_the_first_condition_of_a_side_wins() -> None:
    problem = Problem.of("lap(u) = 1", BOX, [{"on": "top", "equation": "u = 1"}, *WALLS])
    assert problem.conditions[1].sides == ("left", "right", "bottom")


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "heat.toml"
    body = (
        '[problem]\nequation = "u_t = kappa*u_xx"\n[axes]\nx = [0, 1]\nt = [0, 1]\n[unknowns]\n'
        "kappa = { start = 1, low = 0.1, high = 9 }\n"
    )
    path.write_text(body + '[[observed]]\nfile = "probe.csv"\n')
    (tmp_path / "probe.csv").write_text("x,t,u\n0.1,0.2,3\n0.5,0.5,4\n")
    problem = Problem.load(path)
    assert problem.observed[0].y.tolist() == [3, 4]
    assert problem.unknowns["kappa"].high == 9
    assert not problem.is_linear
    for text, message in (("x,u\n1,2\n", "expected x, t and a field"), ("x,t,u\n", "no rows"),
                          ("x,t,u\n1,2,3\n\n1,2,z\n", "'z' in line 4, expected numbers"),
                          ("x;t;u\n1;2;3\n", "expected commas"), ("x,t,u\n1,2,\n", "'' in line 2"),
                          ("x,t,q\n1,2,3\n", "column 'q'"), ("x,t,u\n1,2,nan\n", "not finite"),
                          ("x,t,u\n1,2\n", "2 values in line 2, expected 3")):  # fmt: skip
        (tmp_path / "probe.csv").write_text(text)
        with pytest.raises(UnreadableError, match=message):
            Problem.load(path)
    (tmp_path / "probe.csv").write_text("x,t,u\n0.1,0.2,3\n\n0.5,0.5,4\n\n")
    assert Problem.load(path).observed[0].y.tolist() == [3, 4]
    (tmp_path / "probe.csv").write_text("x,t,u\n0.1,0.2,3\n0.5,7,4\n")
    with pytest.raises(UsageError, match=r"1 values outside the axes, the first at \(0.5, 7\)"):
        Problem.load(path)
    path.write_text(body + '[[observed]]\nfile = "../probe.csv"\n')
    with pytest.raises(UsageError, match="outside the folder"):
        Problem.load(path)
    for text in ("[problem", "a = 1"):
        path.write_text(text)
        with pytest.raises(InrError):
            Problem.load(path)
    with pytest.raises(UnreadableError, match="cannot be read"):
        Problem.load(tmp_path / "none.toml")


def test_a_parameter_may_be_a_formula() -> None:
    problem = Problem.of("u_xx = a", {"x": (0, 1)}, WALLS, parameters={"a": "b**2", "b": 3})
    assert problem.residuals == Problem.of("u_xx = 9", {"x": (0, 1)}, WALLS).residuals
    assert parse_formula("9") == parse_formula("9.0")


def test_ends_of_axes_are_numbers_or_formulas() -> None:
    walls = {"on": "boundary", "equation": "u = 0"}
    problem = Problem.of("u_xx = -sin(x)", {"x": ("-pi/2", "2*pi")}, [walls])
    assert problem.domain.shape.low == (-math.pi / 2,)
    assert problem.domain.shape.high == (2 * math.pi,)


def test_the_tables_output_and_reference() -> None:
    square, walls = {"x": (0, 1), "y": (0, 1)}, [{"on": "boundary", "equation": "u = 0"}]
    tables: dict[str, Any] = {"output": {"vti": "u.vti", "png": "a plate.png"}, "reference": {"solver": "fd", "n": 32}}
    problem = Problem.of("lap(u) = -1", square, walls, **tables)
    assert (problem.outputs, problem.cells) == (("u.vti", "a plate.png"), 32)
    refused: tuple[dict[str, Any], ...] = (
        {"output": {"vti": "../u.vti"}},
        {"output": {"vti": "/tmp/u.vti"}},
        {"output": {"vti": "u.png"}},
        {"output": {"vti": 3}},
        {"output": {"stl": "u.stl"}},
        {"reference": {"solver": "fem"}},
        {"reference": {"solver": "fd", "n": "many"}},
    )
    for each in refused:
        with pytest.raises(UsageError, match=r"output|reference"):
            Problem.of("lap(u) = -1", square, walls, **each)


def test_a_causal_order_is_switched_on_or_has_a_weight() -> None:
    for given, weight in ((True, 1.0), (False, 0.0), (3.5, 3.5)):
        problem = Problem.of(
            "u_t = u_xx",
            {"x": (0, 1), "t": (0, 1)},
            [{"on": "start", "equation": "u = 0"}, {"on": ["left", "right"], "equation": "u = 1"}],
            solve={"causal": given},
        )
        assert problem.settings.causal == weight
