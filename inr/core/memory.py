"""How the C library keeps memory that was freed."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys

_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1
"""Options of mallopt, as malloc.h numbers them."""


def keep_freed_memory() -> None:
    """Blocks of less than 32 MB are taken from memory that was freed before, up to 2 GB of it, instead of new pages.

    The system clears a new page when it is first written, which takes long on virtual machines. The process then takes
    some more memory. Only for the C library of GNU, unless variables of the environment say otherwise.
    """
    if sys.platform != "linux" or any(name.startswith("MALLOC_") for name in os.environ):
        return
    with contextlib.suppress(OSError, AttributeError):
        set_option = ctypes.CDLL(None).mallopt
        set_option(_MMAP_THRESHOLD, 2**25)
        set_option(_TRIM_THRESHOLD, 2**31 - 1)
