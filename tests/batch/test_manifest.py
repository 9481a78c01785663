"""The manifest: finished jobs stay finished after a kill at any moment; changed inputs are found."""

from __future__ import annotations

import errno
import os
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from inr.batch import MANIFEST_NAME, BatchRun, Failure, Item, Manifest, collect
from inr.core.errors import UnavailableError, UnreadableError, UsageError
from tests.batch.works import Echo, Inline

SETTINGS: dict[str, Any] = {"flags": {"steps": 5}}
STEPS = 34
"""Moments before and after each sync, link and unlink of a call with three inputs."""


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.png", "b.png", "sub/a.png"):
        (folder / name).write_bytes(name.encode())
    return folder


def call(
    inputs: Path, out: Path, *, settings: Mapping[str, Any] = SETTINGS, force: bool = False
) -> tuple[BatchRun, int]:
    """One call of `inr batch`, and how many jobs it ran."""
    executor = Inline()
    items = collect([str(inputs)], None, out)
    with Manifest.opened(out) as manifest:
        batch = BatchRun(manifest, items, "fit", settings, force=force)
        batch.run(executor, Echo(out))
    return batch, executor.n_runs


def test_outputs_keep_the_folders_and_nothing_is_done_twice(inputs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    batch, n = call(inputs, out)
    assert n == 3
    assert [row.output for row in batch.rows.values()] == ["a.safetensors", "b.safetensors", "sub/a.safetensors"]
    assert (out / "sub" / "a.safetensors").read_bytes() == b"sub/a.png"
    again, n = call(inputs, out)
    assert n == 0
    assert {row.state for row in again.rows.values()} == {"kept"}
    assert [dict(row.summary) for row in again.rows.values()] == [dict(row.summary) for row in batch.rows.values()]


def counted(count: Callable[[], None], patch: pytest.MonkeyPatch) -> None:
    """Call `count` before and after each sync, and each time that a file gets or loses a name."""

    def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **kwargs: Any) -> Any:
            count()
            done = function(*args, **kwargs)
            count()
            return done

        return called

    for name in ("fsync", "link", "replace", "unlink"):
        patch.setattr(os, name, wrapped(getattr(os, name)))


def call_that_is_killed(inputs: Path, out: Path, step: int, patch: pytest.MonkeyPatch) -> None:
    """A call in a separate process that ends at a step as after SIGKILL, without clean-up."""
    pid = os.fork()
    if pid:
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
        return
    left = step

    def count() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os._exit(9)

    try:
        counted(count, patch)
        call(inputs, out)
    finally:
        os._exit(1)


@pytest.mark.parametrize("n", range(1, STEPS + 1))
def test_a_kill_at_any_step_loses_at_most_the_job_that_was_being_written(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n: int
) -> None:
    out = tmp_path / "out"
    call_that_is_killed(inputs, out, n, monkeypatch)
    printed = (out / MANIFEST_NAME).read_bytes().count(b'{"done"')
    there = len(list(out.rglob("*.safetensors")))
    assert printed - 1 <= there <= printed
    batch, redone = call(inputs, out)
    assert redone == 3 - there
    assert {row.state for row in batch.rows.values()} <= {"done", "kept"}
    files = {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}
    assert {k: v for k, v in files.items() if k != MANIFEST_NAME and not Path(k).name.startswith(".inr-")} == {
        "a.safetensors": b"a.png",
        "b.safetensors": b"b.png",
        "sub/a.safetensors": b"sub/a.png",
    }
    assert call(inputs, out)[1] == 0


