"""Fields carried by flows, against rotations, translations and dilations of exact solids."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator

from inr.core.domain import Spec
from inr.core.errors import UsageError
from inr.fields.flowed import Flowed, FlowedField, carried, formulas_of, velocity_of
from inr.fields.primitive import Primitive

SPEC = Spec("shape", 3, 1)
BOX = Primitive(solid="box", numbers=(0.6, 0.5, 0.5, 0.3, 0.2, 0.1))
LOW, SIDE = (-1.0, -1.0, -1.0), 2.0


def flowed(velocity: tuple[str, ...], time: float, steps: int = 16) -> FlowedField:
    config = Flowed(base=BOX, velocity=velocity, time=time, steps=steps, low=LOW, side=SIDE).resolve(SPEC)
    field = config.build(SPEC, Generator())
    assert isinstance(field, FlowedField)
    return field


def points(n: int = 4000) -> torch.Tensor:
    return torch.rand(n, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_a_rotation_by_30_degrees_with_16_steps() -> None:
    """max |f - exact| <= 1e-6, and distances stay distances."""
    x = points()
    f = flowed(("-y", "x", "0"), math.pi / 6)(x)
    c, s = math.cos(math.pi / 6), math.sin(math.pi / 6)
    back = torch.tensor([[c, s, 0], [-s, c, 0], [0, 0, 1.0]], dtype=torch.float64)
    exact = BOX.build(SPEC, Generator())((x - 0.5) @ back.T + 0.5)
    assert float((f - exact).abs().max()) <= 1e-6


def test_translations_are_exact() -> None:
    x = points()
    exact = BOX.build(SPEC, Generator())(x - torch.tensor([0.1, -0.2, 0.05]) / SIDE)
    assert float((flowed(("0.2", "-0.4", "0.1"), 0.5, 1)(x) - exact).abs().max()) < 1e-8  # 0.1 and others as float32


def test_a_source_field_scales() -> None:
    """v = k x: f0(e^-kt x)."""
    x = points()
    exact = BOX.build(SPEC, Generator())((x - 0.5) * math.exp(-0.5) + 0.5)
    assert float((flowed(("x", "y", "z"), 0.5)(x) - exact).abs().max()) < 1e-7


def test_the_error_falls_with_the_fourth_power() -> None:
    p = 2 * points() - 1
    nodes = velocity_of(("sin(3*y) + t", "cos(2*x)", "x*y"))
    exact = carried(nodes, p, 0.0, 1.0, 256)
    errors = [float((carried(nodes, p, 0.0, 1.0, n) - exact).abs().max()) for n in (8, 16)]
    assert 11 < errors[0] / errors[1] < 22
    there_and_back = carried(nodes, exact, 1.0, 0.0, 256)
    assert float((there_and_back - p).abs().max()) < 1e-8


def test_formulas_are_split_at_outer_commas() -> None:
    assert formulas_of("atan2(y, x), max(x, (1, 2)), 0") == ("atan2(y, x)", "max(x, (1, 2))", "0")


@pytest.mark.parametrize(
    ("velocity", "message"),
    [
        (("x", "y"), "2 formulas, expected 3"),
        (("x", "y", "w"), "along z has the name 'w', expected x, y, z or t"),
        (("x +", "y", "z"), "the flow along x, column 4"),
        (("x", "__import__('os')", "z"), "the flow along y, column 1"),
    ],
)
def test_wrong_formulas(velocity: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        flowed(velocity, 1.0)
