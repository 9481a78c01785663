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

N = 8
HAS_RAY = importlib.util.find_spec("ray") is not None
OUT = Path("out")


@pytest.fixture
def pictures(here: Path, picture_bytes: bytes) -> Path:
    folder = here / "in"
    folder.mkdir()
    for i in range(N):
        (folder / f"{i:02d}.png").write_bytes(picture_bytes)
    return folder


def n_done() -> int:
    return sum(path.suffix in (".safetensors", ".inrz") for path in OUT.iterdir()) if OUT.exists() else 0


def test_pictures_survive_kills_and_are_fitted_once(pictures: Path) -> None:
    command = ("batch", "in", "-o", "out", *TINY, "--steps", "150", "-j", "2")
    for least, number in ((1, signal.SIGKILL), (3, signal.SIGINT)):
        process = subprocess.Popen([*PROGRAM, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 600
        while n_done() < least and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGSTOP)  # nothing more is finished until the signal arrives
        can_be_over = n_done() == N
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)
        code = process.wait()
        assert code == (-9 if number == signal.SIGKILL else 130) or (can_be_over and code == 0)
    finished = n_done()
    assert finished >= 3
    before = dict(listing(Path("out")))
    result = program(*command, "--json")
    assert result.returncode == 0, result.stderr
    message = json.loads(result.stdout)
    assert (message["kept"], message["done"], message["failed"]) == (finished, N - finished, 0)
    after = dict(listing(Path("out")))
    assert all(after[name] == changed for name, changed in before.items() if name.endswith(".safetensors"))
    names = [name for name in sorted(after) if not name.startswith(".inr-")]  # SIGKILL may leave this
    assert names == [*(f"{i:02d}.safetensors" for i in range(N)), "manifest.jsonl"]
    assert invoke("fit", "in/00.png", *TINY, "--steps", "150", "-o", "one.safetensors").exit_code == 0
    assert Path("out/00.safetensors").read_bytes() == Path("one.safetensors").read_bytes()


def test_a_folder_is_compressed_in_calls_that_are_killed(pictures: Path) -> None:
    """Two pictures and a file that is not one; killed when the first is done."""
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
    message = json.loads(result.stdout)
    assert (message["kept"], message["done"], message["failed"]) == (finished, 2 - finished, 1)
    assert [job["state"] for job in message["jobs"] if job["input"] == "bad.png"] == ["failed"]
    assert {job["profile"] for job in message["jobs"] if job["input"] != "bad.png"} == {"pyramid"}
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
def test_impossible_requests_are_reported_before_the_work(
    picture: Path, here: Path, args: tuple[str, ...], code: int
) -> None:
    result = invoke("batch", *args)
    assert result.exit_code == code, result.output
    assert result.stderr.startswith("error: ")
    assert not Path("out").exists()


@pytest.mark.skipif(not HAS_RAY, reason="ray is not installed (pip install 'inr[ray]')")
def test_on_ray_the_files_are_the_same_and_nothing_is_imported_from_the_current_folder(
    picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_worker_niceness", "0")  # otherwise its workers wait for other processes of the machine
    args = ("batch", "a.png", *TINY, "--steps", "3")
    for name in ("random", "numpy", "inr"):
        Path(f"{name}.py").write_text("open('RUN', 'w')\n")
    assert program(*args, "-o", "local").returncode == 0
    done = program(*args, "-o", "out", "--executor", "ray", "-j", "2")
    assert done.returncode == 0, done.stderr
    assert Path("out/a.safetensors").read_bytes() == Path("local/a.safetensors").read_bytes()
    assert not Path("RUN").exists()


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("--fresh", "nonsense"), 2, "FreSh has no candidates for 'nonsense'"),
        (("--fresh", "nonsense=1"), 2, "unknown setting 'field.nonsense'"),
        (("--fresh", "activation.omega=x"), 2, "expected numbers"),
        (("--fresh", "activation.omega=-1"), 2, "activation.omega is -1"),
        (("--fresh", "encoding.sigma=3"), 2, "unknown setting 'field.encoding.sigma'"),
        (("--field", "dense_grid", "--fresh", "auto"), 2, "no frequency setting of field 'dense_grid'"),
        (("--init", "a.png"), 3, "not an inr model"),
        (("--init", "a.safetensors", "--field", "hash_grid"), 2, "holds a 'siren' field"),
        (("--init", "a.safetensors", "--set", "field.width=9"), 2, "the fit needs [9, 2]"),
        (("--set", "signal.nonsense=1"), 2, "unknown option 'nonsense'"),
        (("--kind", "audio"), 3, "cannot read 'a.png' as a sound"),
        (("--set", "fit.loss=eikonal", "--field", "dense_grid"), 2, "loss 'eikonal'"),
        (("--job", "compress", "--set", "signal.nonsense=1"), 2, "unknown option 'nonsense'"),
        (("--job", "compress", "--size", "20"), 2, "20 bytes are too few"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_dry_run_refuses_what_a_run_would(
    picture: Path, model: Path, args: tuple[str, ...], code: int, message: str
) -> None:
    """Each is refused in one line, with the exit code of the run, before the folder is made."""
    chosen = args if {"--job", "--field", "--init"} & set(args) else (*args, "--field", "siren")
    chosen = chosen if "--job" in args else (*chosen, "--steps", "2")
    dry = invoke("batch", "a.png", "-o", "out", "--dry-run", *chosen)
    errors = [line for line in dry.stderr.splitlines() if line.startswith("error: ")]
    assert (dry.exit_code, len(errors)) == (code, 1), dry.stderr
    assert message in errors[0]
    assert not Path("out").exists()
    assert invoke("batch", "a.png", "-o", "out", *chosen).exit_code == code


def test_a_dry_run_finds_that_the_executor_is_missing(picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inr.core.optional.probe", lambda package: ImportError(f"No module named {package!r}"))
    dry = invoke("batch", "a.png", "-o", "out", "--executor", "ray", "--dry-run")
    assert dry.exit_code == 4
    assert "the executor 'ray' needs the package 'ray'" in dry.stderr


def test_a_dry_run_needs_one_input_that_can_be_read(picture: Path) -> None:
    """An unreadable input is a separate failure, and the next input with this suffix is tried."""
    Path("0.png").write_bytes(b"x")
    dry = invoke("batch", "0.png", "a.png", "-o", "out", "--steps", "2", "--dry-run", "--json")
    assert dry.exit_code == 3
    assert document(dry)["jobs"] == {"0.png": "failed", "a.png": "waiting"}
