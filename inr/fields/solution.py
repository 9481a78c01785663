"""Solutions of boundary-value problems: a network of sines in float64 with conditions built into its formula.

Lagaris, Likas and Fotiadis 1998, doi:10.1109/72.712178: u = lift + factor * network, where the lift meets the
conditions and the factor is 0 where they hold. `inr solve` makes these fields; they are in model files, not in the list
of families.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Generator, Tensor, nn

from inr.core.config import param
from inr.core.domain import Spec
from inr.core.errors import UsageError
from inr.core.formula import Node, derivative, divide, multiply, name, number, parse_formula, substituted, subtract
from inr.core.tensor_formula import tensor_of
from inr.fields._field import FIELDS, Field, FieldConfig
from inr.kernels.jet_plan import JetPlan
from inr.kernels.pointwise import Pointwise, sines
from inr.kernels.sine_jet import sine_jet

TIME = "t"
STORED: Any = {"most_characters": 200_000, "most_nodes": 50_000, "most_depth": 100}
"""Limits of a formula in a model file, which is longer than what it was made from."""


@FIELDS.register("solution", is_listed=False)
@dataclass(frozen=True, kw_only=True)
class Solution(FieldConfig):
    """Solution of a boundary-value problem, made by inr solve: lift + factor * network, in float64."""

    paper: ClassVar[str] = "Lagaris, Likas and Fotiadis 1998, doi:10.1109/72.712178"

    axes: tuple[str, ...] = param(("x", "y"), "names of the coordinates")
    low: tuple[float, ...] = param((0.0, 0.0), "lower corner of the box, in the problem's units")
    high: tuple[float, ...] = param((1.0, 1.0), "upper corner of the box")
    periodic: tuple[str, ...] = param((), "axes along which the solution repeats")
    lift: tuple[str, ...] = param(("0",), "formula per channel that meets the conditions")
    factor: tuple[str, ...] = param(("1",), "formula per channel by which the network is multiplied")
    width: int = param(64, "units per hidden layer", ge=1, le=65536)
    depth: int = param(2, "hidden layers", ge=1, le=64)
    activation: Literal["sine", "tanh"] = param("sine", "function of the hidden layers")
    omega: float = param(1.0, "factor in the sines", gt=0)
    corners: tuple[str, ...] = param((), "formulas that are inputs too: what solutions are like at sharp corners")
    windows: int = param(
        1, "equal parts of the time t, each with a network that starts where the one before ends", ge=1
    )

    def build(self, spec: Spec, generator: Generator) -> SolutionField:
        d, c = len(self.axes), len(self.lift)
        if not (len(self.low) == len(self.high) == d == spec.d_in and len(self.factor) == c == spec.d_out):
            raise UsageError(f"a solution of {d} axes and {c} channels does not fit {spec.d_in} and {spec.d_out}")
        if any(a >= b for a, b in zip(self.low, self.high, strict=True)) or set(self.periodic) - set(self.axes):
            raise UsageError("the box or the periodic axes of the solution are not valid")
        if self.windows > 1 and (TIME not in self.axes or TIME in self.periodic):
            raise UsageError(f"a solution of {self.windows} windows has an axis {TIME} that is not periodic")
        return SolutionField(self, generator)


class SolutionField(Field):
    """weights, biases: of the network, float64. Its inputs are 2 (p - low) / (high - low) - 1 per axis, and cosine and
    sine of the angle for a periodic one; then the formulas of `corners`.

    A solution of several windows is the field of the last one, which has the others. Window k from t_k to t_(k+1) is

        u(x, t) = u_(k-1)(x, t_k) + lift(x, t) - lift(x, t_k) + factor(x, T) (t - t_k) / (t_(k+1) - t_k) network_k(x, t)

    with a factor that is 0 at the start and proportional to the time since; T is the end of the last window.
    """

    def __init__(
        self, config: Solution, generator: Generator, at: int | None = None, earlier: SolutionField | None = None
    ) -> None:
        """at: the window; None: the last. earlier: the field of the window before; None: a new one."""
        super().__init__()
        at = config.windows - 1 if at is None else at
        self.earlier = SolutionField(config, generator, at - 1) if at and earlier is None else earlier
        self.config: Solution = config
        self.d_in, self.d_out = len(config.axes), len(config.lift)
        self.smoothness, self.boundary = math.inf, "extend"
        n_inputs = self.d_in + len(config.periodic) + len(config.corners)
        widths = (n_inputs, *[config.width] * config.depth, self.d_out)
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for before, after in itertools.pairwise(widths):
            bound = (6 / (before + after)) ** 0.5
            for parameters, shape in ((self.weights, (after, before)), (self.biases, (after,))):
                numbers = 2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1
                parameters.append(nn.Parameter(bound * numbers))
        self._lifts, self._factors, self._corners = (
            [parse_formula(text, **STORED) for text in texts] for texts in (config.lift, config.factor, config.corners)
        )
        known = {*config.axes}
        for node in (*self._lifts, *self._factors, *self._corners):
            if node.names() - known:
                raise UsageError(f"a formula of the solution has unknown names {sorted(node.names() - known)}")
        self._low, self._high = config.low, config.high
        if config.windows > 1:
            self._enter(at)

    def _enter(self, at: int) -> None:
        """Take the formulas and the part of the time of a window."""
        axis, n = self.config.axes.index(TIME), self.config.windows
        start, end = self.config.low[axis], self.config.high[axis]
        edges = [start + (end - start) * k / n for k in (at, at + 1)]
        self._low = (*self._low[:axis], edges[0], *self._low[axis + 1 :])
        self._high = (*self._high[:axis], edges[1], *self._high[axis + 1 :])
        part = divide(subtract(name(TIME), number(edges[0])), number(edges[1] - edges[0]))
        self._factors = [multiply(substituted(node, {TIME: number(end)}), part) for node in self._factors]
        if at:
            self._lifts = [subtract(node, substituted(node, {TIME: number(edges[0])})) for node in self._lifts]

    @torch.no_grad()
    def load_weights(self, other: SolutionField) -> None:
        """Take the numbers of another network of the same shape."""
        for mine, given in zip([*self.weights, *self.biases], [*other.weights, *other.biases], strict=True):
            mine.copy_(given)

    @property
    def activations(self) -> list[Pointwise]:
        if self.config.activation == "tanh":
            return [Pointwise(torch.tanh, "tanh")] * self.config.depth
        return sines(*[self.config.omega] * self.config.depth)

    def forward(self, x: Tensor) -> Tensor:
        box = (self.config.low, self.config.high)
        low, high = (torch.tensor(corner, dtype=torch.float64, device=x.device) for corner in box)
        points = low + x.reshape(-1, self.d_in).double() * (high - low)
        values = self.jets(points, JetPlan(0))[0]
        return values.to(x.dtype).reshape(*x.shape[:-1], self.d_out)

    def jets(self, points: Tensor, plan: JetPlan) -> Tensor:
        """Value and derivatives [S, N, C] at points [N, D] in the problem's units, in float64.

        The first streams of the plan are the axes in order.
        """
        net = self.network(self.inputs(points, plan), plan)
        lift, factor = self.conditions(points, plan)
        return combine(lift, factor, net, plan)

    def network(self, inputs: Tensor, plan: JetPlan) -> Tensor:
        """Jets [S, N, C] of the network from those of its inputs."""
        return sine_jet(inputs, [*self.weights], [*self.biases], self.activations, plan)

    def inputs(self, points: Tensor, plan: JetPlan) -> Tensor:
        """Jets [S, N, K] of the network's inputs."""
        columns: list[Tensor] = []
        for axis, (key, low, high) in enumerate(zip(self.config.axes, self._low, self._high, strict=True)):
            jets = points.new_zeros((plan.n_streams, points.shape[0]))
            at = (points[:, axis] - low) / (high - low)
            rate = (2 * math.pi if key in self.config.periodic else 2.0) / (high - low)
            if key not in self.config.periodic:
                jets[0] = 2 * at - 1
                if axis < plan.n_first:
                    jets[1 + axis] = rate
                columns.append(jets)
                continue
            twin = jets.clone()
            c, s = torch.cos(2 * math.pi * at), torch.sin(2 * math.pi * at)
            jets[0], twin[0] = c, s
            if axis < plan.n_first:
                jets[1 + axis], twin[1 + axis] = -rate * s, rate * c
            for q, terms in enumerate(plan.seconds, 1 + plan.n_first):
                total = sum(factor for i, j, factor in terms if i == j == axis)
                jets[q], twin[q] = -(rate**2) * total * c, -(rate**2) * total * s
            columns += [jets, twin]
        columns += [self._jets_of(node, points, plan) for node in self._corners]
        return torch.stack(columns, -1)

    def conditions(self, points: Tensor, plan: JetPlan) -> tuple[Tensor, Tensor]:
        """Jets [S, N, C] of the lift and of the factor; before its window a field has the lift of the earlier one."""
        lift, factor = (
            torch.stack([self._jets_of(node, points, plan) for node in nodes], -1)
            for nodes in (self._lifts, self._factors)
        )
        if self.earlier is not None:
            early = points[:, self.config.axes.index(TIME)] < self._low[self.config.axes.index(TIME)]
            lift[:, ~early] += self._at_start(points[~early], plan)
            lift[:, early], factor[:, early] = self.earlier.jets(points[early], plan), 0.0
        return lift, factor

    def _at_start(self, points: Tensor, plan: JetPlan) -> Tensor:
        """Jets of the earlier field at the start of this window, where it does not depend on the time any more."""
        assert self.earlier is not None
        axis = self.config.axes.index(TIME)
        points = points.clone()
        points[:, axis] = self._low[axis]
        seconds = [tuple(term for term in terms if axis not in term[:2]) for terms in plan.seconds]
        kept = [q for q, terms in enumerate(seconds, 1 + plan.n_first) if terms]
        jets = self.earlier.jets(points, JetPlan(plan.n_first, tuple(terms for terms in seconds if terms)))
        found = jets.new_zeros(plan.n_streams, *jets.shape[1:])
        found[[*range(1 + plan.n_first), *kept]] = jets
        found[1 + axis : 1 + min(axis + 1, plan.n_first)] = 0
        return found

    def _jets_of(self, node: Node, points: Tensor, plan: JetPlan) -> Tensor:
        values = {key: points[:, axis] for axis, key in enumerate(self.config.axes)}
        firsts = [by_axis(node, self.config.axes[axis]) for axis in range(plan.n_first)]
        streams = [tensor_of(each, values, points[:, 0]) for each in (node, *firsts)]
        for terms in plan.seconds:
            parts = [c * tensor_of(by_axis(firsts[i], self.config.axes[j]), values, points[:, 0]) for i, j, c in terms]
            streams.append(torch.stack(parts).sum(0))
        return torch.stack(streams)


