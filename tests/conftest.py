"""Shared by all tests: seeded generators, one torch thread, and poisoned memory."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import numba  # noqa: F401  compiled functions then come from its cache, and not from the file of machine code
import pytest
import torch
from torch.utils import _device

# Also for fixtures of modules, which run before those of functions, and for programs that tests start: several tests
# run side by side, and threads that wait for each other on a busy machine take longer than one.
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"

# A shell ignores SIGINT for its background jobs, and the programs that tests start and interrupt would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(1234)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _poisoned_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Uninitialised floats are NaN, so that an element that is never written fails a test."""

    def poisoned(make: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        def call(*args: Any, **kwargs: Any) -> torch.Tensor:
            made = make(*args, **kwargs)
            if made.is_floating_point() and made.device.type == "cpu":
                with torch.no_grad():
                    made.fill_(float("nan"))
            return made

        return call

    _device._device_constructors()  # caches torch.empty at its first call, which must be the original
    monkeypatch.setattr(torch, "empty", poisoned(torch.empty))
    monkeypatch.setattr(torch, "empty_like", poisoned(torch.empty_like))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="torch sees no CUDA device"))
