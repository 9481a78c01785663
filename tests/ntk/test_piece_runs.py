"""Rehearsals on pieces of a signal: which samples they see, and that they rank rates as fits do."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from torch import Generator

from inr.core.samples import Samples
from inr.fitting import resolve
from inr.ntk.piece_runs import WINDOWS, pieces, rehearse_piece
from inr.signals import Signal
from inr.signals.audio import Audio
from tests.ntk.small_reports import SMALL, picture


def samples_of(signal: Signal) -> Samples:
    return Samples.counted(signal.spec, signal.pool(Generator()))


def test_pieces_of_a_picture_are_windows_with_the_share() -> None:
    index = pieces(samples_of(picture(3, side=64)), 0.1)
    assert len(index) == pytest.approx(0.1 * 64 * 64, rel=0.1)
    rows = {int(i) // 64 for i in index}
    for part in range(WINDOWS):
        own = [int(i) for i in index if part * 16 <= int(i) // 64 < (part + 1) * 16]
        columns = sorted({i % 64 for i in own})
        assert columns == list(range(columns[0], columns[-1] + 1))
    assert len(rows) == pytest.approx(4 * (0.025**0.5 * 64), abs=2)


def test_pieces_of_a_sound_are_runs_of_samples() -> None:
    sound = Audio.of_samples(np.sin(np.arange(1000, dtype=np.float32))[:, None], 8000)
    index = pieces(samples_of(sound), 0.1).tolist()
    breaks = sum(b - a > 1 for a, b in itertools.pairwise(index))
    assert (len(index), breaks) == (100, WINDOWS - 1)


def test_rates_are_ranked_and_divergence_is_seen() -> None:
    signal, found = picture(3), []
    for rate in (1e-5, 1e-3, 1e30):
        config, fit = resolve(signal, SMALL, {"steps": 30, "optimizer": "adam", "lr": rate})
        found.append(rehearse_piece(signal, config, fit, samples_of(signal), 0.1))
    assert found[1] < found[0] - 1
    assert found[2] == float("inf")
