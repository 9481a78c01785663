"""Progress of a fit on stderr: a live line on a terminal, plain lines at intervals elsewhere."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from inr.core.stopwatch import compilation

from . import STARTED
from ._output import human_seconds, say
from ._streams import is_terminal

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from inr.fitting import Progress

PLAIN_EVERY_S = 10.0
LIVE_EVERY_S = 0.1
RATE_WINDOW = 50
COMPILING = "compiling kernels (once per machine)"
COMPILING_AGAIN = "compiling kernels (again at each start: no cache folder can be written)"


class FitProgress:
    """A callback for `Run.advance`, and a context that clears the live line at its end.

    Within the context a compilation of kernels is shown as a separate stage, with its time.
    startup_s: seconds from the program's start to the run's first step, without those of compiling; None before it.
    seconds: of the run so far, if it continues from a checkpoint.
    """

    startup_s: float | None = None

    def __init__(self, *, is_shown: bool, time_s: float | None, seconds: float = 0.0) -> None:
        self._is_shown = is_shown
        self._time_s = time_s
        self._seconds_before = seconds
        self._bar = _bar() if is_shown and is_live() else None
        self._every_s = PLAIN_EVERY_S if self._bar is None else LIVE_EVERY_S
        self._last = time.perf_counter()
        self._recent: deque[Progress] = deque(maxlen=RATE_WINDOW)
        self._compiled_s = compilation.seconds
        self._is_compiling = False
        self._context = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._context.enter_context(compilation.notifying(self._on_compiling))
        if self._bar is not None:
            self._bar.add_task("fit", total=1.0, text="")
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._context.close()
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, progress: Progress) -> None:
        now = time.perf_counter()
        if self.startup_s is None:
            self.startup_s = now - STARTED - (progress.seconds - self._seconds_before) - compilation.seconds
        if not self._is_shown:
            return
        if self._is_compiling:
            self._is_compiling = False
            self.say(f"kernels compiled in {human_seconds(compilation.seconds - self._compiled_s)}")
            self._compiled_s = compilation.seconds
        if not self._recent:  # the first step is slower than the others: the rate is taken from its end
            self._recent.append(progress)
            return
        if now - self._last < self._every_s:
            return
        self._last = now
        self._recent.append(progress)
        rate = rate_of(self._recent)
        text = describe(progress, rate, seconds_left(progress, rate, self._time_s))
        if self._bar is None:
            say(text, err=True)
        else:
            self._bar.update(self._bar.task_ids[0], completed=fraction_done(progress, self._time_s), text=text)

    def _on_compiling(self) -> None:
        if self._is_compiling or not self._is_shown:
            return
        self._is_compiling = True
        from inr.core.cache_folder import cache_folder  # imported before, by what compiles

        text = COMPILING if cache_folder() is not None else COMPILING_AGAIN
        if self._bar is None:
            self.say(text)
        else:
            self._bar.update(self._bar.task_ids[0], text=text)

    def say(self, text: str) -> None:
        """A line on stderr that stays, above the live line if one is shown."""
        if self._bar is None:
            say(text, err=True)
        else:
            self._bar.console.print(text, markup=False, highlight=False)


class PartProgress:
    """Progress of work that says which share of it is done and what is going on; a context, as `FitProgress` is."""

    def __init__(self, *, is_shown: bool, name: str) -> None:
        self._is_shown, self._name = is_shown, name
        self._bar = _bar() if is_shown and is_live() else None
        self._every_s = PLAIN_EVERY_S if self._bar is None else LIVE_EVERY_S
        self._last = time.perf_counter()
        self._first: tuple[float, float] | None = None
        """Time and share of the first report. What came before, such as compilation, says nothing of the rest."""

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.add_task(self._name, total=1.0, text=self._name)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, done: float, text: str) -> None:
        now = time.perf_counter()
        if self._first is None:
            self._first = now, done
        if not self._is_shown or now - self._last < self._every_s:
            return
        self._last = now
        seconds, part = now - self._first[0], done - self._first[1]
        left = f"  {human_seconds(seconds * (1 - done) / part)} left" if part > 0.02 and done < 1 else ""
        words = f"{self._name}  {text}{left}"
        if self._bar is None:
            say(f"{100 * done:3.0f}%  {words}", err=True)
        else:
            self._bar.update(self._bar.task_ids[0], completed=done, text=words)


def is_live() -> bool:
    """Whether stderr is a terminal that can redraw a line."""
    return is_terminal(sys.stderr) and os.environ.get("TERM") != "dumb"


def fraction_done(progress: Progress, time_s: float | None) -> float:
    """How much of the run is over, by steps or by time, whichever is further; 0 if neither is limited."""
    by_steps = 0.0 if progress.steps is None else progress.step / progress.steps
    return min(1.0, max(by_steps, 0.0 if time_s is None else progress.seconds / time_s))


def rate_of(recent: Sequence[Progress]) -> float:
    """Steps per second between the first and the last report."""
    first, last = recent[0], recent[-1]
    return (last.step - first.step) / max(last.seconds - first.seconds, 1e-9)


def seconds_left(progress: Progress, rate: float, time_s: float | None) -> float | None:
    """Until the run's limit of steps or time, whichever is nearer; None if neither is limited."""
    parts = [] if progress.steps is None else [(progress.steps - progress.step) / rate]
    if time_s is not None:
        parts.append(max(0.0, time_s - progress.seconds))
    return min(parts, default=None)


def describe(progress: Progress, rate: float, left: float | None) -> str:
    """`step 900/2000  31.20 dB  85.1 it/s  12.9 s left`."""
    step = f"step {progress.step}" + ("" if progress.steps is None else f"/{progress.steps}")
    quality = f"loss {progress.loss:.3g}" if progress.psnr_db is None else f"{progress.psnr_db:.2f} dB"
    ending = "" if left is None else f"{human_seconds(left)} left"
    return "  ".join(filter(None, (step, quality, f"{rate:.1f} it/s", ending)))


def _bar() -> Bar:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    return Progress(
        BarColumn(bar_width=16),
        TaskProgressColumn(),
        TextColumn("{task.fields[text]}", markup=False),
        console=Console(stderr=True),
        transient=True,
    )
