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

__all__ = [
    "compiled", "compiled_exactly", "in_parts", "in_turn", "n_threads", "one_thread", "torch_on_one_thread",
    "use_threads",
]  # fmt: skip


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
    with _spread_over(1):
        yield


@contextlib.contextmanager
def torch_on_one_thread() -> Iterator[None]:
    """Within the block, operations of torch itself stay on this thread, while kernels are spread as before.

    OpenMP's threads wait actively for some milliseconds after each operation, on the processors that the threads of
    kernels need meanwhile. It pays where kernels do most of the work and torch's operations are short.
    """
    torch = sys.modules["torch"]
    before = torch.get_num_threads()
    with _spread_over(n_threads()):
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)


@contextlib.contextmanager
def _spread_over(count: int) -> Iterator[None]:
    before = getattr(_own, "count", None)
    _own.count = count
    try:
        yield
    finally:
        _own.count = before


def n_threads() -> int:
    """The number that torch uses, or would use if it is not imported, where the blocks above do not say otherwise."""
    chosen: int | None = getattr(_own, "count", None)
    if chosen is not None:
        return chosen
    torch = sys.modules.get("torch")
    if torch is not None:
        count: int = torch.get_num_threads()
        return count
    return _chosen or int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
