"""Initialisers that scale weights, and those that use the signal."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from inr.core.config import override
from inr.core.domain import Grid, Spec
from inr.core.errors import ConfigError
from inr.core.samples import Samples
from inr.fields import Field
from inr.fields.mlp import Mlp
from inr.fields.winner import Winner
from inr.fields.ws_siren import WsSiren
from inr.layers import Linear
from inr.layers.activations.relu import Relu
from inr.layers.activations.sine import Sine
from inr.layers.initialisers.standard import Matched
from inr.layers.initialisers.weight_scaling import WeightScaling
from inr.layers.initialisers.winner import PICTURE_CONSTANTS, WAVEFORM_CONSTANTS, noise_scales, spectral_centroid
from inr.layers.initialisers.winner import Winner as WinnerInit


def samples_of(spec: Spec, values: Tensor, order: tuple[int, ...]) -> Samples:
    """A lattice of values [*array axes, C]."""
    flat = values.reshape(-1, values.shape[-1])
    points = Grid.whole(tuple(values.shape[:-1]), order).points
    return Samples(spec, len(flat), lambda i: (points(i), flat[i]), order)


def weights(field: Field) -> list[Tensor]:
    return [m.effective()[0].detach().clone() for m in field.modules() if isinstance(m, Linear)]


def test_noise_scales_at_the_ends_of_the_spectrum() -> None:
    assert noise_scales(WAVEFORM_CONSTANTS, 0.0, 1) == noise_scales(PICTURE_CONSTANTS, 0.0, 3) == (0.0, 0.0)
    assert noise_scales(WAVEFORM_CONSTANTS, 1.0, 1) == pytest.approx((3500 * (1 - math.exp(-7)), 3.0))
    assert noise_scales(PICTURE_CONSTANTS, 1.0, 1) == pytest.approx((50 * (1 - math.exp(-5)), 0.4))
    assert round(noise_scales(WAVEFORM_CONSTANTS, 1.0, 1)[0], 1) == 3496.8
    assert round(noise_scales(PICTURE_CONSTANTS, 1.0, 1)[0], 2) == 49.66
    assert noise_scales(PICTURE_CONSTANTS, 0.75, 2) == noise_scales(PICTURE_CONSTANTS, 0.1875, 1)


def test_the_centroid_of_pure_tones_is_their_frequency() -> None:
    t = torch.arange(64)
    assert spectral_centroid(torch.ones(64, 1)) == 0
    assert spectral_centroid((-1.0) ** t[:, None]) == pytest.approx(1)
    assert spectral_centroid(torch.zeros(64, 2)) == 0
    tones = torch.stack([torch.cos(2 * math.pi * k * t / 64) for k in (8, 24)], dim=-1)
    assert spectral_centroid(tones) == pytest.approx((0.25 + 0.75) / 2, abs=1e-5)
    assert spectral_centroid(tones.sum(-1, keepdim=True)) == pytest.approx(0.5, abs=1e-5)


def test_pictures_are_read_along_their_rows() -> None:
    """Stripes that change from column to column have the highest frequency there is; from row to row none."""
    spec = Spec("image", 2, 1, (16, 10))
    stripes = (-1.0) ** torch.arange(16).expand(10, 16)[..., None]  # [y, x, C]
    s0, s1 = WinnerInit().scales(samples_of(spec, stripes, (1, 0)))
    assert (s0, s1) == pytest.approx(noise_scales(PICTURE_CONSTANTS, 1.0, 1))
    other = Spec("image", 2, 1, (10, 16))
    assert WinnerInit().scales(samples_of(other, stripes.transpose(0, 1), (1, 0))) == pytest.approx(
        (0.0, 0.0), abs=1e-5
    )


def test_winner_adds_noise_to_the_first_two_matrices_only(generator: torch.Generator) -> None:
    spec = Spec("audio", 1, 1, (4096,))
    config = Winner().resolve(spec)
    field = config.build(spec, generator)
    assert field.n_params == 198_691  # as many as the audio SIREN of 3 x 256
    before = weights(field)
    samples = samples_of(spec, torch.randn(4096, 1, generator=generator), (0,))
    field.initialise(samples, generator)
    s0, s1 = WinnerInit().scales(samples)
    assert 0.45 < s1 / 3 < 0.55  # white noise
    noise = [(b - a).flatten() for a, b in zip(before, weights(field), strict=True)]
    assert abs(float(noise[0].std()) / (s0 / 30) - 1) < 0.2
    assert abs(float(noise[1].std()) / (s1 / 30) - 1) < 0.02
    assert abs(float(noise[1].mean())) < 5 * s1 / 30 / math.sqrt(noise[1].numel())
    assert all(float(n.abs().max()) == 0 for n in noise[2:])
    assert len(noise) == 6


def test_winner_takes_given_scales_for_signals_without_a_rule() -> None:
    spec = Spec("array", 1, 1, (64,))
    with pytest.raises(ConfigError, match=r"no rule for a signal of kind 'array'.*set both s0 and s1"):
        Winner().resolve(spec)
    config = override(Winner(), ["init.s0=60", "init.s1=0.3"], "field").resolve(spec)
    field = config.build(spec, torch.Generator().manual_seed(0))
    before = weights(field)
    field.initialise(samples_of(spec, torch.zeros(64, 1), (0,)), torch.Generator().manual_seed(1))
    noise = weights(field)[1] - before[1]
    assert abs(float(noise.std()) / 0.01 - 1) < 0.02


def test_winner_needs_a_frequency() -> None:
    spec = Spec("array", 1, 1, (64,))
    field = Mlp(width=8, activation=Relu(), init=WinnerInit(s0=1.0, s1=1.0)).resolve(spec)
    built = field.build(spec, torch.Generator())
    with pytest.raises(ConfigError, match=r"needs an activation with a frequency omega .* not 'relu'"):
        built.initialise(samples_of(spec, torch.zeros(64, 1), (0,)), torch.Generator())


def test_weight_scaling_multiplies_every_matrix_but_the_last() -> None:
    spec = Spec("image", 2, 3, (8, 8))
    scaled, plain = (
        WsSiren(width=32, init=init).resolve(spec).build(spec, torch.Generator().manual_seed(3))
        for init in (WeightScaling(), Matched())
    )
    for i, (a, b) in enumerate(zip(weights(scaled), weights(plain), strict=True)):
        torch.testing.assert_close(a, b if i == 4 else 2.5 * b)
    biases = [[m.effective()[1] for m in field.modules() if isinstance(m, Linear)] for field in (scaled, plain)]
    torch.testing.assert_close(*biases)


def test_noise_comes_after_scaling(generator: torch.Generator) -> None:
    """First the scaling, then the noise, for both orders of nesting."""
    spec = Spec("array", 1, 1, (64,))
    init = WeightScaling(base=WinnerInit(s0=0.0, s1=30.0))
    field = Mlp(width=64, activation=Sine(), init=init).resolve(spec).build(spec, generator)
    before = weights(field)
    field.initialise(samples_of(spec, torch.zeros(64, 1), (0,)), generator)
    after = weights(field)
    assert torch.equal(after[0], before[0])
    assert abs(float((after[1] - before[1]).std()) - 1) < 0.05
