"""Linear maps in other forms: closed forms, initial scales, gradients, folding and its effect on the kernel."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from inr.core.config import parse
from inr.core.domain import Spec
from inr.core.errors import UsageError
from inr.fields import Field, FieldConfig
from inr.fields.fourier_reparam import FourierReparamSiren
from inr.fields.low_rank import truncate
from inr.fields.mlp import Mlp
from inr.fields.siren import Siren
from inr.fitting import Run, resolve, resume, save_checkpoint
from inr.layers import LINEARS, Linear, LinearConfig
from inr.layers.activations.sine import Sine
from inr.layers.linear.dense import Dense, DenseLinear
from inr.layers.linear.fourier_reparam import FourierReparam, FourierReparamLinear
from inr.layers.linear.low_rank import LowRank, LowRankLinear
from inr.layers.linear.row_equilibrated import RowEquilibrated
from inr.layers.linear.weight_norm import WeightNorm
from inr.signals.array import Array
from tests.assertions import assert_near

PICTURE = Spec("image", 2, 3, (24, 24))
SMALL: dict[str, dict[str, Any]] = {
    "fourier_reparam": {"n_low": 16, "n_high": 16, "phases": 4},
    "low_rank": {"rank": 9},
    "dlrt": {"rank": 9},
}
every_linear = pytest.mark.parametrize("name", list(LINEARS))


def linear_of(name: str) -> LinearConfig:
    return parse(LinearConfig, {"type": name, **SMALL.get(name, {})}).resolve(PICTURE)


def make(
    name: str, d_in: int, d_out: int, generator: torch.Generator, role: Any = "hidden", has_bias: bool = True
) -> Linear:
    return linear_of(name).build(d_in, d_out, has_bias=has_bias, role=role, generator=generator)


def field_of(linear: str, activation: str, **settings: Any) -> Field:
    document = {"type": "mlp", "encoding": "identity", "width": 24, "depth": 3, "activation": activation, **settings}
    config = parse(FieldConfig, {**document, "linear": {"type": linear, **SMALL.get(linear, {})}}).resolve(PICTURE)
    return config.build(PICTURE, torch.Generator().manual_seed(0))


def stir(field: torch.nn.Module, generator: torch.Generator) -> None:
    with torch.no_grad():
        for p in field.parameters():
            p.add_(0.1 * (p.abs().mean() + 0.01) * torch.randn(p.shape, generator=generator))


@every_linear
@pytest.mark.parametrize("role", ["first", "hidden", "last"])
@pytest.mark.parametrize("has_bias", [True, False])
def test_a_layer_is_its_effective_matrix_and_all_of_it_has_gradient(
    name: str, role: str, has_bias: bool, generator: torch.Generator
) -> None:
    layer = make(name, 12, 10, generator, role, has_bias)
    h = torch.randn(7, 12, generator=generator)
    weight, bias = layer.effective()
    assert weight.shape == (10, 12)
    assert (bias is not None) == has_bias
    assert_near(layer(h), h @ weight.T + (0 if bias is None else bias), 1e-5)
    (layer(h) * torch.randn(7, 10, generator=generator)).sum().backward()  # type: ignore[no-untyped-call]
    for n, p in layer.named_parameters():
        assert p.grad is not None
        assert torch.isfinite(p.grad).all()
        assert p.grad.abs().max() > 0 or n == "c", n  # the bound is not met by any row at first


@every_linear
@pytest.mark.parametrize("activation", ["sine", "relu"])
def test_folding_keeps_values_after_training_moved_them(name: str, activation: str, generator: torch.Generator) -> None:
    field = field_of(name, activation)
    stir(field, generator)
    folded = field.fold()
    assert {type(m) for m in folded.modules() if isinstance(m, Linear)} == {DenseLinear}
    x = torch.rand(100, 2, generator=generator)
    assert_near(folded(x), field(x), 1e-5)


@pytest.mark.parametrize("name", ["dense", "weight_norm", "lipschitz", "low_rank", "dlrt"])
def test_forms_that_can_hold_a_matrix_hold_it(name: str, generator: torch.Generator) -> None:
    layer = parse(LinearConfig, name).resolve(PICTURE)
    made = layer.build(12, 10, has_bias=True, role="hidden", generator=generator)
    weight = torch.randn(10, 12, generator=generator)
    made.assign(weight)
    assert_near(made.effective()[0].detach(), weight, 1e-5)


# -- Fourier reparameterisation


def test_rows_of_the_default_basis_have_the_known_lengths() -> None:
    basis = FourierReparam(alpha=0.05).basis(256)
    lengths = torch.linalg.vector_norm(basis, dim=1)
    assert basis.shape == (8192, 256)
    assert float(lengths.min()) >= 0.5646 - 5e-5
    assert float(lengths.max()) <= 0.5668 + 5e-5


def test_the_basis_is_the_formula_row_by_row() -> None:
    config = FourierReparam(n_low=2, n_high=3, phases=4, alpha=0.1)
    basis, t = config.basis(9), torch.linspace(-2 * math.pi, 2 * math.pi, 9)
    rows = [0.1 * torch.cos(f * t + 2 * math.pi * p / 4) for f in (0.5, 1.0, 1.0, 2.0, 3.0) for p in range(4)]
    assert_near(basis, torch.stack(rows), 1e-5)


@pytest.mark.parametrize(("phases", "width"), [(1, 32), (2, 32), (5, 32), (8, 8)])
def test_the_effective_matrix_and_its_gradient_are_those_of_the_product_with_the_basis(
    phases: int, width: int, generator: torch.Generator
) -> None:
    """With eight units, frequency 7 and a phase of pi / 2 a row of the basis is 0 up to rounding."""
    config = FourierReparam(n_low=4, n_high=7, phases=phases, alpha=0.1)
    layer = config.build(width, 6, has_bias=False, role="hidden", generator=generator).double()
    assert isinstance(layer, FourierReparamLinear)
    assert (layer.basis is None) == (width == 32)
    basis, g = config.basis(width).double(), torch.randn(6, width, generator=generator, dtype=torch.float64)
    weight, _ = layer.effective()
    assert_near(weight.detach(), layer.coefficients.detach() @ basis, 1e-6)
    (gradient,) = torch.autograd.grad(weight, layer.coefficients, g)
    assert_near(gradient, g @ basis.T, 1e-6)


@pytest.mark.parametrize("activation", ["relu", "sine"])
def test_the_mean_variance_of_w_is_two_over_fan_in(activation: str, generator: torch.Generator) -> None:
    linear = FourierReparam(n_low=64, n_high=64, phases=8)
    config = Mlp(linear=linear, activation=parse(Mlp, {"activation": activation}).activation, width=256).resolve(
        PICTURE
    )
    field = config.build(PICTURE, generator)
    omega = config.activation.omega if isinstance(config.activation, Sine) else 1.0
    layers = [m for m in field.modules() if isinstance(m, FourierReparamLinear)]
    assert len(layers) == 2
    assert isinstance(config.linear, FourierReparam)
    lengths = torch.linalg.vector_norm(config.linear.basis(256), dim=1)
    for layer in layers:
        weight, bias = layer.effective()
        assert abs(float(weight.detach().var()) * 256 * omega**2 - 2.0) < 0.05
        assert bias is not None
        assert not bias.detach().any()
        bound = math.sqrt(6 / len(lengths)) / lengths / omega
        assert float((layer.coefficients.detach().abs() / bound).max()) <= 1.01


def test_amplitude_follows_the_activation_and_only_hidden_layers_are_wrapped() -> None:
    config = FourierReparamSiren().resolve(PICTURE)
    assert isinstance(config.linear, FourierReparam)
    assert config.linear.alpha == 0.01
    plain = Mlp(linear=FourierReparam()).resolve(PICTURE).linear
    assert isinstance(plain, FourierReparam)
    assert plain.alpha == 0.05
    small = dataclasses.replace(config, linear=FourierReparam(n_low=2, n_high=2, phases=2), width=8)
    kinds = [type(m) for m in small.build(PICTURE, torch.Generator()).modules() if isinstance(m, Linear)]
    assert kinds == [DenseLinear, *[FourierReparamLinear] * 3, DenseLinear]
    assert Siren().resolve(PICTURE).activation == config.activation


def kernel(field: Field, x: Tensor) -> Tensor:
    rows = []
    for i in range(len(x)):
        g = torch.autograd.grad(field(x[i : i + 1])[0, 0], list(field.parameters()), allow_unused=True)
        rows.append(torch.cat([p.flatten() for p in g if p is not None]))
    return torch.stack(rows) @ torch.stack(rows).T


@pytest.mark.parametrize(("name", "is_same"), [("fourier_reparam", False), ("dense", True)])
def test_folding_changes_the_tangent_kernel_of_what_was_reparameterised(
    name: str, is_same: bool, generator: torch.Generator
) -> None:
    field = field_of(name, "relu")
    x = torch.rand(6, 2, generator=generator)
    own, folded = kernel(field, x), kernel(field.fold(), x)
    assert (float((own - folded).abs().max() / own.abs().max()) < 1e-5) == is_same


# -- rows


def test_rows_have_one_length_and_the_initialisers_scale(generator: torch.Generator) -> None:
    field = Siren(width=64, depth=3, linear=RowEquilibrated()).resolve(PICTURE).build(PICTURE, generator)
    stir(field, generator)
    for layer in field.modules():
        if isinstance(layer, Linear) and layer.role == "hidden":
            lengths = torch.linalg.vector_norm(layer.effective()[0].detach(), dim=1)
            assert_near(lengths, lengths.mean().expand(64), 1e-5)
            assert abs(float(lengths.mean()) / (math.sqrt(2) / 30) - 1) < 0.02
    assert isinstance(field.body.blocks[0].linear, DenseLinear)  # type: ignore[union-attr, index]


@pytest.mark.parametrize(
    ("linear", "is_invariant"), [(RowEquilibrated(), True), (WeightNorm(), True), (Dense(), False)]
)
def test_the_size_of_directions_does_not_matter(
    linear: LinearConfig, is_invariant: bool, generator: torch.Generator
) -> None:
    layer = linear.build(6, 5, has_bias=False, role="hidden", generator=generator)
    before = layer.effective()[0].detach().clone()
    with torch.no_grad():
        next(layer.parameters()).mul_(3.0)
    assert torch.allclose(layer.effective()[0], before, rtol=1e-5) == is_invariant


# -- low rank


def test_assigning_gives_the_best_matrix_of_the_rank(generator: torch.Generator) -> None:
    layer = LowRank(rank=3).build(8, 6, has_bias=False, role="hidden", generator=generator)
    weight = torch.randn(6, 8, generator=generator)
    layer.assign(weight)
    rest = torch.linalg.svdvals(weight)[3:]
    error = torch.linalg.matrix_norm(layer.effective()[0].detach() - weight)
    assert_near(error, torch.linalg.vector_norm(rest), 1e-5)


def test_each_step_cuts_one_layer_and_ranks_are_met_evenly() -> None:
    field = field_of("low_rank", "relu")
    layers = [m for m in field.modules() if isinstance(m, LowRankLinear)]
    seen: list[list[int]] = [[], []]
    for step in range(2 * 9 * 20):
        with field.at_step(step):
            kept = [layer.kept for layer in layers]
        assert kept[1 - step % 2] == 9
        seen[step % 2].append(kept[step % 2])
        assert [layer.kept for layer in layers] == [9, 9]
    for ranks in seen:
        counts = [ranks.count(b) for b in range(1, 10)]
        assert min(counts) >= 17
        assert max(counts) <= 23


def test_ordered_training_puts_what_matters_first(generator: torch.Generator) -> None:
    """A map learned through dropped ranks is cut to rank r as well as its SVD allows (the paper's theorem)."""
    target = torch.diag(torch.tensor([4.0, 3.0, 2.0, 1.0]))
    errors = []
    for is_ordered in (True, False):
        config = LowRank(rank=4, is_ordered=is_ordered)
        layer = config.build(4, 4, has_bias=False, role="hidden", generator=torch.Generator().manual_seed(3))
        assert isinstance(layer, LowRankLinear)
        optimizer = torch.optim.Adam(layer.parameters(), lr=0.02)
        for step in range(1500):
            config.at_step([layer], step)
            optimizer.zero_grad()
            (layer.effective()[0] - target).square().sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        layer.kept = 2
        errors.append(float((layer.effective()[0].detach() - target).square().sum()))
    assert errors[0] < 1.1 * (2**2 + 1**2)
    assert errors[1] > 1.5 * errors[0]


def test_a_truncated_field_is_the_field_with_fewer_columns(generator: torch.Generator) -> None:
    field = field_of("low_rank", "relu")
    stir(field, generator)
    x = torch.rand(50, 2, generator=generator)
    cut = truncate(field, 4)
    assert cut.n_params < field.n_params
    for layer in field.modules():
        if isinstance(layer, LowRankLinear):
            layer.kept = 4
    assert_near(cut(x), field(x), 1e-5)
    with pytest.raises(UsageError, match="`rank` is 0"):
        truncate(field, 0)
    with pytest.raises(UsageError, match="only a field with linear layers of type 'low_rank' or 'dlrt'"):
        truncate(field_of("dense", "relu"), 2)


def test_the_lasso_is_the_sum_over_tails_and_empties_the_last_columns_first(generator: torch.Generator) -> None:
    config = LowRank(rank=3, lasso=0.5)
    layer = config.build(5, 4, has_bias=False, role="hidden", generator=generator)
    assert isinstance(layer, LowRankLinear)
    tails = [torch.linalg.matrix_norm(f[:, b:]) for f in (layer.left, layer.right) for b in range(3)]
    penalty = config.penalty([layer])
    assert penalty is not None
    assert_near(penalty, 0.5 * torch.stack(tails).sum(), 1e-5)
    assert layer.rank_above(0.0) == 3
    with torch.no_grad():
        layer.left[:, 2] = 0
    assert layer.rank_above(0.0) == 2
    assert LowRank().penalty([layer]) is None


def test_a_resumed_run_with_dropped_ranks_and_a_penalty_is_exact(tmp_path: Path) -> None:
    signal = Array.of_array(torch.cos(torch.arange(64) / 5.0).numpy())
    document = {"type": "low_rank", "width": 16, "linear": {"type": "low_rank", "rank": 8, "lasso": 1e-5}}

    def run() -> Run:
        return Run(signal, *resolve(signal, document, {"steps": 23, "batch": 32, "ema": 0.9}))

    whole = run()
    expected = whole.result(whole.advance()).to_bytes()
    first = run()
    stop = iter(range(100))
    assert first.advance(should_stop=lambda: next(stop) >= 10) == "interrupted"
    save_checkpoint(first, tmp_path)
    second = resume(tmp_path, signal)
    assert second.result(second.advance()).to_bytes() == expected


def test_columns_of_little_importance_are_not_used_in_training(generator: torch.Generator) -> None:
    """Importance of column b: the norm of the columns of U from b on, times that of V."""
    config = LowRank(rank=6, is_ordered=False, cut_below=1e-5)
    layer = config.build(8, 7, has_bias=True, role="hidden", generator=generator)
    assert isinstance(layer, LowRankLinear)
    with torch.no_grad():
        layer.left[:, 4:] *= 1e-6
    config.at_step([layer], 3)
    assert layer.kept == layer.important(1e-5) == 4
    config.at_step([layer], None)
    assert layer.kept == 6


def test_a_full_pass_adds_the_loss_of_the_whole_network() -> None:
    signal = Array.of_array(torch.rand(12, 10, generator=torch.Generator().manual_seed(0)).numpy())
    found = []
    for more in ({}, {"has_full_pass": True}, {"has_full_pass": True, "is_ordered": False}, {"is_ordered": False}):
        document = {"type": "low_rank", "width": 8, "linear": {"type": "low_rank", "rank": 4, **more}}
        run = Run(signal, *resolve(signal, document, {"steps": 1, "lr": 1e-3, "schedule": "constant"}))
        run.advance()
        found.append({name: p.grad.clone() for name, p in run.field.named_parameters() if p.grad is not None})
    sampled, both, twice, whole = found
    for name in whole:
        assert_near(both[name], sampled[name] + whole[name], 1e-4)
        assert_near(twice[name], 2 * whole[name], 1e-4)
