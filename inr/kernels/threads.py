"""What kernels of the CPU share: how they are compiled, and how a call is spread over threads."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from inr.core.jit import compiled, compiled_exactly

__all__ = ["compiled", "compiled_exactly", "in_parts", "in_turn", "n_threads", "one_thread", "use_threads"]


@cache
def _pool(n_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_threads, thread_name_prefix="inr")


if hasattr(os, "register_at_fork"):
    # A forked child has the pool's records but none of its threads.
    os.register_at_fork(after_in_child=_pool.cache_clear)


def in_parts(work: Callable[[int, int], None], size: int, least: int = 1) -> None:
    """Calls work(part, parts) for every part, side by side on as many threads as torch uses.

    `size` is the amount of work; no part gets less than `least` of it.
    """
    parts = max(1, min(n_threads(), size // least))
    if parts == 1:
        work(0, 1)
        return
    others = [_pool(parts - 1).submit(work, part, parts) for part in range(1, parts)]
    work(0, parts)
    for other in others:
        other.result()


def in_turn(count: int, work: Callable[[int], None]) -> None:
    """Calls work(0), ..., work(count - 1); a thread that is done takes the next one."""
    numbers = iter(range(count))

    def take(part: int, parts: int) -> None:
        for number in numbers:
            work(number)

    in_parts(take, count)


_chosen: int | None = None
_own = threading.local()


def use_threads(count: int) -> None:
    """Set the number of threads of a process that does not import torch; with torch, its own number counts."""
    global _chosen
    _chosen = count


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Within the block, calls of this thread are not spread over others."""
    _own.is_alone = True
    try:
        yield
    finally:
        _own.is_alone = False


def n_threads() -> int:
    """The number that torch uses, or would use if it is not imported; 1 within `one_thread`."""
    if getattr(_own, "is_alone", False):
        return 1
    torch = sys.modules.get("torch")
    if torch is not None:
        count: int = torch.get_num_threads()
        return count
    return _chosen or int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
