"""What every activation, linear map, block, head and initialiser must do."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inr.core.domain import Spec
from inr.fields.mlp import Mlp
from inr.layers import ActivationConfig, BlockConfig, BlockSpec, HeadConfig, InitialiserConfig, Linear, LinearConfig
from inr.layers.activations.relu import Relu
from inr.layers.linear import Role
from inr.layers.linear.dense import Dense
from inr.testing._suite import Document, Suite, assert_near, assert_same_bytes, assert_same_state, config_of, seeded

ROLES: tuple[Role, ...] = ("first", "hidden")
WIDTH = 16


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=seeded(seed), dtype=torch.float64)


def gradient_is_a_difference(function: Any, z: Tensor, h: float = 1e-7, relative: float = 1e-4) -> None:
    """Along one random direction, for the whole of z."""
    z = z.detach().requires_grad_()
    direction = numbers(*z.shape, seed=7)
    (g,) = torch.autograd.grad(function(z).sum(), z)
    with torch.no_grad():
        numeric = (function(z + h * direction) - function(z - h * direction)).sum() / (2 * h)
    assert_near((g * direction).sum(), numeric, relative)


class ActivationTests(Suite):
    """Activations z [*B, arity H] -> [*B, H]."""

    def make(self, document: Document, role: Role = "hidden") -> Any:
        config = config_of(ActivationConfig, document)
        return config.build(role, config.features(WIDTH))

    @pytest.mark.parametrize("role", ROLES)
    def test_shapes_for_any_batch_dimensions(self, document: Document, role: Role) -> None:
        config = config_of(ActivationConfig, document)
        width, activation = config.features(WIDTH), self.make(document, role)
        z = numbers(4, 5, activation.arity * width).float()
        y = activation(z)
        assert y.shape == (4, 5, width)
        assert torch.isfinite(y).all()
        assert_near(activation(z[2, 3]), y[2, 3], 1e-5)

    def test_rows_do_not_see_each_other(self, document: Document) -> None:
        activation = self.make(document).double()
        z = numbers(31, activation.arity * config_of(ActivationConfig, document).features(WIDTH))
        order = torch.randperm(31, generator=seeded(1))
        assert_near(activation(z[order]), activation(z)[order], 1e-12)

    def test_gradients_are_differences(self, document: Document) -> None:
        activation = self.make(document).double()
        width = config_of(ActivationConfig, document).features(WIDTH)
        gradient_is_a_difference(activation, numbers(20, activation.arity * width))

    def test_it_takes_values_of_any_size(self, document: Document) -> None:
        activation = self.make(document)
        width = config_of(ActivationConfig, document).features(WIDTH)
        z = (torch.linspace(-1, 1, activation.arity * width)[None] * 1e4).requires_grad_()
        y = activation(z)
        assert torch.isfinite(y).all()
        if y.requires_grad:
            (g,) = torch.autograd.grad(y.sum(), z)
            assert torch.isfinite(g).all()

    def test_derivatives_lie_where_it_says(self, document: Document) -> None:
        activation = self.make(document).double()
        if activation.slope is None:
            assert activation.slope is None
            return
        z = torch.linspace(-8, 8, 2001, dtype=torch.float64)[:, None].expand(-1, WIDTH).clone().requires_grad_()
        (g,) = torch.autograd.grad(activation(z).sum(), z)
        low, high = activation.slope
        assert float(g.min()) >= low - 1e-9
        assert float(g.max()) <= high + 1e-9

    def test_a_start_follows_from_its_generator(self, document: Document) -> None:
        config = config_of(ActivationConfig, document)
        width = config.features(WIDTH)
        linears = []
        before = torch.get_rng_state()
        for _ in range(2):
            linear = Dense().build(width, width, has_bias=True, role="hidden", generator=seeded(3))
            config.init_linear(linear, seeded(4))
            linears.append(linear)
        assert_same_state(*linears)
        assert_same_bytes(torch.get_rng_state(), before)
        assert all(torch.isfinite(t).all() for t in linears[0].state_dict().values())

    def test_settings_round_trip(self, document: Document) -> None:
        config = config_of(ActivationConfig, document)
        assert config_of(ActivationConfig, json.loads(json.dumps(config.to_json()))) == config


class LinearTests(Suite):
    """Linear maps h [*B, d_in] -> h W^T + b [*B, d_out] for W, b = `effective()`."""

    d_in, d_out = 8, 8

    def make(self, document: Document, *, has_bias: bool = True, seed: int = 0) -> Linear:
        config = config_of(LinearConfig, document).before(Relu())
        return config.build(self.d_in, self.d_out, has_bias=has_bias, role="hidden", generator=seeded(seed))

    @pytest.mark.parametrize("has_bias", [True, False])
    def test_it_is_a_product_with_its_effective_matrix(self, document: Document, has_bias: bool) -> None:
        linear = self.make(document, has_bias=has_bias).double()
        weight, bias = linear.effective()
        assert weight.shape == (self.d_out, self.d_in)
        assert (bias is not None) == has_bias
        h = numbers(4, 5, self.d_in)
        assert_near(linear(h), nn.functional.linear(h, weight, bias), 1e-10)

    def test_it_is_linear(self, document: Document) -> None:
        linear = self.make(document, has_bias=False).double()
        a, b = numbers(9, self.d_in), numbers(9, self.d_in, seed=1)
        assert_near(linear(2 * a - 3 * b), 2 * linear(a) - 3 * linear(b), 1e-9)

    def test_gradients_of_parameters_are_differences(self, document: Document) -> None:
        linear = self.make(document).double()
        if linear.is_rounded:
            pytest.skip("its gradient is an estimate")
        h = numbers(9, self.d_in)
        parameters = list(linear.parameters())
        grads = torch.autograd.grad(linear(h).square().sum(), parameters)
        directions = [numbers(*p.shape, seed=i) for i, p in enumerate(parameters)]
        analytic = torch.stack([(g * d).sum() for g, d in zip(grads, directions, strict=True)]).sum()
        step, values = 1e-6, []
        for sign in (1, -2, 1):  # forward, back to the other side, and home
            with torch.no_grad():
                for p, d in zip(parameters, directions, strict=True):
                    p.add_(sign * step * d)
                values.append(linear(h).square().sum())
        assert_near(analytic, (values[0] - values[1]) / (2 * step), 1e-5)

    def test_assigning_its_own_matrix_changes_nothing(self, document: Document) -> None:
        linear = self.make(document).double()
        weight, bias = (None if t is None else t.detach().clone() for t in linear.effective())
        assert weight is not None
        linear.assign(weight)
        again, same = linear.effective()
        assert_near(again, weight, 1e-6)
        assert (same is None) == (bias is None)
        if same is not None and bias is not None:
            assert_near(same, bias, 1e-12)

    def test_a_seed_decides_it_and_global_state_stays(self, document: Document) -> None:
        before = torch.get_rng_state()
        assert_same_state(self.make(document, seed=5), self.make(document, seed=5))
        assert_same_bytes(torch.get_rng_state(), before)

    def test_settings_round_trip(self, document: Document) -> None:
        config = config_of(LinearConfig, document)
        assert config_of(LinearConfig, json.loads(json.dumps(config.to_json()))) == config


class BlockTests(Suite):
    """Blocks (h [*B, d_h], e [*B, d_e], x [*B, D]) -> [*B, d_out]. linear, activation: what they are built with."""

    d_e, d_x, width = 6, 2, 8
    linear: Document = "dense"
    activation: Document = "relu"

    def make(self, document: Document, role: Role = "hidden", seed: int = 0) -> Any:
        d_h = self.d_e if role == "first" else self.width
        activation = config_of(ActivationConfig, self.activation)
        linear = config_of(LinearConfig, self.linear).before(activation)
        spec = BlockSpec(d_h, self.d_e, self.d_x, self.width, 3, role, True, linear, activation, seeded(seed))
        return config_of(BlockConfig, document).build(spec)

    def inputs(self, role: Role, *batch: int) -> tuple[Tensor, Tensor, Tensor]:
        e = numbers(*batch, self.d_e, seed=1)
        h = e if role == "first" else numbers(*batch, self.width)
        return h, e, torch.rand(*batch, self.d_x, generator=seeded(2), dtype=torch.float64)

    @pytest.mark.parametrize("role", ROLES)
    def test_shapes_for_any_batch_dimensions(self, document: Document, role: Role) -> None:
        block = self.make(document, role).double()
        h, e, x = self.inputs(role, 4, 5)
        y = block(h, e, x)
        assert y.shape == (4, 5, block.d_out)
        assert_near(block(h[2, 3], e[2, 3], x[2, 3]), y[2, 3], 1e-9)

    @pytest.mark.parametrize("role", ROLES)
    def test_rows_do_not_see_each_other(self, document: Document, role: Role) -> None:
        block = self.make(document, role).double()
        h, e, x = self.inputs(role, 31)
        order = torch.randperm(31, generator=seeded(3))
        assert_near(block(h[order], e[order], x[order]), block(h, e, x)[order], 1e-9)

    @pytest.mark.parametrize("role", ROLES)
    def test_every_parameter_takes_part(self, document: Document, role: Role) -> None:
        block = self.make(document, role).double()
        h, e, x = self.inputs(role, 64)
        weights = numbers(64, block.d_out, seed=4)
        (block(h, e, x) * weights).sum().backward()
        assert [name for name, p in block.named_parameters() if p.grad is None] == []

    def test_a_seed_decides_it_and_global_state_stays(self, document: Document) -> None:
        before = torch.get_rng_state()
        assert_same_state(self.make(document, seed=5), self.make(document, seed=5))
        assert_same_bytes(torch.get_rng_state(), before)

    def test_a_lipschitz_bound_holds(self, document: Document) -> None:
        block = self.make(document).double()
        bound = block.lipschitz_bound()
        h, e, x = self.inputs("hidden", 200)
        g = h + 0.1 * numbers(*h.shape, seed=5)
        slope = ((block(h, e, x) - block(g, e, x)).norm(dim=-1) / (h - g).norm(dim=-1)).max().detach()
        assert bound is None or float(slope) <= bound * (1 + 1e-6)

    def test_settings_round_trip(self, document: Document) -> None:
        config = config_of(BlockConfig, document)
        assert config_of(BlockConfig, json.loads(json.dumps(config.to_json()))) == config


class HeadTests(Suite):
    """Heads [*B, C] -> [*B, C]."""

    def test_shape_and_gradient(self, document: Document) -> None:
        head: Any = config_of(HeadConfig, document).build().double()
        y = numbers(4, 5, 3)
        assert head(y).shape == (4, 5, 3)
        gradient_is_a_difference(head, y)

    def test_a_lipschitz_bound_holds(self, document: Document) -> None:
        head: Any = config_of(HeadConfig, document).build().double()
        a, b = 3 * numbers(500, 3), 3 * numbers(500, 3, seed=1)
        slope = ((head(a) - head(b)).norm(dim=-1) / (a - b).norm(dim=-1)).max()
        assert head.lipschitz is None or float(slope) <= head.lipschitz * (1 + 1e-6)

    def test_settings_round_trip(self, document: Document) -> None:
        config = config_of(HeadConfig, document)
        assert config_of(HeadConfig, json.loads(json.dumps(config.to_json()))) == config


class InitialiserTests(Suite):
    """Initialisers, on a network of two hidden layers with the activation named here."""

    activation: Document = "relu"

    def network(self) -> nn.Module:
        spec = Spec("array", 2, 3, (24, 24))
        mlp = Mlp(width=WIDTH, depth=2, activation=config_of(ActivationConfig, self.activation))
        return mlp.resolve(spec).build(spec, seeded())

    def test_it_is_finite_and_follows_from_its_generator(self, document: Document) -> None:
        config = config_of(InitialiserConfig, document)
        activation = config_of(ActivationConfig, self.activation)
        before, made = torch.get_rng_state(), []
        for _ in range(2):
            network = self.network()
            config.apply(network, activation, seeded(4))
            made.append(network)
        assert_same_state(*made)
        assert_same_bytes(torch.get_rng_state(), before)
        assert all(torch.isfinite(t).all() for t in made[0].state_dict().values())

    def test_settings_round_trip(self, document: Document) -> None:
        config = config_of(InitialiserConfig, document)
        assert config_of(InitialiserConfig, json.loads(json.dumps(config.to_json()))) == config
