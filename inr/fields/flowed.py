"""A distance function that a vector field carries along: f(x, t) = f(x_0), from where the point x comes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from inr.core.config import param
from inr.core.domain import Spec
from inr.core.errors import UsageError
from inr.core.formula import CONSTANTS, Node, number, parse_formula, substituted
from inr.core.tensor_formula import tensor_of
from inr.fields._composed import ComposedField, check_composed
from inr.fields._field import FIELDS, Field, FieldConfig

NAMES = ("x", "y", "z", "t")


@FIELDS.register("flowed", is_listed=False)
@dataclass(frozen=True, kw_only=True)
class Flowed(FieldConfig):
    """f(x, t) = f(phi(x)): phi follows dp/ds = v(p, s) from p = x at s = t back to s = 0, by Runge-Kutta steps.

    That solves f_t + v . grad f = 0 without training. Steps are of order 4, the level sets are carried exactly up to
    their error; values stay distances only if the flow is rigid. v is in the units of the shape: three formulas of
    x, y, z and t.
    """

    paper: ClassVar[str] = "Osher and Sethian 1988, doi:10.1016/0021-9991(88)90002-2"

    base: FieldConfig | None = param(None, "the field at time 0, in the same unit box")
    velocity: tuple[str, ...] = param(("0", "0", "0"), "three formulas of x, y, z and t")
    time: float = param(0.0, "t")
    steps: int = param(16, "Runge-Kutta steps", ge=1, le=4096)
    low: tuple[float, ...] = param((0.0, 0.0, 0.0), "corner of the box, in the units of the shape")
    side: float = param(1.0, "of the box, in the units of the shape", gt=0)

    def resolve(self, spec: Spec) -> Flowed:
        check_composed(self, spec, self.base)
        if len(self.low) != 3:
            raise UsageError(f"flowed.low has {len(self.low)} numbers, expected 3")
        velocity_of(self.velocity)
        return super().resolve(spec)

    def build(self, spec: Spec, generator: Generator) -> Field:
        assert self.base is not None
        return FlowedField(self, self.base.build(spec, generator))


class FlowedField(ComposedField):
    """base: the field at time 0."""

    def __init__(self, config: Flowed, base: Field) -> None:
        super().__init__()
        self.config: Flowed = config
        self.base = base
        self.smoothness = base.smoothness
        self.boundary = "extend"
        self._velocity = velocity_of(config.velocity)

    def forward(self, x: Tensor) -> Tensor:
        c = self.config
        low = x.new_tensor(c.low)
        p = carried(self._velocity, x * c.side + low, c.time, 0.0, c.steps)
        return self.base((p - low) / c.side)

    def fold(self) -> Field:
        base = self.base.fold()
        return FlowedField(dataclasses.replace(self.config, base=base.config), base)


def velocity_of(texts: Sequence[str]) -> tuple[Node, ...]:
    """The formulas of a vector field. Raises UsageError, with the column, for other texts than three of x, y, z, t."""
    if len(texts) != 3:
        raise UsageError(f"the flow has {len(texts)} formulas, expected 3: of x, y and z", 'for example "-y, x, 0"')
    found = []
    for axis, text in zip("xyz", texts, strict=True):
        try:
            node = parse_formula(text)
        except UsageError as error:
            raise UsageError(f"the flow along {axis}, {error.message}", error.hint) from error
        node = substituted(node, {name: number(value) for name, value in CONSTANTS.items()})
        unknown = sorted(node.names() - set(NAMES))
        if unknown:
            raise UsageError(f"the flow along {axis} has the name {unknown[0]!r}, expected x, y, z or t")
        found.append(node)
    return tuple(found)


def formulas_of(text: str) -> tuple[str, ...]:
    """The parts of `-y, x, 0` between commas that are not within parentheses."""
    parts, depth = [""], 0
    for letter in text:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return tuple(part.strip() for part in parts)


def speed_at(velocity: Sequence[Node], p: Tensor, time: float) -> Tensor:
    """The vectors [*B, 3] at points [*B, 3]."""
    values = {name: p[..., k] for k, name in enumerate("xyz")} | {"t": p.new_tensor(time)}
    return torch.stack([tensor_of(node, values, p[..., 0]) for node in velocity], dim=-1)


def carried(velocity: Sequence[Node], p: Tensor, start: float, end: float, steps: int) -> Tensor:
    """Points [*B, 3] at time `end` that are at p at time `start`; Runge-Kutta of order 4."""

    step = (end - start) / steps
    for n in range(steps):
        t = start + n * step
        a = speed_at(velocity, p, t)
        b = speed_at(velocity, p + step / 2 * a, t + step / 2)
        c = speed_at(velocity, p + step / 2 * b, t + step / 2)
        d = speed_at(velocity, p + step * c, t + step)
        p = p + step / 6 * (a + 2 * b + 2 * c + d)
    return p
