"""Standard streams that are closed, full, or of another encoding: the work continues, or there is one line."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import PROGRAM, TINY

pytestmark = pytest.mark.slow
FIT = (*TINY, "--steps", "2", "-o", "b.safetensors", "--force")


def shell(redirection: str, *args: str | Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run inr in bash with redirections of its streams."""
    command = ["bash", "-c", f'"$@" {redirection}', "bash", *PROGRAM, *map(str, args)]
    return subprocess.run(command, capture_output=True, check=False, env={**os.environ, **environment})


@pytest.mark.parametrize("redirection", [">&-", "2>&-", "<&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_a_fit_is_written_without_streams(picture: Path, redirection: str) -> None:
    done = shell(redirection, "fit", picture, *FIT)
    assert done.returncode == 0, done.stderr
    assert Path("b.safetensors").stat().st_size > 1000
    assert b"error" not in done.stderr


@pytest.mark.parametrize(
    ("redirection", "args", "message"),
    [
        ("<&-", ("fit", "-", *FIT), "input is -, but stdin is closed"),
        ("<&-", ("decompress", "-"), "input is -, but stdin is closed"),
        (">&-", ("fit", "a.png", *FIT[:-3], "-o", "-"), "output is -, but stdout is closed"),
    ],
)
def test_a_closed_stream_given_by_name_is_one_line(
    picture: Path, redirection: str, args: tuple[str, ...], message: str
) -> None:
    done = shell(redirection, *args)
    assert done.returncode == 2
    assert [line for line in done.stderr.decode().splitlines() if line.startswith("error: ")] == [
        next(line for line in done.stderr.decode().splitlines() if message in line)
    ]


def test_errors_have_their_code_without_stderr(here: Path) -> None:
    assert shell("2>&-", "inspect", "nothing.png").returncode == 3


def test_results_that_cannot_be_printed_are_reported(picture: Path) -> None:
    done = shell(">/dev/full", "inspect", picture)
    assert done.returncode == 4
    assert done.stderr.decode().splitlines() == ["error: cannot write to stdout: no space left on device"]


@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii:strict", "latin-1:strict"])
def test_names_in_any_bytes_are_shown_escaped_and_quietly_exact(picture: Path, encoding: str) -> None:
    name = os.fsdecode(b"bad\xff\x1b[2J.png")
    Path(name).write_bytes(picture.read_bytes())
    done = shell("", "fit", name, *FIT[:-3], "--force", PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"bad\\xff\\x1b[2J.safetensors  ")
    assert b"\x1b" not in done.stderr
    quiet = shell("", "fit", name, *FIT[:-3], "--force", "--quiet", PYTHONIOENCODING=encoding)
    assert (quiet.stdout, quiet.stderr) == (b"bad\xff\x1b[2J.safetensors\n", b"")
    described = shell("", "inspect", quiet.stdout.strip().decode(errors="surrogateescape"), PYTHONIOENCODING=encoding)
    assert described.returncode == 0
    assert b"from bad\\xff\\x1b[2J.png" in described.stdout
    assert b"\x1b" not in described.stdout + described.stderr
