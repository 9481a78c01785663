"""The machine a command runs on: device, threads, kernel backend, and whether a request fits into memory."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from inr._errors import UnavailableError, UsageError, unknown_name

from ._output import human_bytes

if TYPE_CHECKING:
    import torch


@contextlib.contextmanager
def machine(device: str = "auto", threads: int | None = None, backend: str | None = None) -> Iterator[torch.device]:
    """The chosen device; within the block every kernel runs on `backend` where one is named."""
    import logging

    with _without_collecting():
        import torch

        from inr import _device, kernels

    if threads is not None:
        if threads < 1:
            raise UsageError(f"--threads is {threads}, expected a whole number >= 1")
        torch.set_num_threads(threads)
    chosen, reason = _device.pick(device)
    logging.getLogger("inr").info("device %s", reason)
    if backend is None:
        yield chosen
        return
    known = {row.backend for row in kernels.table()}
    if backend not in known:
        raise unknown_name("backend", backend, known)
    with kernels.use_backend(backend):
        yield chosen


@contextlib.contextmanager
def _without_collecting() -> Iterator[None]:
    """For large imports: what they make stays, and to look for garbage in it takes an eighth of their time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def check_memory(n_bytes: int, what: str, hint: str) -> None:
    """Refuse what is larger than the whole memory of this machine, before the system kills it half way."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if n_bytes > memory:
        raise UnavailableError(
            f"{what} needs {human_bytes(n_bytes)} of memory, this machine has {human_bytes(memory)}", hint
        )
