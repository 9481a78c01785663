"""`inr batch` as a program: killed and called again, inputs that fail, settings that change."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.conftest import PROGRAM, TINY, document, invoke, listing, program

pytestmark = pytest.mark.slow

N = 24
HAS_RAY = importlib.util.find_spec("ray") is not None
MANIFEST = Path("out/manifest.jsonl")


@pytest.fixture
def pictures(here: Path, picture_bytes: bytes) -> Path:
    folder = here / "in"
    folder.mkdir()
    for i in range(N):
        (folder / f"{i:02d}.png").write_bytes(picture_bytes)
    return folder


def n_done() -> int:
    return MANIFEST.read_bytes().count(b'{"done"') if MANIFEST.exists() else 0


def _heed_interrupts() -> None:
    """A test run in a shell's background has SIGINT ignored, and so would what it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_24_pictures_survive_kills_and_are_fitted_once(pictures: Path) -> None:
    command = ("batch", "in", "-o", "out", *TINY, "--steps", "150", "-j", "2")
    for least, number in ((1, signal.SIGKILL), (9, signal.SIGINT)):
        process = subprocess.Popen(
            [*PROGRAM, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=_heed_interrupts
        )
        deadline = time.monotonic() + 600
        while n_done() < least and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGSTOP)  # what is done now stays so until the signal is there
        can_be_over = n_done() == N
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)
        code = process.wait()
        assert code == (-9 if number == signal.SIGKILL else 130) or (can_be_over and code == 0)
    finished = n_done()
    assert finished >= 9
    before = dict(listing(Path("out")))
    result = program(*command, "--json")
    assert result.returncode == 0, result.stderr
    said = json.loads(result.stdout)
    assert (said["kept"], said["done"], said["failed"]) == (finished, N - finished, 0)
    after = dict(listing(Path("out")))
    assert all(after[name] == changed for name, changed in before.items() if name.endswith(".safetensors"))
    assert sorted(after) == [*(f"{i:02d}.safetensors" for i in range(N)), "manifest.jsonl"]
    assert invoke("fit", "in/00.png", *TINY, "--steps", "150", "-o", "one.safetensors").exit_code == 0
    assert Path("out/00.safetensors").read_bytes() == Path("one.safetensors").read_bytes()


def test_a_folder_is_compressed_in_calls_that_are_killed(pictures: Path) -> None:
    """Two pictures and what is none; killed when the first is done."""
    for path in sorted(pictures.iterdir())[2:]:
        path.unlink()
    (pictures / "bad.png").write_bytes(b"x")
    aim = ("--quality", "30", "--effort", "1", "--threads", "1")
    command = ("batch", "in", "-o", "out", "--job", "compress", *aim)
    process = subprocess.Popen([*PROGRAM, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 600
    while n_done() < 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = n_done()
    assert finished >= 1
    before = dict(listing(Path("out")))
    result = program(*command, "--json")
    assert result.returncode == 3, result.stderr
    said = json.loads(result.stdout)
    assert (said["kept"], said["done"], said["failed"]) == (finished, 2 - finished, 1)
    assert [job["state"] for job in said["jobs"] if job["input"] == "bad.png"] == ["failed"]
    assert {job["profile"] for job in said["jobs"] if job["input"] != "bad.png"} == {"pyramid"}
    after = dict(listing(Path("out")))
    assert all(after[name] == changed for name, changed in before.items() if name.endswith(".inrz"))
    assert invoke("compress", "in/01.png", *aim, "--no-progress", "-o", "one.inrz").exit_code == 0
    assert Path("out/01.inrz").read_bytes() == Path("one.inrz").read_bytes()
    assert invoke("decompress", "out/00.inrz", "-o", "back.png").exit_code == 0
    table = invoke(*command).stdout
    assert "bits per sample" in table
    assert "parameters" not in table


def test_failures_are_listed_and_the_rest_is_done(picture: Path, sound: Path) -> None:
    Path("bad.png").write_bytes(b"x")
    args = ("batch", "a.png", "bad.png", "tone.wav", "missing.png", "-o", "out", *TINY, "--steps", "3")
    planned = invoke(*args, "--dry-run", "--json")
    assert document(planned)["jobs"] == {
        "a.png": "waiting",
        "bad.png": "waiting",
        "missing.png": "failed",
        "tone.wav": "waiting",
    }
    assert not Path("out").exists()
    result = invoke(*args)
    assert result.exit_code == 3, result.output
    assert result.stdout.splitlines()[-1] == "out: 2 done, 2 failed"
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert [line.split()[1] for line in errors] == ["bad.png:", "missing.png:"]
    before = listing(Path("out"))
    other = invoke(*args, "--steps", "4")
    assert other.exit_code == 2
    assert "flags.steps is 4, was 3" in other.stderr
    assert listing(Path("out")) == before
    again = invoke("batch", "a.png", "tone.wav", "-o", "out", *TINY, "--steps", "3", "-q")
    assert again.stdout.split() == ["out/a.safetensors", "out/tone.safetensors"]


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("a.png", "-o", "a.png"), 2),
        (("a.png", "-o", "out", "--set", "field.wdith=3"), 2),
        (("a.png", "-o", "out", "--executor", "rya"), 2),
        (("a.png", "-o", "out", "--job", "fti"), 2),
        (("a.png", "-o", "out", "-j", "0"), 2),
        (("a.png", "-o", "out", "--bpp", "1"), 2),
        (("a.png", "-o", "out", "--job", "compress", "--steps", "9"), 2),
        (("a.png", "-o", "out", "--job", "compress", "--bpp", "1", "--size", "9k"), 2),
        (("x*.png", "-o", "out"), 3),
    ],
)
def test_what_can_not_be_is_said_before_the_work(picture: Path, here: Path, args: tuple[str, ...], code: int) -> None:
    result = invoke("batch", *args)
    assert result.exit_code == code, result.output
    assert result.stderr.startswith("error: ")
    assert not Path("out").exists()


@pytest.mark.skipif(not HAS_RAY, reason="ray is not installed (pip install 'inr[ray]')")
def test_on_ray_the_files_are_the_same(picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_worker_niceness", "0")  # else its workers wait for whatever else the machine does
    args = ("batch", "a.png", *TINY, "--steps", "3")
    assert program(*args, "-o", "local").returncode == 0
    done = program(*args, "-o", "out", "--executor", "ray", "-j", "2")
    assert done.returncode == 0, done.stderr
    assert Path("out/a.safetensors").read_bytes() == Path("local/a.safetensors").read_bytes()
