"""The curve of a run: its steps and values, in files and after resuming."""

from __future__ import annotations

from pathlib import Path

import pytest

import inr
from inr.core.errors import UnreadableError
from inr.fitting import Fit, Run, resolve, resume, save_checkpoint
from inr.fitting.curve import PER_OCTAVE, Curve, is_on_curve
from inr.fitting.model_file import to_bytes
from inr.signals import load_signal

TINY = {"type": "siren", "width": 8, "depth": 1}
SETTINGS = {"steps": 30, "batch": 64}


def test_points_are_the_whole_parts_of_powers() -> None:
    expected = sorted({int(2 ** (k / PER_OCTAVE) + 1e-9) for k in range(12 * PER_OCTAVE + 1)})
    assert [step for step in range(4097) if is_on_curve(step)] == expected


def test_the_curve_ends_at_the_last_step_and_equals_the_progress() -> None:
    reported = {}
    fit = inr.fit("analytic:chirp", TINY, SETTINGS, device="cpu", on_progress=lambda p: reported.update({p.step: p}))
    assert fit.curve.step == (1, 2, 3, 4, 5, 6, 8, 9, 11, 13, 16, 19, 22, 26, 30)
    assert fit.curve.loss == pytest.approx([reported[step].loss for step in fit.curve.step], rel=1e-5)
    assert fit.curve.psnr_db == pytest.approx([reported[step].psnr_db for step in fit.curve.step], rel=1e-5)


def test_files_and_resumed_runs_keep_it(tmp_path: Path) -> None:
    signal = load_signal("analytic:chirp")
    whole = inr.fit(signal, TINY, SETTINGS, device="cpu")
    whole.save(tmp_path / "m.safetensors")
    assert inr.load(tmp_path / "m.safetensors").curve == whole.curve
    run = Run(signal, *resolve(signal, TINY, SETTINGS))
    run.advance(should_stop=lambda: run.step >= 7)
    save_checkpoint(run, tmp_path / "c")
    again = resume(tmp_path / "c", signal)
    assert again.result(again.advance()).to_bytes() == whole.to_bytes()


def test_without_psnr_or_steps_there_is_no_curve() -> None:
    assert set(inr.fit("analytic:chirp", TINY, SETTINGS | {"loss": "l1"}, device="cpu").curve.psnr_db) == {None}
    none = Curve()
    assert len(none) == 0
    assert none.followed_by(1, float("nan"), None) == none
    assert none.followed_by(1, 2.0, float("inf")) == Curve((1,), (2.0,), (None,))


def test_a_damaged_curve_is_reported(tmp_path: Path) -> None:
    fit = inr.fit("analytic:chirp", TINY, SETTINGS | {"steps": 2}, device="cpu")
    document = fit.document() | {"curve": {"step": [1, 2], "loss": [1.0], "psnr_db": [None, None]}}
    (tmp_path / "m.safetensors").write_bytes(to_bytes(fit.field.state_dict(), document))
    with pytest.raises(UnreadableError, match="differ in length"):
        Fit.load(tmp_path / "m.safetensors")
