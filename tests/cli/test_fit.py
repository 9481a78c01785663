"""`inr fit`: results, settings and their precedence, stopping, checkpoints."""

from __future__ import annotations

import json
import signal
import time
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from inr_cli import STARTED, _progress
from PIL import Image

from inr.core.stopwatch import Stopwatch, compilation
from inr.fitting import Progress, Run
from inr.workflows.sizing import DESCRIPTION_BYTES
from tests.cli.conftest import TINY, document, invoke, listing, picture_size


def test_fit_prints_one_line_and_writes_the_model_and_its_rendering(picture: Path) -> None:
    result = invoke("fit", picture, *TINY, "--steps", "30", "-o", "m.safetensors", "--render", "m.png")
    assert result.exit_code == 0
    (line,) = result.stdout.splitlines()
    words = line.split("  ")
    assert words[0] == "m.safetensors"
    assert words[1].endswith(" dB PSNR")
    assert words[2] == "371 parameters"  # 2*16+16 + 16*16+16 + 16*3+3
    assert picture_size("m.png") == (16, 12)


def test_the_printed_psnr_is_that_of_the_rendered_file(picture: Path) -> None:
    printed = document(invoke("fit", picture, *TINY, "--steps", "30", "--render", "m.png", "--json"))
    difference = np.asarray(Image.open("m.png"), np.float64) - np.asarray(Image.open(picture), np.float64)
    psnr_db = 20 * np.log10(255) - 10 * np.log10(np.mean(difference**2))
    assert printed["metrics"]["psnr_db"] == pytest.approx(psnr_db, abs=1e-3)
    assert printed["bytes"] == Path("a.safetensors").stat().st_size


def test_json_is_one_document_and_notes_are_on_stderr(picture: Path) -> None:
    result = invoke("fit", picture, *TINY, "--steps", "2", "--seed", "7", "--json")
    printed = json.loads(result.stdout)
    assert (printed["schema"], printed["version"], printed["outcome"], printed["seed"]) == ("inr.fit", 1, "done", 7)
    assert "seed 7" in result.stderr


def test_compiling_is_a_stage_of_its_own_with_its_own_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stopwatch = Stopwatch()
    monkeypatch.setattr(_progress, "compilation", stopwatch)
    shown = _progress.FitProgress(is_shown=True, time_s=None, seconds=5.0)
    with shown as progress:
        for _ in range(2):
            with stopwatch:
                time.sleep(0.06)
        progress(Progress(9, 10, 5.25, 0.1, None))
        progress(Progress(10, 10, 5.5, 0.1, None))
    compiling, compiled = capsys.readouterr().err.splitlines()
    assert compiling == "compiling kernels (once per machine)"
    assert compiled.startswith("kernels compiled in 0.")
    assert shown.startup_s is not None
    assert shown.startup_s <= time.perf_counter() - STARTED - 0.25 - stopwatch.seconds


