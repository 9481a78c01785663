"""Progress on stderr as one line for each part of the work."""

from __future__ import annotations

import time

from ._output import say


class Lines:
    """A callback for the name of each part, which is printed with the seconds since the start.

    family: a name before each line, or an empty string.
    """

    def __init__(self, *, is_shown: bool) -> None:
        self._is_shown, self._start, self.family = is_shown, time.monotonic(), ""

    def __call__(self, part: str) -> None:
        if self._is_shown:
            name = f"{self.family}: " if self.family else ""
            say(f"{time.monotonic() - self._start:6.1f} s  {name}{part}", err=True)
