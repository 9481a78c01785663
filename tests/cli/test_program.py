"""The program as a process: pipes, signals, streams, and what it imports."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import PROGRAM, TINY, invoke, picture_size, program

pytestmark = pytest.mark.slow


def test_a_model_through_pipes(picture_bytes: bytes) -> None:
    fitted = program("fit", "-", "-o", "-", "--kind", "image", *TINY, "--steps", "5", stdin=picture_bytes)
    assert fitted.returncode == 0
    assert fitted.stderr.decode().splitlines()[-1].startswith("stdout  ")
    rendered = program("render", "-", "-o", "-", "--scale", "2", stdin=fitted.stdout)
    assert rendered.returncode == 0
    assert picture_size(io.BytesIO(rendered.stdout)) == (32, 24)


def test_errors_are_exit_codes_without_tracebacks(picture: Path) -> None:
    failed = program("fit", "missing.png", "--json")
    assert (failed.returncode, failed.stdout) == (3, b"")
    assert json.loads(failed.stderr)["exit_code"] == 3


@pytest.mark.parametrize(
    ("args", "environment"),
    [
        (("--help",), {}),
        (("fit", "--help"), {}),
        (("--version",), {}),
        (("inspect", "a.png"), {}),
        ((), {"_INR_COMPLETE": "complete_bash", "COMP_WORDS": "inr fit --field si", "COMP_CWORD": "3"}),
    ],
    ids=["help", "fit-help", "version", "inspect", "completion"],
)
def test_quick_commands_do_not_import_torch(picture: Path, args: tuple[str, ...], environment: dict[str, str]) -> None:
    code = (
        "import atexit, sys\n"
        "from inr_cli.main import run\n"
        "heavy = {'torch', 'numba', 'trimesh'}\n"
        "atexit.register(lambda: print('heavy:', sorted(heavy & set(sys.modules)), file=sys.stderr))\n"
        "run()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *args],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=True,
    )
    assert done.stderr.splitlines()[-1] == "heavy: []"
    if environment:
        assert done.stdout.split() == ["siren"]


def test_a_closed_reader_of_stdout_is_not_an_error(picture: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", '"$@" | true', "bash", *PROGRAM, "inspect", *["a.png"] * 3000], capture_output=True, check=False
    )
    assert done.stderr == b""


def _start(picture: Path, *args: str) -> subprocess.Popen[bytes]:
    # Its own session: the signal of a test must not reach the test runner.
    return subprocess.Popen(
        [*PROGRAM, "fit", str(picture), *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )


def _wait_for(path: Path) -> None:
    for _ in range(1200):
        if path.exists():
            return
        time.sleep(0.05)
    raise TimeoutError(path)


RUN = (*TINY, "--threads", "1", "--set", "fit.batch=64", "--steps", "4000")


@pytest.fixture
def whole(picture: Path) -> bytes:
    assert invoke("fit", picture, *RUN, "-o", "whole.safetensors").exit_code == 0
    return Path("whole.safetensors").read_bytes()


def test_interrupted_or_killed_runs_resume_to_the_same_bytes(picture: Path, whole: bytes, here: Path) -> None:
    process = _start(picture, *RUN, "-o", "killed.safetensors", "--checkpoint", "saved", "--save-every", "100")
    _wait_for(here / "saved" / "checkpoint.safetensors")
    process.kill()
    process.communicate()
    assert not Path("killed.safetensors").exists()
    resumed = program(
        "fit", picture, "--resume", "saved", "--threads", "1", "-o", "killed.safetensors", "--no-progress"
    )
    assert b"resuming at step" in resumed.stderr
    assert Path("killed.safetensors").read_bytes() == whole

    process = _start(picture, *RUN, "-o", "stopped.safetensors", "--checkpoint", "stopped", "--save-every", "100")
    _wait_for(here / "stopped" / "checkpoint.safetensors")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, out) == (130, b"")
    assert b"--resume stopped" in err
    assert not Path("stopped.safetensors").exists()
    program("fit", picture, "--resume", "stopped", "--threads", "1", "-o", "stopped.safetensors", "--no-progress")
    assert Path("stopped.safetensors").read_bytes() == whole
