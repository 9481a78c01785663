"""A solution while it is found: the field, and the unknown numbers on scales without bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from inr.fields.solution import SolutionField
from inr.solving.inverse import Unknown
from inr.solving.nested import AnyField
from inr.solving.problem import Problem


@dataclass
class State:
    """field: the solution. raw: the unknown numbers, as logarithms where their bounds are positive."""

    field: AnyField
    raw: nn.Parameter
    unknowns: Mapping[str, Unknown]

    @classmethod
    def start(cls, field: AnyField, problem: Problem) -> State:
        values = [math.log(u.start) if u.is_logarithmic else u.start for u in problem.unknowns.values()]
        return cls(field, nn.Parameter(torch.tensor(values, dtype=torch.float64)), problem.unknowns)

    @property
    def network(self) -> SolutionField:
        """The field, of a network of sines or tanh."""
        assert isinstance(self.field, SolutionField)
        return self.field

    @property
    def numbers(self) -> dict[str, float]:
        """The unknown numbers, within their bounds."""
        found = {}
        for (key, unknown), raw in zip(self.unknowns.items(), self.raw.tolist(), strict=True):
            value = math.exp(min(raw, 700.0)) if unknown.is_logarithmic else raw
            found[key] = min(max(value, unknown.low), unknown.high)
        return found

    def differentiable_numbers(self) -> dict[str, Tensor]:
        """The unknown numbers as functions of `raw`."""
        found = {}
        for at, (key, unknown) in enumerate(self.unknowns.items()):
            value = self.raw[at].clamp_max(700.0).exp() if unknown.is_logarithmic else self.raw[at]
            found[key] = value.clamp(unknown.low, unknown.high)
        return found

    def keep_within_bounds(self) -> None:
        """Move raw numbers that left their bounds back to them."""
        with torch.no_grad():
            for at, (key, unknown) in enumerate(self.unknowns.items()):
                value = self.numbers[key]
                self.raw[at] = math.log(value) if unknown.is_logarithmic else value

    def slopes(self) -> Tensor:
        """The derivatives [K] of the numbers by `raw`."""
        values = self.numbers
        slopes = [values[key] if unknown.is_logarithmic else 1.0 for key, unknown in self.unknowns.items()]
        return torch.tensor(slopes, dtype=torch.float64)
