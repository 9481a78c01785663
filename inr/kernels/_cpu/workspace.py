"""Large arrays that outlive a call, so that a training step does not ask the system for the same memory again."""

from __future__ import annotations

import weakref
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

LINE_BYTES = 64

_free: deque[NDArray[Any]] = deque(maxlen=8)


class Lease:
    """An array of at least `size` numbers, with undefined values, returned when the lease is deleted.

    It begins at a cache line: vectors that cross lines cost twice as much.

    The buffer is exclusively owned until then, so calls may nest and run in parallel. Only the last few are kept.
    """

    def __init__(self, size: int, dtype: Any) -> None:
        self.array = _take(size, np.dtype(dtype))
        weakref.finalize(self, _free.append, self.array).atexit = False


def _take(size: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    for _ in range(len(_free)):
        try:
            array = _free.popleft()
        except IndexError:  # another thread was faster
            break
        if array.dtype == dtype and size <= array.size <= 2 * size:
            return array
        _free.append(array)
    return aligned(size, dtype)


def aligned(size: int, dtype: Any) -> NDArray[Any]:
    """An array with undefined values that begins at a cache line."""
    n_bytes = size * np.dtype(dtype).itemsize
    room = np.empty(n_bytes + LINE_BYTES, np.uint8)
    start = -room.ctypes.data % LINE_BYTES
    return room[start : start + n_bytes].view(dtype)