def by_axis(node: Node, axis: str) -> Node:
    """The derivative of a formula of the coordinates by one of them."""
    return derivative(node, lambda key: number(1 if key == axis else 0))


def combine(lift: Tensor, factor: Tensor, net: Tensor, plan: JetPlan) -> Tensor:
    """Jets of lift + factor * net, all [S, N, C], by the product rule."""
    streams = [lift[0] + factor[0] * net[0]]
    first = range(1, 1 + plan.n_first)
    streams += [lift[i] + factor[i] * net[0] + factor[0] * net[i] for i in first]
    for q, terms in enumerate(plan.seconds, 1 + plan.n_first):
        mixed = [c * (factor[1 + i] * net[1 + j] + factor[1 + j] * net[1 + i]) for i, j, c in terms]
        streams.append(lift[q] + factor[q] * net[0] + torch.stack(mixed).sum(0) + factor[0] * net[q])
    return torch.stack(streams)


def pulled_back(factor: Tensor, seeds: Tensor, plan: JetPlan) -> Tensor:
    """The cotangents [S, N, C] of net in `combine`, from those of its result."""
    found = factor[0] * seeds
    found[0] = (factor * seeds).sum(0)
    for q, terms in enumerate(plan.seconds, 1 + plan.n_first):
        for i, j, c in terms:
            found[1 + i] += c * factor[1 + j] * seeds[q]
            found[1 + j] += c * factor[1 + i] * seeds[q]
    return found
