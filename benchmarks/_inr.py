"""Timed commands in separate processes, as users run them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any


def inr(*words: object) -> float:
    """Run `inr WORDS --quiet` in a separate process; returns its duration in seconds. Raises CalledProcessError."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "inr_cli", *map(str, words), "--quiet"], check=True, stdout=subprocess.DEVNULL
    )
    return time.perf_counter() - start


def inr_json(*words: object) -> tuple[dict[str, Any], float]:
    """The document that `inr WORDS --json` prints, and its duration in seconds. Raises SystemExit if it fails."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "inr_cli", *map(str, words), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"inr {' '.join(map(str, words))} failed:\n{done.stderr}")
    return json.loads(done.stdout), time.perf_counter() - start
