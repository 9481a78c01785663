"""Expressions of shapes: what they mean, and hostile ones, which name the column."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inr.core.errors import UsageError
from inr.workflows.csg_expression import DEEPEST, LONGEST, MOST_NODES, Call, Name, Node, parse_expression


def _text(node: Node) -> str:
    if isinstance(node, Name):
        return node.text
    return f"{node.function}({', '.join([*map(_text, node.shapes), *(f'{n:g}' for n in node.numbers)])})"


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("a + b - c", "difference(union(a, b), c)"),
        ("a - (b + c)", "difference(a, union(b, c))"),
        ("a + b & c - d", "difference(union(a, intersection(b, c)), d)"),
        ("a.safetensors-b/c.x", "difference(a.safetensors, b/c.x)"),
        ("union(a, b, .5)", "union(a, b, 0.5)"),
        ("offset(a+b,-1e-1)", "offset(union(a, b), -0.1)"),
        ("sphere(1,2,-3,4) & 'my part-2'", "intersection(sphere(1, 2, -3, 4), my part-2)"),
        ("2nd", "2nd"),
        ('"sphere"', "sphere"),
        ("scale(a, 1, 2, 3)", "scale(a, 1, 2, 3)"),
    ],
)
def test_what_an_expression_means(text: str, meaning: str) -> None:
    assert _text(parse_expression(text)) == meaning


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "column 1: expected a model, a function or (, found the end"),
        ("a +", "column 4: expected a model, a function or (, found the end"),
        ("a b", "column 3: expected an operator (+ - &) or the end, found 'b'"),
        ("(a + b", "column 7: expected ), found the end"),
        ("a + b)", "column 6: expected an operator (+ - &) or the end, found ')'"),
        ("a ; b", "column 3: ';' is not part of an expression"),
        ("a + `id`", "column 5: '`' is not part of an expression"),
        ("a + 'b", 'column 5: "\'" is not part of an expression'),
        ("a + ''", "column 5: the name is empty, expected a model"),
        ("3", "column 1: expected a model, a function or (, found '3'"),
        ("spere(1,2,3,4)", "column 1: unknown function 'spere' (did you mean 'sphere'?)"),
        ("sphere(1,2,3)", "column 1: sphere takes x, y, z, radius, found 0 shapes and 3 numbers"),
        ("sphere(1,2,3,a)", "column 14: expected a number of at most 1e+15, found 'a'"),
        ("sphere(1,2,3,1e400)", "column 14: expected a number of at most 1e+15, found '1e400'"),
        ("sphere(1,2,3,nan)", "column 14: expected a number of at most 1e+15, found 'nan'"),
        ("offset(a)", "column 1: offset takes a shape and a distance, found 1 shapes and 0 numbers"),
        ("offset(a,)", "column 10: expected a number of at most 1e+15, found ')'"),
        ("offset(a 3)", "column 10: expected ,, found '3'"),
        ("offset(1, a)", "column 8: expected a model, a function or (, found '1'"),
        ("a" * (LONGEST + 1), f"the expression has {LONGEST + 1} characters, expected at most {LONGEST}"),
        ("(" * (DEEPEST + 2), f"column {DEEPEST + 2}: parts are nested more than {DEEPEST} deep"),
        ("shell(" * (DEEPEST + 2), f"nested more than {DEEPEST} deep"),
        ("+".join("a" * (MOST_NODES // 2 + 2)), f"the expression has more than {MOST_NODES} parts"),
        ("a\x00b", "is not part of an expression"),
    ],
)
def test_a_bad_expression_is_refused_with_its_column(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_expression(text)
    assert message in caught.value.message


@given(st.text(alphabet="ab+-&(),.'\"0123456789 e", max_size=40))
def test_any_text_is_a_tree_or_one_error(text: str) -> None:
    try:
        found = parse_expression(text)
    except UsageError:
        return
    assert isinstance(found, Name | Call)
    assert _text(parse_expression(text)) == _text(found)
