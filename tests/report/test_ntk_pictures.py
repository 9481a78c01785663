"""Pictures of a kernel over its signal, and the figure of a rehearsal."""

from __future__ import annotations

import dataclasses
import math

import torch

from inr.ntk.kernel_pictures import KernelPictures
from inr.ntk.report import UNCHANGED, Rehearsal, Trial
from inr.report import draw_ntk
from inr.report.ntk_pictures import draw_kernel_pictures
from tests.ntk.small_reports import POOR, made


def test_pictures_and_lines_are_drawn() -> None:
    for shape in ((5, 7), (30,)):
        places = torch.full((2, len(shape)), 0.3)
        found = KernelPictures(shape, places, torch.rand(2, *shape), torch.rand(3, *shape) - 0.5, (0.5, 0.3, 0.1))
        assert draw_kernel_pictures(found).startswith(b"\x89PNG")
        assert b"Pattern with 50 % of the kernel" in draw_kernel_pictures(found, ".svg")


def test_a_rehearsal_shows_its_course_its_fan_and_gains() -> None:
    rehearsal = Rehearsal(0.1, (70, 30), (0, 10, 110), ((1.0,) * 3, (0.5, 0.2, 0.9), (0.1, 0.01, 0.9)), 1.5, 88, 100)
    trials = (Trial("fit.lr=0.003", 0.0, math.nan, 4.2), Trial(UNCHANGED, 0.1, math.nan, 0.0))
    bands = tuple(
        dataclasses.replace(b, left_low=b.left_adam / 2, left_high=b.left_adam * 2)
        for b in POOR["bands"]  # type: ignore[attr-defined]  # bands
    )
    drawn = draw_ntk(made(bands=bands, rehearsal=rehearsal, trials=trials), ".svg")
    for text in (b"left of each band", b"9 of 10 such forecasts", b"+4.2 dB"):
        assert text in drawn
    assert b"left of each band" not in draw_ntk(made(**POOR), ".svg")
