"""The table of rules: module type -> the ops that a module of this type calculates."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from torch import nn

from inr.core.errors import UsageError
from inr.exporters.builder import Value
from inr.fields import Field
from inr.layers import Linear

Rule = Callable[..., Value]
R = TypeVar("R", bound=Rule)

_RULES: dict[type[nn.Module], Rule] = {}


def lowers(*kinds: type[nn.Module]) -> Callable[[R], R]:
    """Register a function (module, *values) -> value as the lowering rule for exactly these module types."""

    def add(rule: R) -> R:
        _RULES.update(dict.fromkeys(kinds, rule))
        return rule

    return add


def apply(module: nn.Module, *values: Value) -> Value:
    """Apply the lowering rule of a module. Raises UsageError if its type has none."""
    if isinstance(module, Linear) and len(values) == 1:
        return values[0].dense(*module.effective())
    rule = _RULES.get(type(module))
    if rule is None:
        name = repr(module.config.type_name) if isinstance(module, Field) else f"with {type(module).__name__}"
        raise UsageError(
            f"field {name} has no operations for this format",
            "use the format pt2, or convert it to another family first: `inr convert`",
        )
    return rule(module, *values)


def product(row: Value, matrix: Value) -> Value:
    """row [N, R] times matrix [N, R R'], row by row."""
    n = matrix.width // row.width
    return (row.select([i for i in range(row.width) for _ in range(n)]) * matrix).sum(row.width)
