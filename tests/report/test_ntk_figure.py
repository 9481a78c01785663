"""Figures of reports of the tangent kernel."""

from __future__ import annotations

import pytest

from inr.ntk import ntk_report
from inr.report import draw_ntk, draw_ntks
from inr.signals import load_signal
from tests.ntk.small_reports import SMALL, fine, full


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_figures_are_written(suffix: str) -> None:
    start = {".png": b"\x89PNG", ".svg": b"<?xml"}[suffix]
    drawn = draw_ntk(fine(), suffix) if suffix == ".svg" else draw_ntks([fine(), full()], suffix)
    assert drawn.startswith(start)
    assert len(drawn) > 20_000
    assert draw_ntk(full()).startswith(b"\x89PNG")


def test_a_signal_without_bands_has_a_figure() -> None:
    report = ntk_report(load_signal("analytic:torus"), SMALL, {"steps": 20, "batch": 256}, points=64)
    assert draw_ntk(report).startswith(b"\x89PNG")
