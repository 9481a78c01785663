"""Reasons that pages give for coarse fits, where they are closed truths."""

from __future__ import annotations

import math

import pytest
import torch

import inr
from inr.core.domain import Spec
from inr.fields.chebyshev import MAX_DEGREE, Chebyshev
from inr.layers.activations.bspline_wavelet import BsplineWavelet
from inr.layers.activations.gabor import OMEGA, SCALE, Gabor
from inr.signals.array import Array

CLIP = Spec("audio", 1, 1, (88_200,))


def test_a_polynomial_changes_sign_at_most_as_often_as_its_degree() -> None:
    degree = Chebyshev().resolve(CLIP).degree
    assert degree == (MAX_DEGREE,)
    noise = torch.randn(600, generator=torch.Generator().manual_seed(0))
    fit = inr.fit(Array.of_array(noise.numpy()), {"type": "chebyshev", "degree": [40]})
    with torch.no_grad():
        values = fit.field(torch.linspace(0, 1, 20_001)[:, None])[:, 0]
    assert 10 < _crossings(values) <= 40 < _crossings(noise)


def _crossings(values: torch.Tensor) -> int:
    """Of the mean: zeros of a polynomial of the same degree."""
    above = values > values.mean()
    return int((above[1:] != above[:-1]).sum())


def test_a_wavelet_is_at_most_as_high_as_its_page_says() -> None:
    activation = Gabor().build("hidden", 2)
    z = torch.randn(1000, 2, generator=torch.Generator().manual_seed(0))
    highest = math.exp(OMEGA**2 / (4 * SCALE**2))
    assert activation(z).norm(dim=-1).max() <= highest * (1 + 1e-5)
    peak = activation(torch.tensor([[0.0, -OMEGA / (2 * SCALE**2)]]))
    assert peak.norm().item() == pytest.approx(highest)


def test_a_spline_wavelet_is_0_outside_its_support() -> None:
    activation = BsplineWavelet().build("hidden", 1)
    z = torch.linspace(-1, 1, 4001)
    inside = (z > 0) & (z < 3 / 9)
    assert torch.allclose(activation(z)[~inside], torch.zeros(()), atol=1e-5)
    assert activation(z)[inside].abs().max() > 0.5
