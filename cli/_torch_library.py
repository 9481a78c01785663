"""Loads torch's library in another thread: with its start-up code it takes a fifth of a second, in which Python can
import what comes before torch."""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import sys
import threading
from pathlib import Path

_NAME = "lib/libtorch_cpu.so"
_RTLD_NOW = 2


@functools.cache
def load_ahead() -> None:
    """Start to load the library, on Linux and unless torch is imported. Where that fails, `import torch` says why."""
    if "torch" in sys.modules or not sys.platform.startswith("linux"):
        return
    found = importlib.util.find_spec("torch")
    folders = [] if found is None else list(found.submodule_search_locations or [])
    path = Path(folders[0], _NAME) if folders else Path(_NAME)
    if path.is_file():
        threading.Thread(target=_load, args=(bytes(path),), daemon=True).start()


def _load(path: bytes) -> None:
    """Called as a C function, which runs without Python's lock, unlike `ctypes.CDLL(path)`."""
    load = ctypes.CDLL(None).dlopen
    load.argtypes, load.restype = [ctypes.c_char_p, ctypes.c_int], ctypes.c_void_p
    load(path, _RTLD_NOW)
