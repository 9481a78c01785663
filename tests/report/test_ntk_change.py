"""Before and after a change, from two reports of the kernel."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

import inr
from inr.core.errors import UsageError
from inr.ntk import document_of
from inr.report import draw_ntk_change, page
from inr.report.ntk_change import change_db, is_comparable
from tests.ntk.small_reports import band, made, picture


def test_the_gain_is_of_the_energy_without_the_mean() -> None:
    before = made(bands=(band(0, 0, 50, 1.0), band(0.01, 0.1, 90, 0.1), band(0.1, 0.5, 10, 0.1)))
    after = made(bands=(band(0, 0, 50, 0.0), band(0.01, 0.1, 90, 0.01), band(0.1, 0.5, 10, 0.01)))
    assert change_db(before, after) == pytest.approx(10.0)
    assert change_db(after, before) == pytest.approx(-10.0)


def test_a_figure_of_both_and_no_figure_of_different_bands() -> None:
    before = made()
    drawn = draw_ntk_change(before, made(), ".svg", ("poor", "better")).decode()
    assert "poor" in drawn
    assert "better" in drawn
    other = dataclasses.replace(before, bands=before.bands[:2])
    assert not is_comparable(before, other)
    with pytest.raises(UsageError, match="different bands"):
        draw_ntk_change(before, other)


def test_a_page_of_two_reports_says_which_leaves_less(tmp_path: Path) -> None:
    signal = picture(2, 16)
    field = {"type": "siren", "width": 8, "depth": 2}
    files = []
    for name, lr in (("slow", 1e-5), ("fast", 1e-2)):
        settings = {"steps": 20, "lr": lr}
        inr.fit(signal, field, settings).save(tmp_path / f"{name}.safetensors")
        report = inr.ntk_report(signal, field, settings, points=16, try_settings=False)
        (tmp_path / f"{name}.ntk.json").write_text(json.dumps({"schema": "inr.ntk", **document_of(report)}))
        files.append(tmp_path / f"{name}.safetensors")
    text = page(files, signal=signal)
    assert "Before and after the change" in text
    assert "dB less of the signal than slow" in text
    assert "Before and after the change" not in page(files[:1], signal=signal)
