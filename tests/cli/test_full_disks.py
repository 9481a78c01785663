"""A full disk at every write of a command: one line, no partial output, and expensive results are kept."""

from __future__ import annotations

import os
import resource
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inr.fitting import Fit, Run
from tests.cli.conftest import TINY, document, invoke, program

FIT = ("fit", "a.png", *TINY, "--steps", "6", "--save-every", "2", "--render", "r.png")
N_WRITES = 6  # checkpoints after 2, 4 and 6 steps, the model, the checkpoint of the finished run, the picture


@pytest.fixture
def spare(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go."""
    folder = tmp_path_factory.mktemp("spare")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def full(here: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int], bool]], list[str]]:
    """Let the disk be full at the n-th file below this folder; returns the names of the files as they are opened."""

    own = os.fsync

    def make(fails: Callable[[int], bool]) -> list[str]:
        begun: list[str] = []

        def sync(descriptor: int) -> None:
            place = os.readlink(f"/proc/self/fd/{descriptor}")
            if Path(place).is_relative_to(here):
                begun.append(place)
                if fails(len(begun) - 1):
                    raise OSError(28, "No space left on device")
            own(descriptor)

        monkeypatch.setattr(os, "fsync", sync)
        return begun

    return make


@pytest.fixture
def interrupted_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Send SIGINT after this number of steps of the next run."""
    own = Run.take_step

    def make(step: int) -> None:
        def train_step(run: Run) -> float:
            loss = own(run)
            if run.step == step:
                signal.raise_signal(signal.SIGINT)
            return loss

        monkeypatch.setattr(Run, "take_step", train_step)

    return make


def names() -> list[str]:
    return sorted(str(path.relative_to(Path.cwd())) for path in Path.cwd().rglob("*") if not path.is_dir())


def errors(stderr: str) -> list[str]:
    return [line for line in stderr.splitlines() if line.startswith("error:")]


def test_the_writes_of_a_fit_are_known(
    picture: Path, spare: Path, full: Callable[[Callable[[int], bool]], list[str]]
) -> None:
    begun = full(lambda n: False)
    assert invoke(*FIT).exit_code == 0
    assert len(begun) == N_WRITES
    assert names() == ["a.checkpoint/checkpoint.safetensors", "a.png", "a.safetensors", "r.png"]


@pytest.mark.parametrize("at", range(N_WRITES))
@pytest.mark.parametrize("is_lasting", [False, True])
def test_a_fit_is_kept_whichever_write_fails(
    picture: Path, spare: Path, full: Callable[[Callable[[int], bool]], list[str]], at: int, is_lasting: bool
) -> None:
    full(lambda n: n >= at if is_lasting else n == at)
    result = invoke(*FIT)
    is_lost = is_lasting or at in (3, 5)  # the model or the picture
    assert result.exit_code == (4 if is_lost else 0), result.stderr
    assert len(errors(result.stderr)) == int(is_lost)
    assert result.stderr.count("no checkpoint at step") == int(at < 3)
    assert {name for name in names() if not name.startswith("a.")} <= {"r.png"}
    assert "bug" not in result.stderr
    kept = [path for path in (Path("a.safetensors"), *spare.rglob("a.safetensors")) if path.exists()]
    assert len(kept) == 1
    assert Fit.load(kept[0]).steps == 6
    if is_lost and at <= 3:
        message = result.stderr.splitlines()[-1]
        assert shlex.split(message.partition("making room: ")[2]) == ["mv", str(kept[0]), "a.safetensors"]


def test_an_interrupted_fit_is_kept_elsewhere(
    picture: Path,
    spare: Path,
    full: Callable[[Callable[[int], bool]], list[str]],
    interrupted_at: Callable[[int], None],
) -> None:
    args = ("fit", "a.png", *TINY, "--steps", "9", "--set", "fit.batch=50")
    invoke(*args, "-o", "whole.safetensors")
    full(lambda n: True)
    interrupted_at(4)
    result = invoke(*args, "-o", "part.safetensors")
    assert result.exit_code == 130, result.stderr
    assert names() == ["a.png", "whole.safetensors"]
    assert "no space left on device" in result.stderr
    command = shlex.split(result.stderr.splitlines()[-1].removeprefix("hint: "))
    assert Path(command[command.index("--resume") + 1]).is_relative_to(spare)
    full(lambda n: False)
    assert command[0] == "inr"
    again = invoke(*command[1:])
    assert again.exit_code == 0, again.stderr
    assert Path("part.safetensors").read_bytes() == Path("whole.safetensors").read_bytes()


def test_an_interrupted_fit_without_any_room_is_one_line(
    picture: Path, interrupted_at: Callable[[int], None], spare: Path
) -> None:
    interrupted_at(2)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        result = invoke("fit", "a.png", *TINY, "--steps", "9")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert result.exit_code == 4
    assert len(errors(result.stderr)) == 1
    assert "file too large" in result.stderr
    assert names() == ["a.png"]
    assert not list(Path.cwd().glob("*.checkpoint"))
    assert not list(spare.glob("inr-*"))


@pytest.mark.parametrize("n_bytes", [0, 100, 1000])
@pytest.mark.parametrize(
    "args",
    [
        ("fit", "a.png", *TINY, "--steps", "2", "-o", "b.safetensors"),
        ("render", "a.safetensors", "--scale", "9", "-o", "b.png"),
        ("render", "a.safetensors", "--scale", "9", "-o", "b.tif"),
        ("export", "a.safetensors", "-o", "b.html"),
        ("export", "a.safetensors", "-o", "b.py"),
        ("report", "a.safetensors", "-o", "b.html"),
        ("convert", "a.safetensors", "--field", "siren", "--steps", "2", "--no-progress", "-o", "b.safetensors"),
        ("learn", "a.png", "--steps", "2", *TINY, "-o", "b.safetensors"),
    ],
    ids=lambda args: f"{args[0]} {args[-1]}",
)
def test_a_result_that_does_not_fit_is_one_line(
    picture: Path, model: Path, spare: Path, args: tuple[str, ...], n_bytes: int
) -> None:
    """No file can grow beyond this number of bytes, here or for temporary files, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        result = invoke(*args)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert result.exit_code == 4, result.output
    assert errors(result.stderr) == [f"error: cannot write '{args[-1]}': file too large"]
    assert "bug" not in result.stderr
    assert names() == ["a.png", "a.safetensors"]
    assert not list(spare.glob("inr-*"))


@pytest.mark.slow
def test_no_room_to_verify_is_one_line(here: Path, spare: Path) -> None:
    """There is room for the file, but not for what a new process decodes from it."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    Image.fromarray(noise).save("a.png")
    Path("a.inrz").write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8000, hard))
    try:
        result = invoke("compress", "a.png", "--effort", "1", "--size", "3k", "--no-progress", "-f")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert result.exit_code == 4, result.output
    [message] = errors(result.stderr)
    assert message.startswith("error: verification failed: cannot write")
    assert message.endswith("file too large")
    assert Path("a.inrz").read_bytes() == b"old"
    assert names() == ["a.inrz", "a.png"]
    assert not list(spare.glob("inr-*"))


