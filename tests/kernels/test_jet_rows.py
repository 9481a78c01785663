"""Gradients of single points: their sum is the gradient of the sum, and each equals autograd's."""

from __future__ import annotations

import pytest
import torch

from inr.kernels.jet_rows import jet_rows, through
from inr.kernels.sine_jet import JetPlan, sine_jet
from inr.kernels.sine_jet.reference import activated
from tests.assertions import assert_near
from tests.kernels.test_sine_jet import PLANS, Problem


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("is_tanh", [False, True])
def test_rows_equal_autograd(name: str, is_tanh: bool, generator: torch.Generator) -> None:
    plan = PLANS[name]
    problem = Problem((max(2, plan.n_first), 9, 8, 2), 6, plan, generator, is_tanh=is_tanh)
    jets, *weights = problem.inputs[:4]
    biases = [torch.randn(len(w), generator=generator, dtype=torch.float64).requires_grad_() for w in weights]
    with torch.no_grad():
        rows = jet_rows(jets, weights, biases, problem.activations, plan, problem.g)
    params = [p for pair in zip(weights, biases, strict=True) for p in pair]
    for n in range(6):
        y = sine_jet(jets[:, n : n + 1], weights, biases, problem.activations, plan)
        expected = torch.autograd.grad((y * problem.g[:, n : n + 1]).sum(), params)
        assert_near(rows[n], torch.cat([each.flatten() for each in expected]), 1e-12)


def test_cotangents_of_one_layer(generator: torch.Generator) -> None:
    problem = Problem((2, 5, 1), 4, JetPlan.laplacian(2), generator)
    z = torch.randn(4, 4, 5, generator=generator, dtype=torch.float64).requires_grad_()
    g = torch.randn(4, 4, 5, generator=generator, dtype=torch.float64)
    (expected,) = torch.autograd.grad(activated(z, problem.activations[0], problem.plan), z, g)
    assert_near(through(z.detach(), g, problem.activations[0], problem.plan), expected, 1e-13)
