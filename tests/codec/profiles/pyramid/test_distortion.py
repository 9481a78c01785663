"""Distortions of pyramids: gradients through the compiled op equal those through plain torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Generator

import inr
from inr.codec.compression_settings import CompressionSettings
from inr.codec.profile import TUNES
from inr.codec.profiles.pyramid.architecture import architecture_of, synthesis_of
from inr.codec.profiles.pyramid.distortion import DISTORTIONS, SHARE, UNIT, perceptual, picture, squared
from inr.codec.profiles.pyramid.network import Networks
from inr.codec.training.ms_ssim import ms_ssim
from inr.core.errors import UsageError
from inr.kernels.pyramid_error import reference
from inr.signals.image import Image
from tests.codec.profiles.pyramid import pictures


def test_the_perceptual_gradient_is_that_of_plain_torch() -> None:
    target = pictures.tensor(pictures.picture())
    architecture = architecture_of(3, 40, 56, effort=5, expected_bytes=3000)
    generator = Generator().manual_seed(0)
    networks = Networks(architecture, target, 1e-3, generator).values()
    names = [name for name in networks if name.startswith(("synthesis", "kernel"))]
    grids = [torch.randn(shape, generator=generator).requires_grad_() for shape in architecture.grids]
    by = [*grids, *(networks[name] for name in names)]
    found, mse = perceptual(architecture, networks, grids, target)
    shown = reference.picture(grids, *synthesis_of(architecture, networks))
    error = (shown - target).square().mean()
    expected = SHARE * error + (1 - SHARE) * UNIT * (1 - ms_ssim(shown, target))
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert mse == pytest.approx(float(error.detach()), rel=1e-5)
    for one, other in zip(torch.autograd.grad(found, by), torch.autograd.grad(expected, by), strict=True):
        assert float((one - other).abs().max()) < 1e-4 * float(other.abs().max()) + 1e-12
    with torch.no_grad():
        assert float(perceptual(architecture, networks, grids, target)[0]) == pytest.approx(float(found.detach()))
        plain, mse = squared(architecture, networks, grids, target)
        assert float(plain) == mse == pytest.approx(float(error))
        np.testing.assert_allclose(picture(architecture, networks, grids), shown.detach(), atol=1e-5)


def test_tunes_have_names() -> None:
    assert tuple(DISTORTIONS) == TUNES
    with pytest.raises(UsageError, match="`tune` is 'nice', expected one of psnr, perceptual"):
        CompressionSettings(tune="nice")


def test_what_cannot_be_tuned_is_refused(tmp_path: Path) -> None:
    signal = Image.of_pixels(pictures.picture())
    with pytest.raises(UsageError, match="`target_psnr_db` and `tune=perceptual` are both given"):
        inr.compress(signal, tune="perceptual", target_psnr_db=30.0, verify=False)
    with pytest.raises(UsageError, match="at least 11 x 11 pixels"):
        inr.compress(Image.of_pixels(pictures.picture(10, 40)), tune="perceptual", verify=False)
    np.save(tmp_path / "a.npy", np.zeros((4, 5), np.float32))
    with pytest.raises(UsageError, match="cannot be tuned for 'perceptual'"):
        inr.compress(tmp_path / "a.npy", tune="perceptual", verify=False)


@pytest.mark.slow
def test_perceptual_files_are_more_similar_at_equal_bytes() -> None:
    from skimage.data import astronaut

    signal = Image.of_pixels(astronaut()[52:148, 166:262])
    plain, tuned = (inr.compress(signal, tune=tune, size_bytes=1000, effort=1, verify=False) for tune in TUNES)
    assert "ms_ssim" not in plain.metrics
    shown = [torch.from_numpy(inr.decompress(made.data).values()).movedim(-1, 0) for made in (plain, tuned)]
    similar = [float(ms_ssim(values, signal.values.movedim(-1, 0))) for values in shown]
    assert tuned.metrics["ms_ssim"] == pytest.approx(similar[1], abs=1e-3)
    assert similar[1] > similar[0]
    assert tuned.metrics["psnr_db"] < plain.metrics["psnr_db"]
