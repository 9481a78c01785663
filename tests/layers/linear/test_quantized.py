"""Matrices of few bits: the formula, its gradient, and what a fit keeps of a picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

import inr
from inr.core.config import parse
from inr.core.domain import Spec
from inr.fields import FieldConfig
from inr.fields.mlp import MlpField
from inr.layers.folding import linears_of
from inr.layers.linear.dense import DenseLinear
from inr.layers.linear.quantized import Quantized, QuantizedLinear
from inr.signals.array import Array as ArraySignal
from tests.assertions import assert_near
from tests.published import Array, PublishedFormula, check


@dataclass(frozen=True)
class _Case:
    latent: Array
    bits: int

    def published(self) -> Array:
        """s round(clip(V / s)) for a uniform symmetric quantiser with the largest entry at its end."""
        largest = 2 ** (self.bits - 1) - 1
        step = np.abs(self.latent).max() / largest
        return np.asarray(step * np.rint(np.clip(self.latent / step, -largest, largest)))

    def here(self) -> Array:
        layer = _layer(self.bits, self.latent.shape)
        layer.assign(torch.from_numpy(self.latent))
        return np.asarray(layer.effective()[0].detach().numpy())


def _layer(bits: int, shape: tuple[int, ...] = (5, 7)) -> QuantizedLinear:
    config = Quantized(bits=bits)
    layer = config.build(shape[1], shape[0], has_bias=True, role="hidden", generator=torch.Generator().manual_seed(0))
    assert isinstance(layer, QuantizedLinear)
    return layer.double()


PUBLISHED = tuple(
    PublishedFormula(
        name=f"quantized, {bits} bits",
        source="Hoshikawa et al. 2024",
        published=_Case(np.random.default_rng(bits).standard_normal((9, 6)), bits).published,
        here=_Case(np.random.default_rng(bits).standard_normal((9, 6)), bits).here,
        tolerance=1e-12,
    )
    for bits in (2, 4, 8)
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.name)
def test_it_is_the_uniform_quantiser(statement: PublishedFormula) -> None:
    check(statement)


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_a_matrix_has_as_many_values_as_its_bits_allow(bits: int) -> None:
    layer = _layer(bits, (64, 64))
    weight = layer.effective()[0].detach()
    assert len(set(weight.flatten().tolist())) == 2**bits - 1
    symbols, step = layer.symbols()
    assert_near(symbols * step, weight, 1e-15)
    assert float(symbols.abs().max()) == 2 ** (bits - 1) - 1


def test_the_gradient_passes_the_rounding(generator: torch.Generator) -> None:
    layer = _layer(4)
    pull = torch.randn(5, 7, generator=generator, dtype=torch.float64)
    (found,) = torch.autograd.grad((layer.effective()[0] * pull).sum(), layer.latent)
    assert torch.equal(found, pull)


def test_a_matrix_of_zeros_stays_one() -> None:
    layer = _layer(4)
    layer.assign(torch.zeros(5, 7))
    assert torch.equal(layer.effective()[0].detach(), torch.zeros(5, 7, dtype=torch.float64))


def test_first_layers_have_bits_of_their_kind_and_folding_gives_the_rounded_network() -> None:
    spec = Spec("image", 2, 3, (24, 24))
    field = parse(FieldConfig, {"type": "siren", "width": 32, "depth": 2, "linear": "quantized"}).resolve(spec)
    built = field.build(spec, torch.Generator().manual_seed(0))
    assert [layer.largest for layer in linears_of(built) if isinstance(layer, QuantizedLinear)] == [127, 7, 7]
    folded = built.fold()
    assert isinstance(folded, MlpField)
    plain = list(linears_of(folded))
    assert all(isinstance(layer, DenseLinear) for layer in plain)
    assert len(set(plain[1].effective()[0].flatten().tolist())) == 15


def test_training_through_the_rounding_beats_rounding_afterwards() -> None:
    t = np.linspace(0, 1, 24, dtype=np.float32)
    signal = ArraySignal.of_array(np.sin(9 * t)[:, None] * np.cos(7 * t * t)[None, :])
    siren = {"type": "siren", "width": 32, "depth": 2}
    settings = {"steps": 300, "lr": 1e-3, "optimizer": "adam", "schedule": "cosine"}
    plain = inr.fit(signal, siren, settings)
    trained = inr.fit(signal, {**siren, "linear": "quantized"}, settings)
    spec = plain.spec
    rounded = parse(FieldConfig, {**siren, "linear": "quantized"}).resolve(spec).build(spec, torch.Generator())
    for own, other in zip(linears_of(plain.field), linears_of(rounded), strict=True):
        weight, bias = own.effective()
        other.assign(weight)
        assert bias is not None
        other.assign_bias(bias)
    x = torch.cartesian_prod(*[(torch.arange(24) + 0.5) / 24] * 2)
    y = plain.field(x).detach()
    afterwards = (rounded(x).detach() - y).square().mean().sqrt()
    learned = (trained.field(x).detach() - y).square().mean().sqrt()
    assert float(learned) < 0.8 * float(afterwards)
