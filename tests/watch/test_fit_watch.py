"""The observer of a fit: the fit stays as it is, whatever the page does; and the page can pause, save and stop it."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from inr.core.stopwatch import working_clock
from inr.fitting import Fit, Run, resolve, resume, save_checkpoint
from inr.ntk import observers_of
from inr.signals import Signal, load_signal
from inr.signals.image import Image
from inr.watch import FitWatch, Session
from inr.watch.fit_watch import LONGEST_PICTURE_S, SHARE
from inr.watch.painting import Painted, Painter
from inr.watch.session import View

SIREN = {"type": "siren", "width": 16, "depth": 1}


def signal() -> Signal:
    rows, columns = np.mgrid[:24, :32] / 32
    return Image.of_pixels((255 * np.stack([rows, columns, rows * columns], -1)).astype(np.uint8))


@contextmanager
def session() -> Iterator[Session]:
    found = Session("picture", controls=("pause", "stop", "save"))
    try:
        yield found
    finally:
        found.close()


def run_of(watch: FitWatch | None, field: Any = SIREN, **settings: Any) -> Run:
    observers = observers_of if watch is None else watch.beside(observers_of)
    return Run(signal(), *resolve(signal(), field, {"steps": 60, **settings}), observers=observers)


def has_taken(run: Run, steps: int) -> bool:
    return run.step >= steps


def messages(page: Session) -> dict[str, Any]:
    return {message.name: message.document for message in page.feed.newer(0, 0)}


@contextmanager
def later(work: Callable[[], None]) -> Iterator[None]:
    """A thread beside the block, as the server's are."""
    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join()


@pytest.mark.parametrize(
    ("source", "field", "view"),
    [
        (None, SIREN, "picture"),
        (None, {"type": "hash_grid", "encoding": {"levels": 3}}, "picture"),
        ("analytic:chirp", SIREN, "wave"),
        ("analytic:torus", SIREN, "surface"),
        ("analytic:torus", {"type": "hash_grid", "encoding": {"levels": 3}}, "surface"),
    ],
)
def test_a_watched_fit_has_the_same_bytes_even_if_it_was_paused_looked_at_and_saved(
    source: str | None, field: Any, view: str
) -> None:
    def made(watch: FitWatch | None, given: Signal) -> Run:
        observers = observers_of if watch is None else watch.beside(observers_of)
        return Run(given, *resolve(given, field, {"steps": 60, "batch": 512}), observers=observers)

    given = signal() if source is None else load_signal(source)
    alone = made(None, given)
    expected = alone.result(alone.advance()).to_bytes()
    with session() as page, page.feed.reader():
        given = signal() if source is None else load_signal(source)
        watch = FitWatch(page, given)
        run = made(watch, given)
        watch.save = lambda: str(save_checkpoint)
        page.is_paused, page.view = True, View(px=64)

        def look() -> None:
            for number in range(1, 4):
                page.view, page.view_number = View(x=0.1 * number, w=0.5, h=0.5, px=100), number
                time.sleep(0.2)
            page.is_paused = False

        with later(look):
            outcome = run.advance(watch.on_progress)
        assert run.result(outcome).to_bytes() == expected
        assert messages(page)["picture"]["view"] == view


def test_a_checkpoint_of_a_watched_fit_is_one_of_an_unwatched_fit(tmp_path: Any) -> None:
    data = []
    with session() as page:
        for watch in (None, FitWatch(page, signal())):
            run = run_of(watch)
            run.advance(should_stop=partial(has_taken, run, 20))
            run.seconds = 0.0
            save_checkpoint(run, tmp_path)
            (file,) = tmp_path.iterdir()
            data.append(file.read_bytes())
        watch = FitWatch(page, signal())
        again = resume(tmp_path, signal(), observers=watch.beside(observers_of))
        assert again.advance() == "done"
    assert data[0] == data[1]


def test_pause_stands_still_and_its_time_is_not_the_fit_s() -> None:
    with session() as page, page.feed.reader():
        watch = FitWatch(page, signal())
        run = run_of(watch)
        steps = []

        def pause() -> None:
            while run.step < 5:
                time.sleep(0.001)
            page.is_paused = True
            while page.state != "paused":
                time.sleep(0.001)
            steps.append(run.step)
            time.sleep(0.7)
            steps.append(run.step)
            page.is_paused = False

        before = working_clock()
        with later(pause):
            run.advance(watch.on_progress)
        whole = working_clock() - before
        assert steps[0] == steps[1] < 60
        assert run.step == 60
        assert run.seconds < whole - 0.6
        assert messages(page)["state"]["state"] == "running"


