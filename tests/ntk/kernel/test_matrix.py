"""The kernel matrix: modules used in unusual ways, memory, precision, and errors with advice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn

from inr.core.errors import UsageError
from inr.core.gradient_factors import Factor, factor
from inr.fields import Field
from inr.layers.linear.dense import DenseLinear
from inr.layers.linear.lipschitz import LipschitzLinear
from inr.ntk import TangentOperator, cross_kernel, nystrom, sketch, tangent_kernel
from tests.assertions import assert_near
from tests.conformance.small import make
from tests.conformance.test_ntk import rows_of_autograd


def dense(d_in: int, d_out: int, generator: Generator) -> DenseLinear:
    return DenseLinear(d_in, d_out, has_bias=True, role="hidden", generator=generator)


class Odd(Field):
    """No preset does this: a layer used twice, a tied matrix, a layer of a constant, one whose matrix is only read."""

    d_in, d_out, smoothness, outside = 2, 2, math.inf, "extend"

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.first, self.twice, self.tied, self.constant, self.read, self.last = (
            dense(a, b, generator) for a, b in ((2, 8), (8, 8), (8, 8), (5, 8), (8, 8), (8, 2))
        )
        self.other = dense(8, 8, generator)
        self.other.weight = self.tied.weight
        self.input = nn.Parameter(torch.randn(5, generator=generator))

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.first(x) + self.constant(self.input))
        h = torch.tanh(self.twice(torch.sin(self.twice(h))))
        h = torch.sin(self.other(torch.tanh(self.tied(h))))
        weight, bias = self.read.effective()
        return self.last(nn.functional.linear(h, weight, bias))


class Wrong(DenseLinear):
    def tangent(self, inputs: Sequence[Tensor], cotangent: Tensor) -> list[Factor]:
        return [factor(inputs[0], cotangent=cotangent)]  # forgets the bias


def test_shared_tied_and_constant_layers_are_counted_once_and_whole(generator: Generator) -> None:
    field = Odd(generator).double()
    x = torch.rand(7, 2, generator=generator, dtype=torch.float64)
    jacobian = rows_of_autograd(field, x)
    made = tangent_kernel(field, x)
    assert_near(made.matrix, jacobian @ jacobian.T, 1e-12)
    assert made.traces.keys() == {"first", "twice", "last", "tied", "other", "field"}


def test_frozen_parameters_do_not_count(generator: Generator) -> None:
    field = make({"type": "siren", "width": 16, "depth": 2}).double()
    x = torch.rand(5, 2, generator=generator, dtype=torch.float64)
    before = tangent_kernel(field, x)
    frozen = next(name for name in before.traces if name.endswith("last"))
    field.get_submodule(frozen).requires_grad_(False)
    after = tangent_kernel(field, x)
    assert frozen not in after.traces
    assert after.trace == pytest.approx(before.trace - before.traces[frozen], rel=1e-10)
    assert_near(after.matrix, tangent_kernel(field, x, method="contraction").matrix, 1e-10)


def test_a_wrong_structure_is_detected(generator: Generator) -> None:
    field = Odd(generator)
    field.twice = Wrong(8, 8, has_bias=True, role="hidden", generator=generator)
    with pytest.raises(UsageError, match="stated structure gives"):
        tangent_kernel(field, torch.rand(6, 2, generator=generator))


def test_cut_rows_of_a_lipschitz_layer(generator: Generator) -> None:
    field = make({"type": "lipmlp", "width": 16, "depth": 2}).double()
    with torch.no_grad():
        for module in field.modules():
            if isinstance(module, LipschitzLinear):
                module.c.mul_(0.6)
                assert 0 < float((module.bound() < module.rows.abs().sum(1)).double().mean()) <= 1
    x = torch.rand(6, 2, generator=generator, dtype=torch.float64)
    jacobian = rows_of_autograd(field, x)
    assert_near(tangent_kernel(field, x).matrix, jacobian @ jacobian.T, 1e-10)


@pytest.mark.parametrize("channels", ["full", "mean"])
def test_blocks_of_points_change_nothing(channels: Any, generator: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    field = make({"type": "lbdn", "width": 8, "depth": 2, "encoding": "frequency"}).double()
    x = torch.rand(23, 2, generator=generator, dtype=torch.float64)
    whole, rectangle = (
        tangent_kernel(field, x, channels=channels),
        cross_kernel(field, x, x[:9], channels=channels),
    )
    monkeypatch.setattr("inr.ntk.kernel.matrix.BLOCK", 5)
    monkeypatch.setattr("inr.ntk.kernel.matrix.JACOBIAN_BYTES", 1)
    monkeypatch.setattr("inr.ntk.kernel.units.ROWS", 4)
    monkeypatch.setattr("inr.ntk.kernel.operator.ROWS", 6)
    memory = 2**21
    parts = tangent_kernel(field, x, channels=channels, memory=memory)
    assert_near(parts.matrix, whole.matrix, 1e-12)
    assert_near(cross_kernel(field, x, x[:9], channels=channels, memory=memory), rectangle, 1e-12)
    assert parts.traces == pytest.approx(whole.traces, rel=1e-12)


def test_too_much_memory_is_refused_before_it_is_allocated() -> None:
    field = make({"type": "siren", "width": 16, "depth": 2})
    x = torch.rand(10**6, 2)
    with pytest.raises(UsageError, match=r"the tangent kernel of 1000000 points and 3 channels needs .* GiB") as caught:
        tangent_kernel(field, x, memory=2**30)
    assert caught.value.hint is not None
    fits = int(caught.value.hint.split("at most ")[1].split()[0])
    assert 500 < fits < 4000
    tangent_kernel(field, x[: fits // 8], memory=2**30)


def test_float32_is_near_and_reported(generator: Generator) -> None:
    field = make({"type": "siren", "width": 32, "depth": 3})
    x = torch.rand(40, 2, generator=generator)
    exact, rough = tangent_kernel(field, x), tangent_kernel(field, x, dtype=torch.float32)
    assert rough.matrix.dtype == torch.float32
    assert_near(rough.matrix.double(), exact.matrix, 1e-4)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"channels": "rgb"}, "`channels` is 'rgb'"),
        ({"method": "fast"}, "`method` is 'fast'"),
        ({"weights": {}}, "cannot use `weights`"),
        ({"weights": {}, "method": "contraction"}, "but has none"),
    ],
)
def test_options_that_do_not_exist(given: dict[str, Any], message: str) -> None:
    field = make({"type": "siren", "width": 8, "depth": 1})
    with pytest.raises(UsageError, match=message):
        tangent_kernel(field, torch.rand(3, 2), **given)


def test_points_of_another_dimension_and_fields_without_parameters() -> None:
    field = make({"type": "siren", "width": 8, "depth": 1})
    with pytest.raises(UsageError, match=r"shape \(3, 5\), expected \[N, 2\]"):
        tangent_kernel(field, torch.rand(3, 5))
    field.requires_grad_(False)
    with pytest.raises(UsageError, match="no trained parameters"):
        tangent_kernel(field, torch.rand(3, 2))
    with pytest.raises(UsageError, match="no trained parameters"):
        TangentOperator(field, torch.rand(3, 2))


def test_the_field_stays_as_it_was(generator: Generator) -> None:
    field = make({"type": "finer", "width": 8, "depth": 2}).train()
    before = {name: p.clone() for name, p in field.state_dict().items()}
    tangent_kernel(field, torch.rand(5, 2, generator=generator))
    assert field.training
    assert all(torch.equal(p, before[name]) and p.dtype == torch.float32 for name, p in field.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in field.parameters())
    assert not any(m._forward_hooks for m in field.modules())


@pytest.mark.slow
@pytest.mark.parametrize(
    "document",
    [
        {"type": "siren", "width": 16, "depth": 2},
        {"type": "mlp", "width": 16, "depth": 1, "linear": "weight_norm"},
        {"type": "row_equilibrated", "width": 16, "depth": 2},
        {"type": "wire", "width": 16, "depth": 2},
        {"type": "triplane", "encoding": {"resolution": [12], "features": 4}, "width": 16},
        {"type": "lbdn", "width": 8, "depth": 1, "encoding": "frequency"},
    ],
    ids=lambda d: d["type"],
)
@pytest.mark.parametrize("channels", ["full", "sum"])
def test_random_functions_have_the_kernel_as_covariance(document: Any, channels: Any, generator: Generator) -> None:
    field = make(document, d_out=2)
    x = torch.rand(4, 2, generator=generator)
    kernel = tangent_kernel(field, x, channels=channels)
    n = 4000
    found = sketch(TangentOperator(field, x, channels=channels), n, generator)
    draws = found.added.flatten(1)
    covariance = draws.T @ draws / n
    if found.taken is not None:
        less = found.taken.flatten(1)
        covariance = covariance - less.T @ less / n
    assert_near(covariance, kernel.matrix, 0.15)
    assert found.trace == pytest.approx(kernel.trace, rel=1e-9)
    frobenius = float(kernel.matrix.square().sum())
    assert found.squared_frobenius().value == pytest.approx(frobenius, rel=0.15)


def test_draws_pushed_through_the_field_have_it_too(generator: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    field = make({"type": "lbdn", "width": 4, "depth": 1, "encoding": "frequency"}, d_out=2)
    x = torch.rand(3, 2, generator=generator)
    kernel = tangent_kernel(field, x, channels="sum")
    monkeypatch.setattr("inr.ntk.kernel.sketch.MOST_PER_POINT", 0)
    found = sketch(TangentOperator(field, x, channels="sum"), 600, generator)
    draws = found.added.flatten(1)
    assert found.traces is None
    assert_near(draws.T @ draws / 600, kernel.matrix, 0.3)
    assert found.trace == pytest.approx(kernel.trace, rel=0.3)


def test_preconditioned_kernels_are_those_of_scaled_parameters(generator: Generator) -> None:
    field = make({"type": "mlp", "width": 8, "depth": 1}).double()
    x = torch.rand(6, 2, generator=generator, dtype=torch.float64)
    weights = {name: torch.rand(p.shape, generator=generator) for name, p in field.named_parameters()}
    jacobian = rows_of_autograd(field, x)
    w = torch.cat([weights[name].reshape(-1) for name, _ in field.named_parameters()]).double()
    expected = (jacobian * w) @ jacobian.T
    assert_near(tangent_kernel(field, x, method="contraction", weights=weights).matrix, expected, 1e-12)
    operator = TangentOperator(field, x, weights=weights)
    v = torch.randn(18, generator=generator, dtype=torch.float64)
    assert_near(operator.product(v), expected @ v, 1e-12)
    assert operator.quadratic(v) == pytest.approx(float(v @ expected @ v))
    assert operator.trace() == pytest.approx(float(expected.trace()))


def test_nystrom_of_a_rectangle_is_the_kernel_where_the_landmarks_span_it(generator: Generator) -> None:
    field = make({"type": "chebyshev", "degree": [3]}, d_out=1)
    x = torch.rand(60, 2, generator=generator, dtype=torch.float64)
    landmarks = torch.randperm(60, generator=generator)[:24]
    found = nystrom(cross_kernel(field, x, x[landmarks]), landmarks)
    exact = tangent_kernel(field, x).matrix
    assert_near((found.vectors * found.values) @ found.vectors.T, exact, 1e-6)
    assert int((found.values > 1e-9 * found.values[0]).sum()) == 16
