"""Multi-scale structural similarity against scikit-image's at one scale, and against what it must be."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inr.codec.training import ms_ssim as scales
from inr.codec.training.ms_ssim import ms_ssim, n_scales, similarity


def pair(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(3, height, width, generator=generator, dtype=torch.float64)
    noise = 0.1 * torch.randn(3, height, width, generator=generator, dtype=torch.float64)
    return x, (0.8 * x + 0.1 + noise).clamp(0, 1)


def test_one_scale_is_that_of_scikit_image() -> None:
    from skimage.metrics import structural_similarity

    x, y = pair(30, 41)
    luminance, structure = similarity(x, y)
    for channel, own in enumerate(luminance * structure):
        _, expected = structural_similarity(
            x[channel].numpy(), y[channel].numpy(), data_range=1.0, gaussian_weights=True, sigma=1.5,
            use_sample_covariance=False, full=True,
        )  # fmt: skip
        np.testing.assert_allclose(own.numpy(), expected[5:-5, 5:-5], rtol=1e-9, atol=1e-12)


def test_it_is_the_weighted_product_of_the_scales() -> None:
    x, y = pair(176, 180)
    assert (n_scales(176, 180), n_scales(175, 400), n_scales(11, 11)) == (5, 4, 1)
    expected = torch.zeros((), dtype=torch.float64)
    for channel in range(3):
        value, (a, b) = torch.ones((), dtype=torch.float64), (x[channel, None], y[channel, None])
        for scale, weight in enumerate(scales.WEIGHTS):
            luminance, structure = similarity(a, b)
            value = value * ((luminance * structure if scale == 4 else structure).mean() ** weight)
            a, b = (z.unfold(1, 2, 2).unfold(2, 2, 2).mean((-1, -2)) for z in (a, b))
        expected += value / 3
    assert float(ms_ssim(x, y)) == pytest.approx(float(expected), rel=1e-3)


def test_equal_pictures_are_at_the_maximum() -> None:
    x, y = pair(44, 48)
    assert float(ms_ssim(x, x)) == pytest.approx(1)
    assert float(ms_ssim(x, y)) == pytest.approx(float(ms_ssim(y, x)))
    assert float(ms_ssim(x, y)) < 0.99
    z = x.clone().requires_grad_()
    torch.autograd.backward(ms_ssim(z, x))
    assert z.grad is not None
    assert float(z.grad.abs().max()) < 1e-12


def test_of_constant_pictures_only_the_luminance_differs() -> None:
    x, y = torch.full((1, 2 * 11, 22), 0.4), torch.full((1, 22, 22), 0.6)
    luminance = (2 * 0.24 + 1e-4) / (0.52 + 1e-4)
    w1, w2 = scales.WEIGHTS[:2]
    assert float(ms_ssim(x, y)) == pytest.approx(luminance ** (w2 / (w1 + w2)), rel=1e-4)


def test_its_gradient_is_that_of_differences() -> None:
    x, y = pair(24, 26)
    assert torch.autograd.gradcheck(lambda z: ms_ssim(z, y[:1, :, :]), x[:1].requires_grad_(), eps=1e-5, fast_mode=True)


def test_small_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="10 x 30, expected at least 11 x 11"):
        n_scales(30, 10)
