"""Polynomial networks and filters: degrees, exact expansions, variances."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from inr.core.config import parse
from inr.core.domain import Spec
from inr.fields import Field, FieldConfig
from tests.assertions import assert_near

LINE = Spec("array", 1, 1, (64,))


def build(document: dict[str, object], generator: torch.Generator, spec: Spec = LINE) -> Field:
    return parse(FieldConfig, document).resolve(spec).build(spec, generator).double()


@pytest.mark.parametrize("family", ["pi_ccp", "pi_ncp"])
@pytest.mark.parametrize("degree", [1, 2, 5])
def test_pi_nets_are_polynomials_of_the_degree_of_their_depth(
    family: str, degree: int, generator: torch.Generator
) -> None:
    """The difference of order N + 1 of a polynomial of degree N vanishes; the one of order N does not."""
    field = build({"type": family, "depth": degree, "width": 16, "encoding": "identity"}, generator)
    y = field(torch.linspace(0, 1, degree + 4, dtype=torch.float64).unsqueeze(-1)).detach()[:, 0]
    assert torch.diff(y, n=degree).abs().min() > 1e-9
    assert torch.diff(y, n=degree + 1).abs().max() < 1e-12


def test_two_fourier_filters_are_their_sum_of_sines(generator: torch.Generator) -> None:
    """sin a sin b = (cos(a - b) - cos(a + b)) / 2."""
    field = build({"type": "mfn_fourier", "depth": 2, "width": 8}, generator)
    state: dict[str, Tensor] = {k.removeprefix("body."): v for k, v in field.state_dict().items()}
    x = torch.rand(50, 1, generator=generator, dtype=torch.float64)
    u = 2 * x[:, 0] - 1
    w1, w2 = state["blocks.0.filter.omega"][:, 0], state["blocks.1.filter.omega"][:, 0]
    p1, p2 = state["blocks.0.filter.phase"], state["blocks.1.filter.phase"]
    mix, bias, last = state["blocks.1.linear.weight"], state["blocks.1.linear.bias"], state["last.weight"][0]
    expected = state["last.bias"] + (last * bias * torch.sin(u[:, None] * w2 + p2)).sum(-1)
    for sign in (1, -1):
        frequency, phase = w2[:, None] - sign * w1, p2[:, None] - sign * p1
        waves = torch.cos(u[:, None, None] * frequency + phase)
        expected = expected + sign * 0.5 * (last[:, None] * mix * waves).sum((-1, -2))
    assert_near(field(x)[:, 0].detach(), expected, 1e-12)


def test_fourier_filters_start_with_the_papers_variances(generator: torch.Generator) -> None:
    """W ~ U(+-1/sqrt(H)) and b alike: v' = (v / 3 + 1 / (3 H)) / 2, from v = 1/2 after the first filter."""
    width, depth = 1024, 4
    field = build({"type": "mfn_fourier", "width": width, "depth": depth}, generator)
    seen: list[float] = []
    for block in field.body.blocks:  # type: ignore[union-attr]
        block.register_forward_hook(lambda m, i, out: seen.append(float(out.detach().square().mean())))
    field(torch.rand(2048, 1, generator=generator, dtype=torch.float64))
    expected = 0.5
    for value in seen:
        assert abs(value / expected - 1) < 0.15
        expected = (expected / 3 + 1 / (3 * width)) / 2
    assert len(seen) == depth
    omega = field.state_dict()["body.blocks.0.filter.omega"].abs().max()
    assert 0.95 * 256 / math.sqrt(depth) < float(omega) <= 256 / math.sqrt(depth)


def test_gabor_filters_are_windowed_sines_and_their_gammas_are_drawn(generator: torch.Generator) -> None:
    spec = Spec("array", 2, 1, (64, 64))
    field = build({"type": "mfn_gabor", "width": 4096, "depth": 4}, generator, spec)
    filter_ = field.body.blocks[0].filter  # type: ignore[union-attr, index]
    gamma = filter_.sharpness.detach()
    assert abs(float(gamma.mean()) - 6 / 4) < 0.1
    assert abs(float(gamma.var()) - 6 / 4) < 0.2
    e = 2 * torch.rand(5, 2, generator=generator, dtype=torch.float64) - 1
    window = torch.exp(-0.5 * gamma * (e[:, None] - filter_.centre).square().sum(-1))
    assert_near(filter_(e), window * torch.sin(e @ filter_.omega.T + filter_.phase), 1e-9)


def test_poly_inr_keeps_its_features_size_from_level_to_level(generator: torch.Generator) -> None:
    spec = Spec("array", 2, 1, (64, 64))
    field = build({"type": "poly_inr", "width": 512}, generator, spec)
    seen: list[float] = []
    for block in field.body.blocks:  # type: ignore[union-attr]
        block.register_forward_hook(lambda m, i, out: seen.append(float(out.detach().square().mean())))
    field(torch.rand(2048, 2, generator=generator, dtype=torch.float64))
    assert len(seen) == 10
    assert 1e-2 < seen[-1] / seen[0] < 1e2  # over ten levels; seeds differ by a factor of 30
