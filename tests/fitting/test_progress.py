"""The training loss: its average and PSNR in closed form, and what is searched among all samples is searched once."""

from __future__ import annotations

import math

import numpy as np
import pytest

from inr.fitting.progress import TrainingLoss
from inr.signals.image import Image


class CountedPeak(Image):
    """Counts how often its peak, here a search among all pixels, is asked."""

    n_asked = 0

    @property
    def peak(self) -> float:
        type(self).n_asked += 1
        return super().peak


def test_a_constant_loss_has_its_own_psnr_and_the_peak_is_searched_once() -> None:
    signal = CountedPeak.of_pixels(np.linspace(-1, 3, 48, dtype=np.float32).reshape(4, 4, 3))
    loss = TrainingLoss(signal, is_mse=True)
    assert CountedPeak.n_asked == 0
    scale = signal.frame.scale[0]
    for step in range(1, 20):
        loss.add(step, 0.01, is_jittered=False)
        assert loss.mean(step) == pytest.approx(0.01)
        assert loss.psnr_db(step, is_jittered=False) == pytest.approx(10 * math.log10(4**2 / (0.01 * scale**2)))
        assert loss.psnr_db(step, is_jittered=True) is None
    assert CountedPeak.n_asked == 1
