"""Solutions that are fields of any family: their derivatives by nested automatic differentiation."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from inr.core.domain import Spec
from inr.core.errors import UsageError
from inr.core.samples import DataDependentInit
from inr.fields import Field
from inr.fields.solution import SolutionField
from inr.kernels.jet_plan import JetPlan
from inr.solving.problem import Problem


class NestedField:
    """A field f of any family over the box of a problem: u(p) = f((p - low) / (high - low)), without built-in
    conditions. It is evaluated in the precision of its parameters.
    """

    def __init__(self, family: Field, low: Sequence[float], high: Sequence[float]) -> None:
        self.family = family
        self._low, self._high = tuple(low), tuple(high)

    def in_float64(self) -> NestedField:
        """The same field, evaluated in float64."""
        return NestedField(copy.deepcopy(self.family).double(), self._low, self._high)

    @property
    def is_float32(self) -> bool:
        return all(p.dtype == torch.float32 for p in self.trained)

    @torch.no_grad()
    def round_parameters(self) -> None:
        """Give all parameters values of float32, which model files hold, whatever their type."""
        for parameter in self.family.parameters():
            parameter.copy_(parameter.float())

    @property
    def trained(self) -> list[torch.nn.Parameter]:
        return [p for p in self.family.parameters() if p.requires_grad]

    def jets(self, points: Tensor, plan: JetPlan) -> Tensor:
        """Value and derivatives [S, N, C] at points [N, D] in the problem's units, float64; differentiable by the
        parameters where gradients are on. The first streams of the plan are the axes in order.
        """
        low = points.new_tensor(self._low)
        extent = points.new_tensor(self._high) - low
        dtype = next((p.dtype for p in self.family.parameters() if p.is_floating_point()), torch.float32)
        is_differentiable = torch.is_grad_enabled()
        with torch.enable_grad():
            x = ((points.detach() - low) / extent).to(dtype).requires_grad_()
            values = self.family(x)
            jets = torch.stack([_streams(values[:, c], x, extent, plan) for c in range(values.shape[1])], -1)
        return jets if is_differentiable else jets.detach()

    def inputs(self, points: Tensor, plan: JetPlan) -> Tensor:
        """[1, N, D]: what `network` takes."""
        return points[None]

    def network(self, inputs: Tensor, plan: JetPlan) -> Tensor:
        """Jets [S, N, C] from `inputs`."""
        return self.jets(inputs[0], plan)

    def conditions(self, points: Tensor, plan: JetPlan) -> tuple[Tensor, Tensor]:
        """Jets [S, N, C] of a lift that is 0 and a factor that is 1."""
        lift = points.new_zeros(plan.n_streams, points.shape[0], self.family.d_out)
        factor = lift.clone()
        factor[0] = 1
        return lift, factor


AnyField = SolutionField | NestedField


def _streams(values: Tensor, x: Tensor, extent: Tensor, plan: JetPlan) -> Tensor:
    """The streams [S, N] of one channel."""
    streams = [values.double()]
    if plan.n_first:
        firsts = _slope(values, x) / extent
        streams += [firsts[:, axis] for axis in range(plan.n_first)]
        rows = {i: _slope(firsts[:, i], x) / extent for i in {i for terms in plan.seconds for i, _, _ in terms}}
        streams += [torch.stack([c * rows[i][:, j] for i, j, c in terms]).sum(0) for terms in plan.seconds]
    return torch.stack(streams)


def _slope(values: Tensor, x: Tensor) -> Tensor:
    """The derivatives [N, D] of values [N], each by its own point."""
    if not values.requires_grad:
        return torch.zeros_like(x)
    (slope,) = torch.autograd.grad(values.sum(), x, create_graph=True, materialize_grads=True)
    return slope


def check_field(problem: Problem) -> None:
    """Refuse what a chosen family of fields cannot have: other methods than descents, and built-in conditions."""
    settings = problem.settings
    if settings.field is None:
        if settings.precision == "float32":
            raise UsageError(
                "precision is 'float32', and the own networks of inr solve have float64",
                "leave it out, or name a field: it is for solve.field",
            )
        return
    family = settings.field.type_name
    reasons = {
        f"method is {settings.method!r}": settings.method in ("least_squares", "gauss_newton"),
        "eigenvalues are wanted": problem.states > 0,
        f"windows is {settings.windows}": settings.windows > 1,
        f"{', '.join(problem.domain.periodic)} is periodic": bool(problem.domain.periodic),
        "balance is 'ntk'": settings.balance == "ntk",
        "a condition has hard = true": any(condition.is_hard for condition in problem.conditions),
    }
    found = [reason for reason, holds in reasons.items() if holds]
    if found:
        raise UsageError(
            f"{found[0]}, which is for the own networks of inr solve, and the field is {family!r}: "
            "other fields are trained by adam or soap, with conditions as losses",
            "leave out the field, or this setting",
        )


def nested_field(problem: Problem, spec: Spec, generator: Generator) -> NestedField:
    """A new field of the family that the settings choose.

    Raises UsageError where it lacks a derivative that a formula takes, or starts from samples.
    """
    assert problem.settings.field is not None
    config = problem.settings.field.resolve(spec)
    field = config.build(spec, generator)
    letters = max(sorted(letters for _, letters in problem.streams), key=len, default="")
    if len(letters) > field.smoothness:
        what = f"u_{letters}" if len(problem.scope.channels) > 1 else f"{problem.scope.channels[0]}_{letters}"
        raise UsageError(
            f"{what} is a derivative of order {len(letters)}, and this {config.type_name!r} field is smooth to order "
            f"{field.smoothness:g} only",
            "take a smooth field (gauss, siren; finer with field.activation.has_scale_gradient=true), or leave it out",
        )
    if config.starts_from_signal(spec) or any(isinstance(part, DataDependentInit) for part in field.modules()):
        raise UsageError(
            f"this {config.type_name!r} field starts from the samples of a signal, and an equation has none",
            "take another field (gauss, siren), or leave it out",
        )
    is_long = problem.settings.precision == "float64"
    return NestedField(field.double() if is_long else field, problem.domain.low, problem.domain.high)
