"""Node, for the tests of the decoder in JavaScript."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

WEB = Path(__file__).parents[2] / "web"
OLDEST = 20


def node(*arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run Node, or skip with the reason."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("needs Node.js, which is not installed")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.lstrip("v").partition(".")[0]) < OLDEST:
        pytest.skip(f"needs Node.js {OLDEST} or later, found {version.strip()}")
    return subprocess.run([found, *arguments], cwd=WEB, capture_output=True, text=True, timeout=timeout)


def decoded(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """What the decoder in JavaScript says about files; their values are beside them, in FILE.raw."""
    done = node("tests/decode_files.js", *map(str, paths))
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
