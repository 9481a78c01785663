"""The tangent kernel of every registered field: layer by layer, from gradients and as products, the same."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from inr.fields import Field
from inr.ntk import TangentOperator, cross_kernel, tangent_kernel
from tests.assertions import assert_near
from tests.conformance.small import every_field, make

N, C = 6, 2


def perturbed(document: dict[str, Any], generator: torch.Generator) -> Field:
    """A field away from its start, where many parameters are 0 or 1 and gradients vanish."""
    field = make(document, d_out=C).double()
    with torch.no_grad():
        for p in field.parameters():
            size = p.abs().mean() + 1e-3
            p.add_(0.2 * size * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return field


def rows_of_autograd(field: Field, x: Tensor) -> Tensor:
    """J [N C, P], one backward pass per number."""
    field, parameters = field.eval(), list(field.parameters())
    y = field(x)
    grads = [
        torch.autograd.grad(v, parameters, retain_graph=True, allow_unused=True, materialize_grads=True)
        for v in y.reshape(-1)
    ]
    return torch.stack([torch.cat([g.reshape(-1) for g in row]) for row in grads])


@every_field
def test_layerwise_contraction_and_products_are_the_same_kernel(
    document: dict[str, Any], generator: torch.Generator
) -> None:
    field = perturbed(document, generator)
    x = torch.rand(N, 2, generator=generator, dtype=torch.float64)
    jacobian = rows_of_autograd(field, x)
    expected = jacobian @ jacobian.T
    layerwise = tangent_kernel(field, x)
    assert_near(layerwise.matrix, expected, 1e-8)
    assert_near(tangent_kernel(field, x, method="contraction").matrix, expected, 1e-8)
    operator = TangentOperator(field, x)
    v = torch.randn(N * C, generator=generator, dtype=torch.float64)
    assert_near(operator.product(v), expected @ v, 1e-8)
    assert_near(operator.pull(v), jacobian.T @ v, 1e-8)
    assert operator.quadratic(v) == pytest.approx(float(v @ expected @ v), rel=1e-8)
    assert layerwise.trace == pytest.approx(float(expected.trace()), rel=1e-8)
    assert operator.trace() == pytest.approx(float(expected.trace()), rel=1e-8)
    assert_near(layerwise.values, field(x).detach(), 1e-8)


@pytest.mark.slow
@every_field
def test_reduced_channels_and_rectangles_are_parts_of_the_kernel(
    document: dict[str, Any], generator: torch.Generator
) -> None:
    field = perturbed(document, generator)
    x = torch.rand(N, 2, generator=generator, dtype=torch.float64)
    full = tangent_kernel(field, x).matrix
    by_channel = full.reshape(N, C, N, C)
    v = torch.randn(N, generator=generator, dtype=torch.float64)
    reductions = {"mean": torch.einsum("ncmc->nm", by_channel) / C, "sum": by_channel.sum((1, 3)) / C}
    for channels in ("mean", "sum"):
        expected = reductions[channels]
        assert_near(tangent_kernel(field, x, channels=channels).matrix, expected, 1e-8)
        operator = TangentOperator(field, x, channels=channels)
        assert_near(operator.product(v), expected @ v, 1e-8)
        assert operator.quadratic(v) == pytest.approx(float(v @ expected @ v), rel=1e-8)
        assert operator.trace() == pytest.approx(float(expected.trace()), rel=1e-8)
    assert_near(cross_kernel(field, x, x[2:5]), full[:, 2 * C : 5 * C], 1e-8)


@every_field
def test_traces_by_layer_add_up_and_name_layers_with_parameters(document: dict[str, Any]) -> None:
    field = make(document, d_out=1)
    x = torch.rand(N, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    kernel = tangent_kernel(field, x)
    assert min(kernel.traces.values()) >= 0
    assert sum(kernel.traces.values()) == pytest.approx(float(kernel.matrix.trace()), rel=1e-8)
    for name in kernel.traces:
        assert name == "field" or list(field.get_submodule(name).parameters())
