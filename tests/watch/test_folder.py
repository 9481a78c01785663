"""A run of another process: each checkpoint that follows is shown, and what goes wrong ends nothing."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from inr.core.errors import UsageError
from inr.fitting import CHECKPOINT_NAME, Run, resolve, save_checkpoint
from inr.signals import Signal, load_signal
from inr.watch import FolderWatch, Session
from inr.watch.painting import PicturePainter

SIREN = {"type": "siren", "width": 8, "depth": 1}


def has_taken(run: Run, steps: int) -> bool:
    return run.step >= steps


def saved(folder: Path, steps: int, source: str = "analytic:zone-plate") -> Signal:
    """A checkpoint after some steps, of a run that goes on."""
    signal = load_signal(source)
    run = Run(signal, *resolve(signal, SIREN, {"steps": 1000, "batch": 256}))
    run.advance(should_stop=partial(has_taken, run, steps))
    save_checkpoint(run, folder)
    return signal


@contextmanager
def served(folder: Path, signal: Signal | None) -> Iterator[Session]:
    """The page of a folder with one reader, served within the block."""
    watch, session, is_over = FolderWatch(folder, signal), Session("run"), threading.Event()
    thread = threading.Thread(target=watch.serve, args=(session, is_over.is_set))
    try:
        with session.feed.reader():
            thread.start()
            yield session
    finally:
        is_over.set()
        thread.join()
        session.close()


def wait(session: Session, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The messages by name, as soon as something is true of them."""
    end = time.monotonic() + 60
    while True:
        found = {message.name: dict(message.document) for message in session.feed.newer(0, 0.1)}
        if is_so(found):
            return found
        assert time.monotonic() < end, found


def test_each_checkpoint_that_follows_is_shown(tmp_path: Path) -> None:
    signal = saved(tmp_path, 3)
    with served(tmp_path, signal) as session:
        found = wait(session, lambda m: m.get("picture", {}).get("step") == 3)
        assert found["picture"]["layers"] == ["fit", "target", "error"]
        assert found["state"]["note"] == "The checkpoint of step 3."
        first = session.feed.layer(found["picture"]["number"], "fit")
        saved(tmp_path, 9)
        found = wait(session, lambda m: m["picture"]["step"] == 9)
        assert (found["progress"]["step"], found["progress"]["steps"]) == (9, 1000)
        assert session.feed.layer(found["picture"]["number"], "fit") != first


def test_what_was_read_stays_where_a_checkpoint_is_damaged_or_removed(tmp_path: Path) -> None:
    signal = saved(tmp_path, 3)
    with served(tmp_path, signal) as session:
        wait(session, lambda m: "picture" in m)
        damaged = tmp_path / "damaged"
        damaged.write_bytes((tmp_path / CHECKPOINT_NAME).read_bytes()[:-9])
        os.replace(damaged, tmp_path / CHECKPOINT_NAME)
        found = wait(session, lambda m: CHECKPOINT_NAME in m["state"]["note"])
        assert found["picture"]["step"] == 3
        (tmp_path / CHECKPOINT_NAME).unlink()
        saved(tmp_path, 7)
        wait(session, lambda m: m["picture"]["step"] == 7)


def test_the_run_of_another_signal_is_shown_without_the_target(tmp_path: Path) -> None:
    signal = saved(tmp_path, 3)
    with served(tmp_path, signal) as session:
        wait(session, lambda m: "picture" in m)
        saved(tmp_path, 5, "analytic:chirp")
        found = wait(session, lambda m: m["picture"]["step"] == 5)
        assert (found["picture"]["view"], found["picture"]["layers"]) == ("wave", ["fit"])


def test_a_picture_that_cannot_be_painted_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*given: object) -> None:
        raise UsageError("no memory for it")

    signal = saved(tmp_path, 3)
    monkeypatch.setattr(PicturePainter, "paint", fails)
    with served(tmp_path, signal) as session:
        wait(session, lambda m: m["state"]["note"] == "no more pictures: no memory for it")
