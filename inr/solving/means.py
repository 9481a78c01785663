"""Conditions on means: mean(u) = 0 over the domain, or over one side of it."""

from __future__ import annotations

from inr.core.formula import CONSTANTS, Node, refused
from inr.solving.equation import SIDE_NORMALS, Scope

MEAN = "mean"


def has_mean(trees: list[Node]) -> bool:
    """Whether a mean occurs in a condition. trees: of its sides."""
    return any(node.op == MEAN for tree in trees for node in tree.walk())


def check_mean(trees: list[Node], scope: Scope) -> None:
    """Refuse all but numbers and multiples of means: of r = c_1 mean(f_1) + ... - c, the mean of c_1 f_1 + ... - c is
    the same number. Raises UsageError with the column.
    """
    for tree in trees:
        _holds_mean(tree, scope)


def _holds_mean(node: Node, scope: Scope) -> bool:
    """Whether a part has a mean, in which it is linear."""
    if node.op == MEAN:
        inner = next((each for arg in node.args for each in arg.walk() if each.op == MEAN), None)
        if inner is not None:
            raise refused(inner.at, "a mean inside of a mean")
        return True
    if node.op == "name":
        _check_name(node, scope)
        return False
    held = [_holds_mean(arg, scope) for arg in node.args]
    if not any(held) or node.op in ("+", "-", "neg") or (node.op == "/" and not held[1]):
        return any(held)
    if node.op == "*" and not all(held):
        return True
    raise refused(node.at, f"{node.op} of a mean, where multiples of means and numbers are expected", "mean(u) = 0")


def _check_name(node: Node, scope: Scope) -> None:
    """Refuse names that vary over the domain."""
    key = node.name
    if key in scope.parameters:
        varying = scope.parameters[key].names() - {*CONSTANTS}
        for other in sorted(varying):
            _check_name(Node("name", name=other, at=node.at), scope)
    elif key in scope.axes or key in SIDE_NORMALS or key.partition("_")[0] in scope.fields:
        raise refused(node.at, f"{key!r} is outside of mean(...), where numbers are expected", "mean(u) = 0")
