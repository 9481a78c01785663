"""The field of a solution: its derivatives, its conditions, and its file."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from inr.core.config import parse
from inr.core.domain import Spec
from inr.core.errors import UsageError
from inr.core.formula import parse_formula, text_of
from inr.fields import FIELDS, FieldConfig
from inr.fields.solution import Solution, SolutionField, by_axis, combine, pulled_back
from inr.kernels.sine_jet import JetPlan
from tests.assertions import assert_near

CONFIG = Solution(
    axes=("x", "t"),
    low=(-1.0, 0.0),
    high=(1.0, 2.0),
    lift=("sin(x) * t", "0.0"),
    factor=("t * (1 - x**2)", "1.0"),
    width=12,
)
PLAN = JetPlan(2, (((0, 0, 1.0),), ((0, 1, 1.0),), ((1, 1, 1.0),)))


def build(config: Solution) -> SolutionField:
    field = config.build(Spec("array", len(config.axes), len(config.lift), (8,) * len(config.axes)), torch.Generator())
    assert isinstance(field, SolutionField)
    return field


@pytest.mark.parametrize("periodic", [(), ("x",), ("x", "t")])
@pytest.mark.parametrize("activation", ["sine", "tanh"])
def test_jets_equal_autograd(periodic: tuple[str, ...], activation: str) -> None:
    config = dataclasses.replace(CONFIG, periodic=periodic, activation=activation)  # type: ignore[arg-type]  # a name
    field = build(config)
    points = torch.rand(10, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    for c in range(2):
        value = field.jets(points, JetPlan(0))[0][:, c]
        (first,) = torch.autograd.grad(value.sum(), points, create_graph=True)
        seconds = [torch.autograd.grad(first[:, i].sum(), points, retain_graph=True)[0] for i in range(2)]
        expected = torch.stack([value, *first.T, seconds[0][:, 0], seconds[0][:, 1], seconds[1][:, 1]])
        assert_near(field.jets(points, PLAN)[..., c].detach(), expected.detach(), 1e-11)


def test_conditions_hold_exactly_and_axes_repeat() -> None:
    field = build(dataclasses.replace(CONFIG, lift=("sin(x)", "t"), factor=("t", "t"), periodic=("x",)))
    x = torch.tensor([[0.1, 0.0], [0.9, 0.0]], dtype=torch.float64)  # t = 0 in the unit box
    assert_near(field(x)[:, 0], torch.sin(2 * x[:, 0] - 1), 1e-15)
    other = build(dataclasses.replace(CONFIG, lift=("0", "0"), factor=("1", "1"), periodic=("x",)))
    assert_near(other(x), other(x + torch.tensor([1.0, 0.0], dtype=torch.float64)), 1e-14)
    assert other(x.float()).dtype == torch.float32


def test_cotangents_of_the_product_rule() -> None:
    generator = torch.Generator().manual_seed(2)
    lift, factor, net, seeds = torch.randn(4, 6, 5, 2, generator=generator, dtype=torch.float64)
    (expected,) = torch.autograd.grad(combine(lift, factor, net.requires_grad_(), PLAN), net, seeds)
    assert_near(pulled_back(factor, seeds, PLAN), expected, 1e-13)


def test_files_find_it_and_lists_do_not() -> None:
    assert "solution" not in list(FIELDS)
    assert "solution" in FIELDS
    again = parse(FieldConfig, CONFIG.to_json(), "field")
    assert again == CONFIG
    with pytest.raises(UsageError, match="unknown names"):
        build(dataclasses.replace(CONFIG, lift=("q", "0")))
    with pytest.raises(UsageError, match="column"):
        build(dataclasses.replace(CONFIG, lift=("__import__('os')", "0")))
    with pytest.raises(UsageError, match="not valid"):
        build(dataclasses.replace(CONFIG, low=(1.0, 0.0)))
    with pytest.raises(UsageError, match="does not fit"):
        build(dataclasses.replace(CONFIG, factor=("1",)))


def test_derivatives_of_formulas() -> None:
    assert text_of(by_axis(parse_formula("x**2 * y"), "y")) == "x ** 2.0"


def test_gradients_reach_every_parameter() -> None:
    field = build(CONFIG)
    values: Tensor = field(torch.rand(5, 2))
    values.square().sum().backward()  # type: ignore[no-untyped-call]  # torch has no types for it
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in field.parameters())


def test_windows_have_the_derivatives_of_their_values(generator: torch.Generator) -> None:
    """Every window's jets are those of autograd, and a later window starts where the one before ends."""
    config = Solution(
        axes=("x", "t"),
        low=(0.0, 0.0),
        high=(1.0, 3.0),
        lift=("x + x*t",),
        factor=("t*x*(1 - x)/3",),
        width=6,
        windows=3,
    )
    field = SolutionField(config, generator)
    x = torch.rand(30, 2, generator=generator, dtype=torch.float64) * torch.tensor([1.0, 3.0])
    plan = JetPlan(2, (((0, 0, 1.0),), ((0, 1, 1.0),), ((0, 0, 2.0), (1, 1, 1.0))))
    jets = field.jets(x, plan)[..., 0]
    for point, found in zip(x, jets.T, strict=True):

        def value(p: torch.Tensor) -> torch.Tensor:
            return field.jets(p[None], JetPlan(0))[0, 0, 0]

        first = torch.autograd.functional.jacobian(value, point)  # type: ignore[no-untyped-call]
        second = torch.autograd.functional.hessian(value, point)  # type: ignore[no-untyped-call]
        wanted = [value(point), *first, second[0, 0], second[0, 1], 2 * second[0, 0] + second[1, 1]]
        assert torch.allclose(found, torch.stack(wanted), rtol=1e-9, atol=1e-9)
    edge = torch.tensor([[0.4, 1.0], [0.4, 2.0]], dtype=torch.float64)
    assert torch.allclose(field.jets(edge - 1e-12, JetPlan(0)), field.jets(edge, JetPlan(0)), atol=1e-9)
    start = torch.tensor([[0.4, 0.0], [0.0, 2.5], [1.0, 1.5]], dtype=torch.float64)
    assert torch.allclose(field.jets(start, JetPlan(0))[0, :, 0], torch.tensor([0.4, 0.0, 2.5], dtype=torch.float64))
