"""What kernels of the CPU share: how they are compiled, and how a call is spread over threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import torch

from inr._compiling import compiled, compiled_exactly

__all__ = ["compiled", "compiled_exactly", "in_parts"]


@cache
def _pool(n_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_threads, thread_name_prefix="inr")


if hasattr(os, "register_at_fork"):
    # A forked child has the pool's books and none of its threads.
    os.register_at_fork(after_in_child=_pool.cache_clear)


def in_parts(work: Callable[[int, int], None], size: int, least: int = 1) -> None:
    """Calls work(part, parts) for every part, side by side on as many threads as torch uses.

    `size` is what there is to share out; no part is made for less than `least` of it.
    """
    parts = max(1, min(torch.get_num_threads(), size // least))
    if parts == 1:
        work(0, 1)
        return
    others = [_pool(parts - 1).submit(work, part, parts) for part in range(1, parts)]
    work(0, parts)
    for other in others:
        other.result()