def test_every_step_was_tried(inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[None] = []
    counted(lambda: steps.append(None), monkeypatch)
    call(inputs, tmp_path / "out")
    assert len(steps) == STEPS


@pytest.mark.parametrize("keep", [5, 60, 170, 250, 400])
def test_a_line_that_was_cut_short_is_written_again(inputs: Path, tmp_path: Path, keep: int) -> None:
    out = tmp_path / "out"
    call(inputs, out)
    path = out / MANIFEST_NAME
    path.write_bytes(path.read_bytes()[:keep])
    for output in out.rglob("*.safetensors"):
        output.unlink()
    batch, _ = call(inputs, out)
    assert {row.state for row in batch.rows.values()} == {"done"}
    assert call(inputs, out)[1] == 0


def test_changed_inputs_are_done_again_and_touched_ones_are_not(inputs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    call(inputs, out)
    (inputs / "b.png").write_bytes(b"other")
    os.utime(inputs / "a.png")
    batch, n = call(inputs, out)
    assert n == 1
    assert batch.notes == ("1 input has changed, processed again: b.png",)
    assert (out / "b.safetensors").read_bytes() == b"other"


def test_lost_outputs_are_done_again_and_changed_ones_are_left(inputs: Path, tmp_path: Path) -> None:
    """A damaged output and one that somebody replaced cannot be distinguished."""
    out = tmp_path / "out"
    call(inputs, out)
    (out / "a.safetensors").unlink()
    (out / "b.safetensors").write_bytes(b"b.pnG")
    with pytest.raises(UsageError, match=r"1 output exists .* were changed since: b\.safetensors"):
        call(inputs, out)
    assert (out / "b.safetensors").read_bytes() == b"b.pnG"
    (out / "b.safetensors").unlink()
    assert call(inputs, out)[1] == 2
    assert (out / "b.safetensors").read_bytes() == b"b.png"


def test_files_named_like_those_of_an_earlier_version_stay(inputs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    call(inputs, out)
    others = [out / "film.mkv.partial", out / "sub" / "x.partial", out / "a.safetensors.partial", out / ".inr-0123"]
    for other in others:
        other.write_text("mine")
    (out / "dir.partial").mkdir()
    (inputs / "new.png").write_bytes(b"new")
    assert call(inputs, out)[1] == 1
    assert [other.read_text() for other in others] == ["mine"] * 4
    assert (out / "dir.partial").is_dir()


def test_a_file_created_while_a_job_runs_is_kept(inputs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    items = collect([str(inputs / "a.png")], None, out)

    class Slow(Inline):
        def run(self, work: Any, paths: Any) -> Any:
            (out / "a.safetensors").write_text("mine")
            yield from super().run(work, paths)

    with Manifest.opened(out) as manifest:
        batch = BatchRun(manifest, items, "fit", SETTINGS)
        batch.run(Slow(), Echo(out))
    failure = batch.rows["a.png"].failure
    assert isinstance(failure, Failure)
    assert (failure.exit_code, "appeared" in failure.message) == (2, True)
    assert (out / "a.safetensors").read_text() == "mine"
    assert (out / "a-1.safetensors").read_bytes() == b"a.png"  # the computed result is kept


def test_a_full_disk_stops_the_batch_and_loses_nothing(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    (out / "sub").mkdir(parents=True)
    items = collect([str(inputs)], None, out)
    real, executor = os.fsync, Inline()
    n = 0

    def full(handle: int) -> None:
        nonlocal n
        n += 1
        if n >= 5:  # the second output
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    with monkeypatch.context() as patch, Manifest.opened(out) as manifest:
        batch = BatchRun(manifest, items, "fit", SETTINGS)
        patch.setattr(os, "fsync", full)
        batch.run(executor, Echo(out))
    assert [row.state for row in batch.rows.values()] == ["done", "failed", "waiting"]
    failure = batch.rows["b.png"].failure
    assert isinstance(failure, Failure)
    assert (failure.exit_code, executor.n_runs) == (4, 2)
    assert "no space left" in failure.message
    assert failure.hint is not None
    assert Path(shlex.split(failure.hint)[-2]).read_bytes() == b"b.png"
    assert sorted(p.name for p in out.iterdir()) == ["a.safetensors", MANIFEST_NAME, "sub"]
    assert call(inputs, out)[1] == 2


def test_a_manifest_line_that_does_not_fit_leaves_no_part_of_itself(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    call(inputs, out)
    before = (out / MANIFEST_NAME).read_bytes()
    with Manifest.opened(out) as manifest, monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
        with pytest.raises(UnavailableError, match=r"manifest\.jsonl"):
            manifest.start("fit", {})
    assert (out / MANIFEST_NAME).read_bytes() == before


def test_other_settings_are_refused_in_one_line_and_forced(inputs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    call(inputs, out)
    other = {"flags": {"steps": 9}, "field": "siren"}
    with pytest.raises(UsageError, match=r"3 results .*: field is siren, was not given; flags.steps is 9"):
        call(inputs, out, settings=other)
    assert call(inputs, out)[1] == 0
    assert call(inputs, out, settings=other, force=True)[1] == 3
    assert call(inputs, out, settings=other)[1] == 0
    with pytest.raises(UsageError, match="other settings"):
        call(inputs, out)


def test_files_of_others_are_not_replaced(inputs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.safetensors").write_text("mine")
    with pytest.raises(UsageError, match=r"1 output exists .* a\.safetensors"):
        call(inputs, out)
    assert (out / "a.safetensors").read_text() == "mine"
    assert call(inputs, out, force=True)[1] == 3


def test_failures_are_tried_again(inputs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (inputs / "c.png").write_bytes(b"bad")
    (inputs / "d.png").write_bytes(b"bug")
    batch, _ = call(inputs, out)
    failures = [row.failure for row in batch.rows.values() if row.failure is not None]
    assert [(f.exit_code, f.message) for f in failures] == [(3, "cannot read 'c.png'"), (1, "KeyError: 'oops'")]
    (inputs / "c.png").write_bytes(b"good")
    batch, n = call(inputs, out)
    assert n == 2
    assert batch.rows["c.png"].state == "done"


def test_two_processes_do_not_share_a_folder(inputs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with Manifest.opened(out), pytest.raises(UsageError, match="another inr batch"), Manifest.opened(out):
        pass
    assert call(inputs, out)[1] == 3


@pytest.mark.parametrize("content", [b"hello\n", b"[1]\n", b'{"format": "inr-batch", "version": 9}\n{}\n'])
def test_a_file_that_is_not_a_manifest_is_left_unchanged(inputs: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / MANIFEST_NAME).write_bytes(content)
    with pytest.raises(UnreadableError, match="not a manifest"):
        call(inputs, tmp_path)
    assert (tmp_path / MANIFEST_NAME).read_bytes() == content


def test_inputs_of_files_folders_and_patterns(inputs: Path, tmp_path: Path) -> None:
    (inputs / "t.wav").touch()
    (inputs / "readme.md").touch()
    (inputs / ".hidden.png").touch()

    def names(*texts: str, kind: str | None = None, outside: str = "out") -> list[str]:
        return [item.name for item in collect(texts, kind, inputs / outside)]

    assert names(str(inputs)) == ["a.png", "b.png", "sub/a.png", "t.wav"]
    assert names(str(inputs), kind="audio") == ["t.wav"]
    assert names(str(inputs), outside="sub") == ["a.png", "b.png", "t.wav"]
    assert names(f"{inputs}/**/*.png") == ["a.png", "b.png", "sub/a.png"]
    assert names(str(inputs / "b.png"), str(inputs / "sub"), str(inputs / "b.png")) == ["a.png", "b.png"]
    assert names("missing.png") == ["missing.png"]
    for texts in ([f"{inputs}/*.jpg"], [str(tmp_path / "in" / "sub" / "none")]):
        Path(tmp_path / "in" / "sub" / "none").mkdir(exist_ok=True)
        with pytest.raises(UnreadableError):
            names(*texts)
    with pytest.raises(UsageError, match="two inputs"):
        names(str(inputs / "a.png"), str(inputs / "sub" / "a.png"))


def test_inputs_of_one_stem_have_outputs_of_their_own(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "x.wav").write_bytes(b"w")
    assert call(folder, tmp_path / "out")[0].rows["x.wav"].output == "x.safetensors"
    (folder / "x.png").write_bytes(b"p")
    batch, n = call(folder, tmp_path / "out")
    assert n == 1
    assert batch.rows["x.png"].output == "x.png.safetensors"
    assert batch.rows["x.wav"].output == "x.safetensors"


def test_a_missing_input_is_a_failure_of_its_own(tmp_path: Path) -> None:
    with Manifest.opened(tmp_path / "out") as manifest:
        batch = BatchRun(manifest, [Item("x.png", tmp_path / "x.png")], "fit", {})
        assert batch.pending == []
    failure = batch.rows["x.png"].failure
    assert isinstance(failure, Failure)
    assert failure.exit_code == 3