def test_stop_ends_the_fit_where_it_is_also_from_a_pause() -> None:
    for is_paused in (False, True):
        with session() as page:
            watch = FitWatch(page, signal())
            run = run_of(watch, steps=100_000)
            page.is_paused = is_paused
            page.is_stopping = True
            assert run.advance(watch.on_progress, should_stop=partial(getattr, watch, "is_stopping")) == "interrupted"
            assert run.step == 0
            assert run.result("interrupted").metrics["psnr_db"] > 0


def test_a_pause_ends_when_the_program_is_interrupted_or_everybody_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    with session() as page:
        page.is_paused = True
        watch = FitWatch(page, signal(), is_interrupted=lambda: True)
        assert run_of(watch).advance(should_stop=lambda: True) == "interrupted"
        monkeypatch.setattr("inr.watch.fit_watch.LONGEST_PAUSE_ALONE_S", 0.2)
        assert run_of(FitWatch(page, signal())).advance() == "done"
        assert not page.is_paused


def test_pictures_take_their_share_of_the_time_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    painted: list[tuple[float, float]] = []

    class Slow(Painter):
        """A million points a second, on the clock of this test."""

        def points(self, fit: Fit, view: View) -> int:
            return 10**6

        def paint(self, fit: Fit, view: View, most_points: float) -> Painted:
            nonlocal now
            n = int(min(most_points, 10**6))
            now += 1e-6 * n
            painted.append((now, 1e-6 * n))
            return Painted({}, {}, n)

    monkeypatch.setattr("inr.watch.fit_watch.working_clock", lambda: now)
    monkeypatch.setattr("inr.watch.fit_watch.painter_of", lambda *given: Slow(None, None))
    with session() as page, page.feed.reader():
        watch = FitWatch(page, signal())
        run_of(watch)
        for step in range(6000):
            now += 0.01
            watch.on_step(step, 0.01 * (step + 1))
            assert watch.seconds <= SHARE * 0.01 * (step + 1) + LONGEST_PICTURE_S
    assert watch.seconds >= 0.8 * SHARE * 60
    assert max(taken for _, taken in painted) <= LONGEST_PICTURE_S + 1e-9


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("source", ["analytic:zone-plate", "analytic:chirp", "analytic:torus"])
def test_a_field_that_has_diverged_is_shown_too(source: str, value: float) -> None:
    """Its numbers are not those of JSON, and its picture has no error; the stream goes on."""
    given = load_signal(source)
    with session() as page, page.feed.reader():
        watch = FitWatch(page, given)
        run = Run(given, *resolve(given, SIREN, {"steps": 2, "batch": 512}), observers=watch.beside(observers_of))
        run.advance(watch.on_progress)
        with torch.no_grad():
            for tensor in run.field.parameters():
                tensor.fill_(value)
        watch.show_result(run.result("diverged", with_metrics=False), "stopped", "It has diverged.")
        found = messages(page)
        json.dumps(found, allow_nan=False)
        assert found["state"]["state"] == "stopped"
        assert found["picture"]["step"] == 2 or "no more pictures" in found["state"]["note"]


def test_nobody_looks_and_nothing_is_painted() -> None:
    with session() as page:
        watch = FitWatch(page, signal())
        run_of(watch, steps=None, time_s=0.5).advance(watch.on_progress)
        assert "picture" not in messages(page)


def test_numbers_curves_and_bands_reach_the_page() -> None:
    with session() as page:
        watch = FitWatch(page, signal())
        run = run_of(watch, steps=300, track_ntk=100.0)  # looks at a short fit too
        outcome = run.advance(watch.on_progress)
        found = messages(page)
        curve = found["curve"]
        assert curve["step"] == sorted(set(curve["step"]))
        assert 200 <= len(curve["step"]) <= 400
        assert curve["psnr_db"][-1] > curve["psnr_db"][0]
        assert found["progress"]["steps"] == 300
        assert len(found["bands"]["looks"]) == len(run.result(outcome).ntk_track["looks"])  # type: ignore[index]
        assert len(found["bands"]["looks"][0]["left"]) == len(found["bands"]["edges"])
        watch.show_result(run.result(outcome), "finished", "The files are written.")
        found = messages(page)
        assert found["state"]["controls"] == []
        assert found["result"]["metrics"]["psnr_db"] > 10
        assert found["picture"]["step"] == 300


def test_it_lingers_until_nobody_needs_it() -> None:
    with session() as page:
        watch = FitWatch(page, signal())
        before = time.monotonic()
        watch.linger(0.2)
        assert 0.2 <= time.monotonic() - before < 2
        watch.is_interrupted = lambda: True
        watch.linger(None)