def test_without_a_cache_compiling_is_not_promised_to_be_the_last(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inr.core.cache_folder.cache_folder", lambda: None)
    with _progress.FitProgress(is_shown=True, time_s=None), compilation:
        pass
    shown = capsys.readouterr().err
    assert shown.startswith("compiling kernels")
    assert "once per machine" not in shown


def test_startup_and_compiling_are_reported_beside_the_fits_own_time(picture: Path) -> None:
    printed = document(invoke("fit", picture, *TINY, "--steps", "2", "--json"))
    assert printed["startup_seconds"] > 0
    assert printed["compile_seconds"] >= 0
    closed = document(invoke("fit", picture, "--field", "chebyshev", "--no-progress", "--json", "--force"))
    assert (closed["steps"], closed["startup_seconds"]) == (0, None)


def test_a_nonfinite_number_is_null(here: Path) -> None:
    Image.new("RGB", (4, 4), (9, 9, 9)).save("small.png")  # too small for SSIM
    printed = document(invoke("fit", "small.png", *TINY, "--steps", "2", "--json"))
    assert printed["metrics"]["ssim"] is None
    assert invoke("inspect", "small.safetensors").exit_code == 0


def test_quiet_prints_the_path_alone(picture: Path) -> None:
    result = invoke("fit", picture, *TINY, "--steps", "2", "-q")
    assert (result.stdout, result.stderr) == ("a.safetensors\n", "")


def test_output_is_never_overwritten_without_force(picture: Path) -> None:
    Path("a.safetensors").write_text("precious")
    refused = invoke("fit", picture, *TINY, "--steps", "2")
    assert refused.exit_code == 2
    assert refused.stderr.startswith("error: output 'a.safetensors' exists\nhint: ")
    assert Path("a.safetensors").read_text() == "precious"
    assert invoke("fit", picture, *TINY, "--steps", "2", "--force").exit_code == 0


def test_a_rendering_that_exists_is_found_before_the_fit(picture: Path) -> None:
    result = invoke("fit", picture, *TINY, "--render", "a.png")
    assert result.exit_code == 2
    assert not Path("a.safetensors").exists()


def test_all_problems_are_reported_at_once_with_the_nearest_names(picture: Path, here: Path) -> None:
    before = listing(here)
    result = invoke(
        "fit", picture, "--set", "field.widht=3", "--set", "fit.stpes=3", "--set", "fild.x=1", "--batch", "0"
    )
    assert result.exit_code == 2
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 4
    for near in ("'width'", "'steps'", "'field'"):
        assert any(f"did you mean {near}" in line for line in errors)
    assert listing(here) == before


@pytest.mark.parametrize(
    ("args", "near"),
    [(("--field", "sirn"), "siren"), (("--kind", "imag"), "image"), (("--stpes", "3"), "--steps")],
)
def test_did_you_mean(picture: Path, args: tuple[str, ...], near: str) -> None:
    result = invoke("fit", picture, *args)
    assert result.exit_code == 2
    assert f"did you mean '{near}'?" in result.stderr


def test_errors_under_json_are_json_on_stderr(picture: Path) -> None:
    result = invoke("fit", picture, "--set", "field.widht=3", "--json")
    printed = json.loads(result.stderr)
    assert (result.stdout, printed["schema"], printed["exit_code"]) == ("", "inr.error", 2)
    assert "widht" in printed["problems"][0]


@pytest.mark.parametrize(
    "args",
    [
        ("--json", "-q"),
        ("--json", "-o", "-"),
        ("--set", "x"),
        ("--time", "soon"),
        ("--save-every", "0"),
        ("--threads", "0"),
    ],
)
def test_contradictory_options_are_usage_errors(picture: Path, here: Path, args: tuple[str, ...]) -> None:
    before = listing(here)
    result = invoke("fit", picture, *args)
    assert result.exit_code == 2
    assert listing(here) == before


def test_printed_config_is_accepted_and_prints_itself(picture: Path) -> None:
    first = invoke("fit", picture, *TINY, "--time", "30s", "--target-psnr", "40", "--print-config")
    settings = tomllib.loads(first.stdout)
    assert settings["fit"]["steps"] == "none"
    assert settings["fit"]["time_s"] == 30.0
    Path("c.toml").write_text(first.stdout)
    again = invoke("fit", picture, "--config", "c.toml", "--print-config")
    assert (again.exit_code, again.stdout) == (0, first.stdout)
    assert not Path("a.safetensors").exists()


def test_a_fit_from_its_printed_config_is_the_same_fit(picture: Path) -> None:
    invoke("fit", picture, *TINY, "--steps", "5", "-o", "1.safetensors")
    Path("c.toml").write_text(invoke("fit", picture, *TINY, "--steps", "5", "--print-config").stdout)
    assert invoke("fit", picture, "--config", "c.toml", "-o", "2.safetensors").exit_code == 0
    assert Path("1.safetensors").read_bytes() == Path("2.safetensors").read_bytes()


def test_option_wins_over_set_wins_over_config_wins_over_preset(picture: Path) -> None:
    Path("c.toml").write_text("[field]\ntype = 'siren'\n[fit]\nlr = 0.5\nbatch = 10\nseed = 3\n")
    args = ("fit", picture, "--config", "c.toml", "--set", "fit.batch=20", "--set", "fit.seed=4", "--seed", "5")
    fit = tomllib.loads(invoke(*args, "--print-config").stdout)["fit"]
    assert (fit["lr"], fit["batch"], fit["seed"]) == (0.5, 20, 5)
    assert tomllib.loads(invoke("fit", picture, "--field", "siren", "--print-config").stdout)["fit"]["lr"] == 1e-3


def test_a_recipe_is_chosen_and_other_options_win_over_it(picture: Path) -> None:
    def settings(*words: str) -> dict[str, Any]:
        printed = invoke("fit", picture, "--field", "siren", "--print-config", *words).stdout
        found: dict[str, Any] = tomllib.loads(printed)["fit"]
        return found

    paper = settings("--recipe", "paper")
    assert (paper["lr"], paper["steps"], paper["optimizer"]["type"]) == (1e-4, 10000, "adam")
    assert settings("--recipe", "best") == settings()
    assert settings()["optimizer"]["type"] == "soap"
    assert settings("--recipe", "paper", "--steps", "7") == {**paper, "steps": 7}
    assert "soap" in invoke("fit", picture, "--field", "siren", "--dry-run").stdout
    refused = invoke("fit", picture, "--recipe", "worst")
    assert (refused.exit_code, "best or paper" in refused.stderr) == (2, True)
    assert invoke("fit", picture, "--resume", "nowhere", "--recipe", "paper").exit_code == 2


@pytest.mark.parametrize(("text", "time_s"), [("30", 30.0), ("30s", 30.0), ("2m", 120.0), ("1.5h", 5400.0)])
def test_time_limits(picture: Path, text: str, time_s: float) -> None:
    fit = tomllib.loads(invoke("fit", picture, "--time", text, "--print-config").stdout)["fit"]
    assert (fit["time_s"], fit["steps"]) == (time_s, "none")


def test_time_and_steps_both_hold(picture: Path) -> None:
    fit = tomllib.loads(invoke("fit", picture, "--time", "5", "--steps", "9", "--print-config").stdout)["fit"]
    assert (fit["time_s"], fit["steps"]) == (5.0, 9)


def test_a_run_without_an_end_is_refused(picture: Path) -> None:
    result = invoke("fit", picture, "--set", "fit.steps=none")
    assert result.exit_code == 2
    assert "--time" in result.stderr


@pytest.mark.parametrize("content", ["[fild]\nx = 1\n", "field = 3\n", "not toml", "[fit]\nstpes = 3\n"])
def test_bad_config_files(picture: Path, content: str) -> None:
    Path("c.toml").write_text(content)
    result = invoke("fit", picture, "--config", "c.toml")
    assert result.exit_code == 2
    assert len([line for line in result.stderr.splitlines() if line.startswith("error: ")]) == 1


def test_dry_run_shows_the_plan_and_writes_nothing(picture: Path, here: Path) -> None:
    before = listing(here)
    printed = document(invoke("fit", picture, *TINY, "--dry-run", "--json"))
    assert (printed["schema"], printed["n_params"], printed["output"]) == ("inr.plan", 371, "a.safetensors")
    assert listing(here) == before


def test_dry_run_says_what_is_expected(picture: Path) -> None:
    printed = invoke("fit", picture, "--field", "siren", "--steps", "100000", "--dry-run")
    assert printed.exit_code == 0
    assert "expected: " in printed.stdout
    assert " of memory, a file of " in printed.stdout
    forecast = document(invoke("fit", picture, "--field", "siren", "--steps", "100000", "--dry-run", "--json"))[
        "forecast"
    ]
    assert forecast["steps"] == 100000
    assert forecast["seconds"] > 1


def test_a_size_is_kept(picture: Path) -> None:
    for size in ("8k", "14k"):
        printed = document(
            invoke("fit", picture, "--field", "siren", "--size", size, "--steps", "3", "--json", "--force")
        )
        limit = 1000 * int(size[:-1])
        assert printed["bytes"] <= limit
        assert printed["n_params"] > 0.7 * (limit - DESCRIPTION_BYTES) / 2
        assert Path("a.safetensors").stat().st_size == printed["bytes"]
    printed = document(invoke("fit", picture, *TINY, "--size", "12k", "--dtype", "float32", "--dry-run", "--json"))
    assert printed["n_params"] <= 1500
    assert printed["fit"]["dtype"] == "float32"


def test_a_size_that_cannot_be_is_refused(picture: Path) -> None:
    for words in (("--size", "3k"), ("--size", "20k", "--params", "500"), ("--size", "much")):
        result = invoke("fit", picture, *words)
        assert result.exit_code == 2
        assert "size" in result.stderr


def test_a_target_that_is_reached_stops_the_run(picture: Path) -> None:
    printed = document(invoke("fit", picture, *TINY, "--lr", "0.003", "--target-psnr", "12", "--json"))
    assert printed["metrics"]["psnr_db"] >= 12
    assert printed["steps"] < 2000


def test_a_target_that_is_not_reached_is_exit_code_1_with_the_file_written(picture: Path) -> None:
    result = invoke("fit", picture, *TINY, "--steps", "3", "--target-psnr", "90")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("target not reached: ")
    assert Path("a.safetensors").exists()


def test_a_psnr_target_of_a_shape_is_refused_before_the_run() -> None:
    result = invoke("fit", "analytic:torus", *TINY, "--steps", "1", "--target-psnr", "30", "--set", "fit.batch=64")
    assert result.exit_code == 2
    assert not Path("torus.safetensors").exists()


def test_a_diverged_run_keeps_its_last_good_state_and_gives_advice(picture: Path) -> None:
    result = invoke("fit", picture, *TINY, "--field", "mlp", "--lr", "1e30", "--json")
    assert result.exit_code == 1
    assert document(result)["outcome"] == "diverged"
    assert "hint: use a smaller --lr (it was 1e+30)" in result.stderr
    assert invoke("render", "a.safetensors").exit_code == 0


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(picture: Path) -> None:
    for name, seed in (("1", "0"), ("2", "0"), ("3", "1")):
        invoke("fit", picture, *TINY, "--steps", "5", "--seed", seed, "-o", f"{name}.safetensors")
    one, two, three = (Path(f"{name}.safetensors").read_bytes() for name in "123")
    assert one == two
    assert one != three


def test_resume_takes_no_other_settings(picture: Path) -> None:
    result = invoke("fit", picture, "--resume", "nowhere", "--lr", "0.1")
    assert result.exit_code == 2
    assert "checkpoint" in result.stderr


def test_resume_without_a_checkpoint_or_with_another_signal(picture: Path) -> None:
    assert invoke("fit", picture, "--resume", "nowhere").exit_code == 3
    invoke("fit", picture, *TINY, "--steps", "4", "--save-every", "2")
    Image.new("RGB", (16, 12)).save("b.png")
    result = invoke("fit", "b.png", "--resume", "a.checkpoint")
    assert result.exit_code == 2
    assert "belongs to another signal" in result.stderr


def test_a_finished_part_resumes_to_the_bytes_of_the_whole(picture: Path) -> None:
    args = ("fit", picture, *TINY, "--steps", "12", "--set", "fit.batch=50")
    invoke(*args, "-o", "whole.safetensors")
    invoke(*args, "-o", "part.safetensors", "--checkpoint", "saved", "--save-every", "5")
    Path("part.safetensors").unlink()
    assert invoke("fit", picture, "--resume", "saved", "-o", "part.safetensors").exit_code == 0
    assert Path("part.safetensors").read_bytes() == Path("whole.safetensors").read_bytes()


def test_an_unfinished_run_is_not_lost_by_starting_another(picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take_step = Run.take_step

    def interrupted_at_2(run: Run) -> float:
        loss = take_step(run)
        if run.step == 2:
            signal.raise_signal(signal.SIGINT)
        return loss

    with monkeypatch.context() as patch:
        patch.setattr(Run, "take_step", interrupted_at_2)
        assert invoke("fit", picture, *TINY, "--steps", "4").exit_code == 130
    result = invoke("fit", picture, *TINY, "--steps", "4")
    assert result.exit_code == 2
    assert "--resume a.checkpoint" in result.stderr


def test_a_given_backend_is_used_or_refused(picture: Path) -> None:
    args = ("fit", picture, "--steps", "2", "--set", "field.encoding.levels=2", "--no-progress")
    assert invoke(*args, "--backend", "reference").exit_code == 0
    assert "did you mean 'reference'?" in invoke(*args, "--backend", "referense").stderr


def test_a_missing_device_is_exit_code_4(picture: Path) -> None:
    assert invoke("fit", picture, "--device", "cuda:99").exit_code == 4
    assert invoke("fit", picture, "--device", "gpu").exit_code == 2
