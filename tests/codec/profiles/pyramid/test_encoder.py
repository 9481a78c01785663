"""Encoding small pictures as pyramids: sizes, qualities, seeds, and the choice of architecture."""

from __future__ import annotations

import numpy as np
import pytest

import inr
import inr.signals
from inr.codec.profile import PROFILES
from inr.codec.profiles.pyramid.architecture import architecture_of
from inr.codec.profiles.pyramid.encoder import QUICK_RANGE, QUICK_STEPS, PyramidTarget, quick_steps
from inr.codec.profiles.pyramid.groups import shapes_of
from inr.codec.rate_target import RateTarget
from inr.signals.image import Image
from tests.codec.profiles.pyramid.pictures import picture


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes() -> None:
    signal = Image.of_pixels(picture(17, 9))
    profile = PROFILES["pyramid"]()
    one, other = (profile.encode(signal, RateTarget(quality=40), 1, 3) for _ in range(2))
    assert one == other
    assert one != profile.encode(signal, RateTarget(quality=40), 1, 4)


@pytest.mark.slow
@pytest.mark.parametrize("aim", [{"target_psnr_db": 27.0}, {"bpp": 2.0}])
def test_the_target_is_reached(aim: dict[str, float]) -> None:
    from skimage.data import astronaut

    pixels = astronaut()[40:104, 180:276]
    done = inr.compress(Image.of_pixels(pixels), effort=2, verify=False, **aim)  # type: ignore[arg-type]
    assert done.profile == "pyramid"
    assert done.outcome == "done"
    if "bpp" in aim:
        assert done.bpp is not None
        assert 0.8 * aim["bpp"] < done.bpp <= aim["bpp"]
    else:
        assert done.metrics["psnr_db"] < aim["target_psnr_db"] + 2


@pytest.mark.slow
def test_grey_pictures_with_alpha_and_floats() -> None:
    for pixels in (picture()[..., :1], picture()[..., :2], np.exp(picture() / 64).astype(np.float32)):
        done = inr.compress(Image.of_pixels(pixels), effort=1, verify=False)
        values = inr.decompress(done.data).values()
        assert values.shape == pixels.shape
        assert done.metrics["psnr_db"] > 18


def test_networks_grow_with_the_size_of_the_file() -> None:
    def n_weights(aim: RateTarget, effort: int = 5) -> int:
        goal = PyramidTarget(aim, Image.of_pixels(picture()).frame, 768 * 512)
        architecture = architecture_of(3, 512, 768, effort, goal.expected_bytes)
        return sum(np.prod(shape, dtype=int) for shape in shapes_of(architecture).values())

    by_quality = [n_weights(RateTarget(quality=quality)) for quality in (0, 20, 50, 100)]
    assert by_quality == sorted(by_quality)
    assert (
        n_weights(RateTarget(quality=50)) > n_weights(RateTarget(quality=20)) > n_weights(RateTarget(size_bytes=2000))
    )
    assert n_weights(RateTarget(target_psnr_db=40.0)) == n_weights(RateTarget(size_bytes=50000))
    assert (
        n_weights(RateTarget(quality=50), effort=2)
        < n_weights(RateTarget(quality=50))
        < n_weights(RateTarget(quality=50), effort=7)
    )


def test_quick_runs_take_more_steps_at_low_rates() -> None:
    steps = [quick_steps(weight) for weight in (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)]
    assert steps == sorted(steps)
    assert steps[2] == QUICK_STEPS
    assert (steps[0], steps[-1]) == QUICK_RANGE
