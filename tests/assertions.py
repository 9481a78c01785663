"""Comparisons of tensors, most from the conformance suites. Each one asserts and returns nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from inr.testing import assert_near as assert_near
from inr.testing import assert_same_bytes as assert_same_bytes


def assert_same_bytes_for_threads(
    results: Callable[[], Sequence[Tensor]], numbers: Sequence[int] = (1, 2, 2, 3)
) -> None:
    """Results have the same bytes for each of these numbers of threads, and twice for the same number."""
    runs = []
    for n_threads in numbers:
        torch.set_num_threads(n_threads)
        runs.append(results())
    for run in runs[1:]:
        for found, expected in zip(run, runs[0], strict=True):
            assert_same_bytes(found.detach(), expected.detach())
