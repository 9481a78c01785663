"""The machine a command runs on: device, threads, kernel backend, and whether a request fits into memory."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from inr.core.errors import UnavailableError, UsageError, unknown_name

from ._interrupts import nothing_to_lose
from ._output import human_bytes
from ._torch_library import load_ahead

if TYPE_CHECKING:
    import torch


MOST_THREADS = 1024
"""More are refused unless there are that many CPUs: they would only wait for each other, and may fail to start."""


@contextlib.contextmanager
def machine(device: str = "auto", threads: int | None = None, backend: str | None = None) -> Iterator[torch.device]:
    """The chosen device; within the block every kernel runs on `backend` if one is named."""
    import logging

    check_threads(threads)
    with _without_collecting(), nothing_to_lose():
        load_ahead()
        import numpy  # noqa: F401  meanwhile
        import torch

        from inr import kernels
        from inr.core import device as _device

    if threads is not None:
        torch.set_num_threads(threads)
    chosen, reason = _device.pick(device)
    logging.getLogger("inr").info("device %s", reason)
    named = backend or os.environ.get("INR_BACKEND")
    if named:
        known = {row.name for op in kernels.ops().values() for row in op.backends}
        if named not in known:
            raise unknown_name("backend", named, known)
    if backend is None:
        yield chosen
        return
    with kernels.use_backend(backend):
        yield chosen


def check_threads(threads: int | None) -> None:
    """Raise UsageError for a number of threads that no machine can use."""
    most = max(MOST_THREADS, os.cpu_count() or 1)
    if threads is not None and not 1 <= threads <= most:
        raise UsageError(f"--threads is {threads}, expected a whole number from 1 to {most}")


def without_linear_algebra() -> None:
    """To be called before numpy is imported, by a command that decodes or reads: each thread of OpenBLAS takes time and
    memory to start."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@contextlib.contextmanager
def codec_backend(name: str | None) -> Iterator[None]:
    """Within the block INR_BACKEND is `name`, which the entropy coder reads, and the process that verifies a file."""
    if name is None:
        yield
        return
    before = os.environ.get("INR_BACKEND")
    os.environ["INR_BACKEND"] = name
    try:
        yield
    finally:
        if before is None:
            del os.environ["INR_BACKEND"]
        else:
            os.environ["INR_BACKEND"] = before


@contextlib.contextmanager
def _without_collecting() -> Iterator[None]:
    """For large imports: their objects stay, and garbage collection would take an eighth of their time."""
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
