"""What Triton needs from a machine: it builds a small C module before it starts its first kernel."""

from __future__ import annotations

import functools
import os
import shutil
import sysconfig
from pathlib import Path


@functools.cache
def reason_against() -> str | None:
    """Why Triton cannot start a kernel here; None if it can."""
    if not (os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")):
        return "Triton needs a C compiler to start kernels: install gcc or clang, or set CC"
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").is_file():
        return "Triton needs Python's headers to start kernels: install python3-dev"
    return None
