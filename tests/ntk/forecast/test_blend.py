"""The mean of two forecasts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from inr.ntk.forecast.blend import KERNEL_WEIGHT, WITH_FLOW, blend, blended, kernel_weight, uses_flow

ROWS = torch.tensor([[1.0, 1.0, 0.0], [0.5, 0.1, 0.0], [0.25, 0.01, 0.0]], dtype=torch.float64)


def test_the_last_row_is_the_geometric_mean_and_the_first_is_kept() -> None:
    found: Tensor = blended(ROWS, [(torch.tensor([0.04, 0.01, 0.5]), 0.5)])
    assert found[-1].tolist() == pytest.approx([0.1, 0.01, 0.0])
    assert torch.equal(found[0], ROWS[0])
    assert 0.25 < float(found[1, 0]) < 0.5
    assert torch.allclose(found[:, 1], ROWS[:, 1])


def test_without_weight_nothing_changes() -> None:
    assert torch.equal(blended(ROWS, [(torch.ones(3), 0.0)]), ROWS)


def test_smaller_rehearsals_count_less() -> None:
    weights = [kernel_weight(share) for share in (0.001, 0.03, 0.1, 0.5)]
    assert weights == sorted(weights, reverse=True)
    assert weights[0] > weights[1] > weights[2] == weights[3] == KERNEL_WEIGHT[0][1]


def test_three_forecasts_have_their_weights() -> None:
    kernel, flow = torch.tensor([0.04, 0.01, 0.5]), torch.tensor([0.5, 0.02, 0.1])
    of_kernel, of_flow = WITH_FLOW
    found = blend(ROWS, kernel, flow, 0.1)[-1]
    wanted = 0.25 ** (1 - of_kernel - of_flow) * 0.04**of_kernel * 0.5**of_flow
    assert float(found[0]) == pytest.approx(wanted)
    assert float(found[2]) == 0
    assert torch.equal(blend(ROWS, None, None, 0.1), ROWS)
    assert torch.equal(blend(ROWS, kernel, None, 0.03), blended(ROWS, [(kernel, kernel_weight(0.03))]))


def test_grids_use_the_flow_and_networks_do_not() -> None:
    assert uses_flow("grid", 0.1)
    assert not uses_flow("grid", 0.03)
    assert not uses_flow("network", 0.1)
