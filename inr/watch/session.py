"""One page and its commands: pause, stop, save, and the part of the signal to show."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from inr.core.errors import InrError
from inr.watch.feed import Feed
from inr.watch.server import Server

State = Literal["starting", "running", "paused", "finished", "stopped"]

MOST_PIXELS = 1024
LONGEST_PAUSE_ALONE_S = 30.0
"""A run that was paused goes on so long after the last tab was closed."""


@dataclass(frozen=True)
class View:
    """The part of the signal that the page shows.

    x, y, w, h: the box, in the unit box of the shown axes. px: pixels of the longer side. at: position along the axis
    that is not shown (frames of a video, slices of an array), in [0, 1].
    """

    x: float = 0.0
    y: float = 0.0
    w: float = 1.0
    h: float = 1.0
    px: int = MOST_PIXELS
    at: float = 0.5

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> Self:
        """Clipped to what exists. Raises ValueError for anything but numbers."""
        found = {}
        for name in ("x", "y", "w", "h", "px", "at"):
            value = document.get(name, getattr(cls, name))
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise ValueError(f"{name} of a view is a number")
            found[name] = float(value)
        w, h = (min(1.0, max(1e-6, found[name])) for name in "wh")
        return cls(
            x=min(1.0 - w, max(0.0, found["x"])),
            y=min(1.0 - h, max(0.0, found["y"])),
            w=w,
            h=h,
            px=int(min(MOST_PIXELS, max(16, found["px"]))),
            at=min(1.0, max(0.0, found["at"])),
        )


class Session:
    """A served page. controls: the commands that the run behind it can follow, of "pause", "stop" and "save".

    title: of the page. port: as for `Server`. Commands come in the server's threads and are kept until the run looks.
    """

    def __init__(self, title: str, *, controls: Sequence[str] = (), port: int = 0) -> None:
        self.feed = Feed()
        self.view = View()
        self.view_number = 0
        self.is_paused = False
        self.is_stopping = False
        self._controls = tuple(controls)
        self._title = title
        self._state: State = "starting"
        self._is_saving = False
        self._is_left = False
        self._news = threading.Condition()
        self.server = Server(self.feed, self._on_command, port)
        self.say_state("starting")

    # -- from the page

    def _on_command(self, document: Mapping[str, Any]) -> None:
        command = document.get("command")
        allowed = {"pause", "resume"} if "pause" in self._controls else set()
        allowed |= {"view", "leave", *self._controls}
        if not isinstance(command, str) or command not in allowed:
            raise ValueError(f"the command is one of {', '.join(sorted(allowed))}")
        with self._news:
            if command == "view":
                self.view = View.of_document(document)
                self.view_number += 1
            elif command in ("pause", "resume"):
                self.is_paused = command == "pause"
            elif command == "stop":
                self.is_stopping = True
            elif command == "save":
                self._is_saving = True
            else:
                self._is_left = True
            self._news.notify_all()

    # -- from the run

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def is_left(self) -> bool:
        """Whether the page has said that nobody needs it any more."""
        return self._is_left

    def takes_save(self) -> bool:
        """Whether the page has sent "save" since the last call."""
        if not self._is_saving:
            return False
        self._is_saving = False
        return True

    def wait(self, timeout_s: float) -> None:
        """Until a command comes, or the time is over."""
        with self._news:
            self._news.wait(timeout_s)

    def say_state(self, state: State, *, note: str = "", outcome: str | None = None) -> None:
        """What the run does now. note: a sentence for the page."""
        self._state = state
        controls = self._controls if state in ("starting", "running", "paused") else ()
        self.feed.publish(
            "state",
            {"state": state, "title": self._title, "controls": list(controls), "note": note, "outcome": outcome},
        )

    def say_failure(self, error: InrError | RuntimeError) -> None:
        """There is no picture, and why; the run goes on."""
        text = error.message if isinstance(error, InrError) else str(error).partition("\n")[0]
        self.say_state(self.state, note=f"no more pictures: {text}")

    @property
    def state(self) -> State:
        return self._state

    def close(self) -> None:
        self.server.close()


class Patience:
    """How long nobody has read a feed."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._last = time.monotonic()

    def is_over(self, seconds: float) -> bool:
        """Whether there has been no reader for so long; asked again and again."""
        now = time.monotonic()
        if self._session.feed.has_readers:
            self._last = now
        return now - self._last > seconds