def test_files_of_an_export_are_all_there_or_none(model: Path) -> None:
    """Only the second file does not fit: the first is not left alone."""
    assert invoke("export", model, "-o", "b.py").exit_code == 0
    sizes = {path.suffix: path.stat().st_size for path in Path.cwd().glob("b.*")}
    assert sizes.keys() == {".py", ".npz"}
    for n_bytes in (min(sizes.values()), max(sizes.values()) - 1):
        for force in (True, False):
            before = {path: path.read_bytes() for path in Path.cwd().glob("b.*")}
            soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
            try:
                result = invoke("export", model, "-o", "b.py", *(["-f"] if force else []))
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            assert result.exit_code == 4
            assert {path: path.read_bytes() for path in Path.cwd().glob("b.*")} == before
            for path in before:
                path.unlink()
        assert invoke("export", model, "-o", "b.py").exit_code == 0


@pytest.mark.parametrize(
    "args",
    [
        ("fit", "a.png", *TINY, "--steps", "1", "-o", "/dev/null", "--render", "/dev/null"),
        ("render", "a.safetensors", "-o", "/dev/null"),
        ("export", "a.safetensors", "--format", "onnx", "-o", "/dev/null"),
        ("export", "a.safetensors", "--format", "html", "-o", "/dev/null"),
    ],
    ids=lambda args: f"{args[0]} {args[-3]}",
)
def test_results_can_go_nowhere(picture: Path, model: Path, args: tuple[str, ...]) -> None:
    """A device receives the result in the default format; no other file is made."""
    result = invoke(*args)
    assert result.exit_code == 0, result.stderr
    assert Path("/dev/null").is_char_device()
    assert names() == ["a.png", "a.safetensors"]


def test_several_files_do_not_go_to_a_device(model: Path) -> None:
    result = invoke("export", model, "--format", "numpy", "-o", "/dev/null")
    assert result.exit_code == 2
    assert "is a pipe or device" in result.stderr
    assert not Path("/dev/null.npz").exists()


