"""The command line as a user's process, on the clock."""

from __future__ import annotations

import subprocess
import sys
import time


def inr(*words: object) -> float:
    """Run `inr WORDS --quiet` in a process of its own; the seconds it took. Raises CalledProcessError."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "inr_cli", *map(str, words), "--quiet"], check=True, stdout=subprocess.DEVNULL
    )
    return time.perf_counter() - start
