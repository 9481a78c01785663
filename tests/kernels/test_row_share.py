"""Shares of rows: every row counts once in the mean over all turns, and small grids count always."""

from __future__ import annotations

import pytest
import torch

from inr.kernels.row_share import LEAST, RowShare


@pytest.mark.parametrize("height", [128, 129, 131])
@pytest.mark.parametrize("every", [2, 3, 4])
def test_all_turns_count_every_row_once(height: int, every: int) -> None:
    like = torch.zeros((), dtype=torch.float64)
    found = [RowShare(every, turn).factors(height, 128, like) for turn in range(every)]
    total = sum(factors for factors in found if factors is not None)
    assert torch.equal(torch.as_tensor(total), torch.full((height,), float(every), dtype=torch.float64))


def test_a_turn_is_taken_modulo_the_share() -> None:
    assert RowShare(4, 6).of(256, 256) == RowShare(4, 2).of(256, 256) == (4, 2)


def test_small_grids_and_one_share_count_all_rows() -> None:
    assert RowShare(4, 1).factors(1, LEAST - 1, torch.zeros(())) is None
    assert RowShare(1, 0).factors(1, LEAST, torch.zeros(())) is None