@pytest.mark.slow
def test_on_a_small_file_system(picture: Path, model: Path) -> None:
    """The same on a real file system, which needs root."""
    place = Path("full")
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(place)]
    mounted = subprocess.run(mount, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        done = program("fit", picture, "--field", "siren", "--steps", "2", "--no-progress", "-o", "full/b.safetensors")
        kept = shlex.split(done.stderr.decode().splitlines()[-1].partition("making room: ")[2])[1]
        drawn = program("render", model, "--scale", "40", "-o", "full/b.png")
        listing = os.listdir(place)
    finally:
        subprocess.run(["umount", place], check=True)
    for result, name in ((done, "b.safetensors"), (drawn, "b.png")):
        assert result.returncode == 4
        assert errors(result.stderr.decode()) == [f"error: cannot write 'full/{name}': no space left on device"]
    assert listing == []
    assert Fit.load(kept).steps == 2
    shutil.rmtree(Path(kept).parent)


def test_a_finished_run_does_not_count_as_unfinished(picture: Path) -> None:
    assert invoke(*FIT).exit_code == 0
    Path("a.safetensors").unlink()
    again = invoke("fit", "a.png", *TINY, "--steps", "3")
    assert again.exit_code == 0, again.stderr
    resumed = document(invoke("fit", "a.png", "--resume", "a.checkpoint", "-o", "b.safetensors", "--json"))
    assert (resumed["steps"], resumed["outcome"]) == (6, "done")


def test_a_resumed_run_that_is_finished_is_no_longer_unfinished(
    picture: Path, interrupted_at: Callable[[int], None]
) -> None:
    interrupted_at(4)
    assert invoke(*FIT).exit_code == 130
    refused = invoke(*FIT)
    assert refused.exit_code == 2
    assert "holds an unfinished run" in refused.stderr
    interrupted_at(-1)
    assert invoke("fit", "a.png", "--resume", "a.checkpoint").exit_code == 0
    assert invoke(*FIT[:-2], "--force").exit_code == 0
    assert invoke(*FIT[:-2], "-o", "a.new.safetensors", "--checkpoint", "a.checkpoint").exit_code == 0


@pytest.mark.parametrize("first", [0, 1, 100, -20, -1])
@pytest.mark.parametrize("name", ["a.checkpoint/checkpoint.safetensors", "a.safetensors"])
def test_zeroed_bytes_are_found(picture: Path, name: str, first: int) -> None:
    """A checksum shows it at every place in the tensors."""
    invoke(*FIT)
    data = bytearray(Path(name).read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    place = start + first if first >= 0 else len(data) + first
    data[place] ^= 0x55
    Path(name).write_bytes(data)
    args = ("fit", "a.png", "--resume", "a.checkpoint", "-f") if "/" in name else ("render", name)
    result = invoke(*args)
    assert result.exit_code == 3, result.stderr
    assert "do not match their checksum" in result.stderr


def test_unusable_folders_for_checkpoints_are_found_before_the_work(picture: Path) -> None:
    Path("file").touch()
    wanted = ("fit", "a.png", *TINY, "--steps", "2")
    Path("lost").symlink_to("nowhere")
    places = {
        "lost": "leads nowhere",
        "/proc/self/ck": "not writable",
        "file": "is a file",
        "file/ck": "is a file",
        "none/ck": "does not exist",
        "n" * 300: "is not a usable name",
    }
    for place, message in places.items():
        result = invoke(*wanted, "--checkpoint", place)
        assert result.exit_code == 2, place
        assert message in result.stderr
        assert "mkdir -p file" not in result.stderr
        assert "steps, seed" not in result.stderr  # printed when a run begins


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("file", "is a file"),
        ("file/out", "is a file"),
        ("none/out", "does not exist"),
        ("n" * 300, "name too long"),
        ("lost", "exists"),
        ("/proc/self", "not writable"),
    ],
)
def test_unusable_folders_for_results_are_found_before_the_work(picture: Path, place: str, message: str) -> None:
    Path("file").touch()
    Path("lost").symlink_to("nowhere")
    Path("b.png").write_bytes(picture.read_bytes())
    result = invoke("compress", "a.png", "b.png", "-o", place, "--no-progress")
    assert result.exit_code == 2, result.stderr
    assert message in result.stderr
    assert len(errors(result.stderr)) == 1
    if place != "n" * 300:
        demo = invoke("demo", "-o", place)
        assert demo.exit_code == 2
        assert "mkdir -p file" not in demo.stderr


def test_the_longest_names_have_checkpoints(picture: Path, interrupted_at: Callable[[int], None]) -> None:
    name = "x" * 251 + ".png"
    picture.rename(name)
    interrupted_at(1)
    assert invoke("fit", name, *TINY, "--steps", "2", "-o", "-").exit_code == 130
    [folder] = Path.cwd().glob("*.checkpoint")
    assert len(folder.name) == 255
