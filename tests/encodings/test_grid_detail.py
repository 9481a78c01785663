"""What a coarser grid cannot hold of a lattice, measured on blocks of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inr.core.domain import Spec
from inr.core.samples import Samples
from inr.encodings import grid_detail
from inr.encodings.grid_detail import mean_square_left
from inr.kernels.grid_geometry import GridGeometry, grid_geometry


def samples_of(values: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Samples:
    """Samples of values [n_1, ..., n_D, C], the axes of coordinates in the order of the array."""
    y = torch.from_numpy(values).reshape(-1, values.shape[-1])
    shape = values.shape[:-1]
    spec = Spec("array", len(shape), values.shape[-1], shape)
    x = torch.zeros(len(y), len(shape))
    return Samples(spec, len(y), lambda index: (x[index], y[index]), tuple(range(len(shape))))


def noise(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def grid(shape: tuple[int, ...], ratio: float) -> GridGeometry:
    sides = [round(n * ratio) + 2 for n in shape]
    return grid_geometry(len(shape), 1, 20, sides, sides, 0.5)


@pytest.mark.parametrize("shape", [(40, 30, 2), (20, 16, 12, 1)])
def test_noise_keeps_the_share_of_the_vertices(shape: tuple[int, ...]) -> None:
    """A projection from n onto m dimensions keeps m / n of the energy of white noise."""
    d = len(shape) - 1
    for ratio in (0.25, 0.5, 0.75):
        kept = np.prod([min(n, round(n * ratio) + 2) for n in shape[:d]]) / np.prod(shape[:d])
        assert mean_square_left(samples_of(noise(*shape)), grid(shape[:d], ratio)) == pytest.approx(1 - kept, abs=0.12)


def test_nothing_is_left_of_what_the_grid_holds() -> None:
    place = np.stack(np.meshgrid(np.arange(32), np.arange(48), indexing="ij"), -1)
    values = (place @ [0.3, -0.2]).astype(np.float32)[..., None]
    assert mean_square_left(samples_of(values), grid((32, 48), 0.125)) < 1e-9


def test_blocks_find_detail_in_a_corner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(grid_detail.SIDE, 2, 16)
    values = np.zeros((100, 64, 1), np.float32)
    assert mean_square_left(samples_of(values), grid((100, 64), 0.5)) == 0
    values[-12:, -12:] = noise(12, 12, 1)
    assert mean_square_left(samples_of(values), grid((100, 64), 0.5)) > 0.001
