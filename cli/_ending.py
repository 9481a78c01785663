"""The end of a process that has imported torch."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading


def end_at_once(code: int) -> None:
    """End the process after all that Python does at its end, except that modules and their objects are not taken apart.

    For those of torch this takes a third of a second. Threads are waited for, functions of `atexit` run, streams are
    flushed.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # what the interpreter calls
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            if stream is not None:
                stream.flush()
    os._exit(code)
