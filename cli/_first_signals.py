"""Signals in the first milliseconds of the program, before `_interrupts` is imported: they end it at once, with a line.

It imports only what the interpreter has loaded by itself: `signal` and `contextlib` take longer than all of this.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # what `signal` wraps; it has no stubs
import os
import sys

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


def install() -> None:
    """Install the handlers, except for signals that are ignored."""
    for name in NAMES:
        number = getattr(_signal, name, None)
        if number is not None and _signal.getsignal(number) != _signal.SIG_IGN:
            _signal.signal(number, _on_signal)


def leave(number: int) -> None:
    """End the program at once, with a line."""
    text, code = "interrupted", 128 + number
    if "--json" in sys.argv:  # written by hand: nothing is imported yet
        text = (
            '{"schema": "inr.error", "version": 1, "message": "interrupted", "problems": ["interrupted"], '
            f'"hint": null, "exit_code": {code}}}'
        )
    try:  # noqa: SIM105  contextlib is not imported yet
        os.write(2, (("\x1b[?25h" if os.isatty(2) else "") + text + "\n").encode())  # a progress bar hides the cursor
    except OSError:
        pass
    os._exit(code)


def _on_signal(number: int, frame: object) -> None:
    leave(number)
