"""The parameters of a pyramid before training."""

from __future__ import annotations

import pytest
import torch

from inr.codec.profiles.pyramid.network import first_skip


@pytest.mark.parametrize(("fine", "first"), [(0.0, [0, 0, 1, 0, 2, 0, 1]), (0.3, [0, 1, 2, 0, 1, 2, 0])])
def test_grids_begin_with_principal_colours(fine: float, first: list[int]) -> None:
    """Grey of large contrast, blue against red below it, green below that: of few pixels or of many."""
    n = 32
    x = torch.arange(n, dtype=torch.float32)
    checks = ((x[:, None] // 2 + x // 2) % 2 - 0.5).expand(n, n)
    slope = (x / n - 0.5).expand(n, n)
    grey, blue = torch.tensor([1.0, 1, 1]) / 3**0.5, torch.tensor([1.0, 0, -1]) / 2**0.5
    target = 0.5 + grey[:, None, None] * slope.T + blue[:, None, None] * (fine * checks + 0.3 * slope)
    skip = first_skip(target, 7, rate_weight=1e-3)
    assert skip.shape == (3, 7)
    torch.testing.assert_close(skip.norm(dim=0), torch.full((7,), 0.1 * 3**0.5))
    along = torch.stack([grey, blue, torch.linalg.cross(grey, blue)]) @ skip
    assert along.abs().argmax(0).tolist() == first
    assert first_skip(target[:1], 7, 1e-3).abs().tolist() == [pytest.approx([0.1] * 7)]
