"""Comparisons. Each one asserts and returns nothing."""

from __future__ import annotations

import torch
from torch import Tensor


def assert_near(found: Tensor, expected: Tensor, relative: float) -> None:
    """Equal shapes, and differences of at most `relative` times the largest expected magnitude."""
    assert found.shape == expected.shape, f"shape {tuple(found.shape)}, expected {tuple(expected.shape)}"
    if expected.numel() == 0:
        return
    scale = expected.abs().max().clamp_min(1e-30)
    worst = (found - expected).abs().max() / scale
    assert torch.isfinite(worst), "not finite"
    assert worst <= relative, f"differs by {worst:.2e} of the largest value, expected at most {relative:.0e}"


def assert_same_bytes(found: Tensor, expected: Tensor) -> None:
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    assert found.detach().contiguous().numpy().tobytes() == expected.detach().contiguous().numpy().tobytes()
