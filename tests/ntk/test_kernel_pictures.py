"""A kernel as pictures: rows and eigenfunctions against the matrix, and a closed form."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor, nn

from inr.core.config import parse
from inr.core.domain import Spec
from inr.core.errors import UsageError
from inr.fields import FieldConfig
from inr.ntk import TorchModule, tangent_kernel
from inr.ntk.kernel_pictures import kernel_pictures
from tests.ntk.small_reports import SMALL

SPEC = Spec(kind="image", d_in=2, d_out=1, shape=(6, 4))


def test_rows_and_modes_are_those_of_the_matrix() -> None:
    field = parse(FieldConfig, SMALL, "field").resolve(SPEC).build(SPEC, Generator().manual_seed(0))
    found = kernel_pictures(field, (6, 4), rows=2, modes=3)
    x, y = torch.meshgrid((torch.arange(6) + 0.5) / 6, (torch.arange(4) + 0.5) / 4, indexing="ij")
    points = torch.stack([x, y], -1).reshape(-1, 2).double()
    matrix = tangent_kernel(field, points).matrix
    size = matrix.diagonal().sqrt()
    assert found.shape == (6, 4)
    for row, place in zip(found.rows, found.places, strict=True):
        at = int((points - place).norm(dim=1).argmin())
        assert torch.allclose(row.reshape(-1), matrix[at] / (size * size[at]), atol=1e-9)
        assert float(row.reshape(-1)[at]) == pytest.approx(1)
    for mode, share in zip(found.modes, found.shares, strict=True):
        flat = mode.reshape(-1)
        assert torch.allclose(matrix @ flat, share * matrix.trace() * flat, atol=1e-8 * float(matrix.trace()))
        assert float(flat.square().mean()) == pytest.approx(1)
        assert float(flat[flat.abs().argmax()]) > 0


class Waves(nn.Module):
    """w_1 cos 2 pi x + w_2 sin 2 pi x: the kernel is cos 2 pi (x - z)."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones(2, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([torch.cos(math.pi * x), torch.sin(math.pi * x)], 1) @ self.w


def test_a_stationary_kernel_has_shifted_rows() -> None:
    field = TorchModule(module=Waves()).build(Spec(kind="audio", d_in=1, d_out=1, shape=(64,)), Generator())
    found = kernel_pictures(field, (64,), rows=2, modes=2)
    x = (torch.arange(64, dtype=torch.float64) + 0.5) / 64
    for row, place in zip(found.rows, found.places, strict=True):
        assert torch.allclose(row, torch.cos(2 * math.pi * (x - place)), atol=1e-9)
    assert found.shares == pytest.approx((0.5, 0.5))


def test_large_signals_are_seen_coarsely_and_volumes_refused() -> None:
    field = TorchModule(module=Waves()).build(Spec(kind="audio", d_in=1, d_out=1, shape=(9999,)), Generator())
    assert kernel_pictures(field, (9999,)).shape == (600,)
    with pytest.raises(UsageError, match="3 axes"):
        kernel_pictures(field, (4, 4, 4))
