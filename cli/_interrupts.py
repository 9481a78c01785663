"""Interruptions: what SIGINT, SIGTERM and SIGHUP do in each stage of the program.

Imported before anything large, so it imports very little. Only the program installs these handlers, see `install`; a
process that imports the package keeps Python's handlers.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any, Literal

from ._first_signals import NAMES, leave

NUMBERS = tuple(getattr(signal, name) for name in NAMES if hasattr(signal, name))
_MOST = 2
BOUNCE_S = 1.0
AGAIN_S = 0.02
_WHOLE = ("importlib", "tempfile", "inr.core.files", "inr.batch._manifest")
"""Modules that are not interrupted: an extension module aborts the process if its import is, a temporary file would
stay because its name is not known yet, and a finished output would not be written."""
_WAITING = "inr.core.pipes"
"""A module that may wait for another program, and is interrupted, also where one of _WHOLE calls it."""


class Interrupted(BaseException):
    """The program must end. Not an Exception, which libraries catch, nor a KeyboardInterrupt, which Typer catches."""

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.number = number

    @property
    def exit_code(self) -> int:
        return 128 + self.number


class SignalState:
    """What the signals have done so far.

    stage: what the first signal does. "starting": there is nothing to lose, the program ends at once. "working":
    `Interrupted` is raised in the running code. "holding": it is noted, and the work looks at `number` when it can
    stop. "ending": nothing.
    The second signal does nothing, because the first has stopped the work; the third ends the program at once. Signals
    within a second count as one: keys bounce, and supervisors send several.
    """

    def __init__(self) -> None:
        self.stage: Literal["starting", "working", "holding", "ending"] = "starting"
        self.number: int | None = None
        self.is_installed = False
        self._count = 0
        self._last = 0.0
        self._unraisable = sys.unraisablehook

    def install(self) -> None:
        self.is_installed = True
        for number in NUMBERS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup, or a shell's background, wants it
                signal.signal(number, self._on_signal)
        signal.signal(signal.SIGALRM, self._on_alarm)
        sys.unraisablehook = self._on_unraisable

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.stage == "ending" or (self._count and now - self._last < BOUNCE_S):
            return
        self._count, self._last = self._count + 1, now
        if self._count > _MOST:
            leave(self.number or number)
        if self._count == 1:
            self.number = number
            self._act(frame)

    def _act(self, frame: FrameType | None) -> None:
        assert self.number is not None
        if self.stage == "starting":
            leave(self.number)
        if self.stage == "working":
            if _is_whole(frame):
                signal.setitimer(signal.ITIMER_REAL, AGAIN_S)
            else:
                raise Interrupted(self.number)

    def _on_alarm(self, number: int, frame: FrameType | None) -> None:
        if self.number is not None:
            self._act(frame)

    def _on_unraisable(self, found: Any) -> None:
        """What was raised in a finalizer is lost: it is raised once more, a little later."""
        if isinstance(found.exc_value, Interrupted):
            signal.setitimer(signal.ITIMER_REAL, AGAIN_S)
        else:
            self._unraisable(found)


program = SignalState()


def install() -> None:
    """Install the handlers, from now to the end of the process. Those that are ignored stay so."""
    program.install()


def number() -> int | None:
    """The number of the first signal; None before it."""
    return program.number


def begin() -> None:
    """From here on there is something to lose."""
    program.stage = "working"


def end() -> None:
    """All work is done, only the process has to end: no signal changes the exit code any more.

    SIGALRM is ours as well: Python gives it back its default action as it shuts down, which ends the process, and an
    alarm may still be pending.
    """
    program.stage = "ending"
    if program.is_installed:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for taken in (*NUMBERS, signal.SIGALRM):
            signal.signal(taken, signal.SIG_IGN)


@contextlib.contextmanager
def nothing_to_lose() -> Iterator[None]:
    """Within the block, which is one of imports, the program ends at once; they would have to be waited for."""
    with _stage("starting"):
        yield


@contextlib.contextmanager
def shielded() -> Iterator[None]:
    """Within the block no signal does anything: what it writes must not be lost."""
    with _stage("ending"):
        yield


class Interruption:
    """Whether the program must end, for work that stops by itself when it can."""

    def __init__(self) -> None:
        self._is_set = False

    def is_set(self) -> bool:
        return self._is_set or program.number is not None

    @property
    def exit_code(self) -> int:
        return self.error().exit_code

    def error(self) -> Interrupted:
        """What to raise once the work has stopped."""
        return Interrupted(program.number or signal.SIGINT)

    def on_python(self, number: int, frame: FrameType | None) -> None:
        """Ctrl-C if the program's handlers are not installed."""
        self._is_set = True


@contextlib.contextmanager
def held() -> Iterator[Interruption]:
    """Within the block the first signal is only noted."""
    interruption = Interruption()
    before = None
    if not program.is_installed and _is_main_thread():
        before = signal.signal(signal.SIGINT, interruption.on_python)
    try:
        with _stage("holding"):
            yield interruption
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _stage(stage: Literal["starting", "holding", "ending"]) -> Iterator[None]:
    before, program.stage = program.stage, stage
    try:
        yield
    finally:
        program.stage = before


def _is_whole(frame: FrameType | None) -> bool:
    """Whether the program is within what is not cut."""
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name == _WAITING:
            return False
        if name.startswith(_WHOLE[0]) or name in _WHOLE:
            return True
        frame = frame.f_back
    return False


def _is_main_thread() -> bool:
    import threading

    return threading.current_thread() is threading.main_thread()
