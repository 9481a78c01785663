"""A level that starts from values at its vertices: exact there, the interpolation between, and which level it is."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from inr.encodings import MOST_STARTED, GridEncoding, started_level
from inr.encodings.vertex_start import start_from_vertices
from inr.kernels.grid_geometry import grid_geometry
from inr.kernels.hash_grid import Interpolation


def encoding_of(levels: int, finest: int, log2_table: int, interpolation: Interpolation = "linear") -> GridEncoding:
    geometry = grid_geometry(3, levels, log2_table, [5, 6, 7], [finest] * 3)
    return GridEncoding(geometry, 2, interpolation, 1e-4, torch.Generator().manual_seed(0))


def read(encoding: GridEncoding, x: Tensor, weights: Tensor) -> Tensor:
    with torch.no_grad():
        return encoding(x).double() @ weights.T


@pytest.mark.parametrize("interpolation", ["linear", "smoothstep"])
@pytest.mark.parametrize("channels", [1, 2])
def test_values_are_exact_at_the_vertices(channels: int, interpolation: Interpolation) -> None:
    def values(x: Tensor) -> Tensor:
        return torch.stack([torch.sin(7 * x[:, 0]) * x[:, 1] - x[:, 2], x.square().sum(-1)], -1)[:, :channels]

    encoding = encoding_of(3, 40, 12, interpolation)  # 5 and 14 vertices are dense, 40 are hashed
    assert encoding.geometry.is_dense == (True, True, False)
    weights = start_from_vertices(encoding, values)
    scale = torch.tensor(encoding.geometry.scale[1])
    index = torch.randint(1, 13, (500, 3), generator=torch.Generator().manual_seed(1))
    vertices = (index - 0.5) / scale
    assert (read(encoding, vertices, weights) - values(vertices)).abs().max() < 1e-4


def test_values_are_interpolated_between_the_vertices() -> None:
    """A function that is linear in each coordinate is its own interpolation."""

    def values(x: Tensor) -> Tensor:
        return ((1 + x[:, 0]) * (2 - x[:, 1]) * (x[:, 2] - 0.3))[:, None]

    encoding = encoding_of(2, 24, 14)
    weights = start_from_vertices(encoding, values)
    x = 0.1 + 0.8 * torch.rand(2000, 3, generator=torch.Generator().manual_seed(2))
    assert (read(encoding, x, weights) - values(x)).abs().max() < 1e-4


def test_an_entry_of_several_vertices_is_their_mean() -> None:
    seen: list[Tensor] = []

    def values(x: Tensor) -> Tensor:
        seen.append(x)
        return torch.ones(len(x), 1)

    encoding = encoding_of(1, 8, 14)
    weights = start_from_vertices(encoding, values)
    x = torch.rand(2000, 3, generator=torch.Generator().manual_seed(3))
    assert (read(encoding, x, weights) - 1).abs().max() < 1e-4  # at the borders too
    (points,) = seen
    half = 0.51 / torch.tensor(encoding.geometry.scale[0])
    assert (points >= -half).all()
    assert (points <= 1 + 2 * half).all()


def test_other_entries_keep_their_initial_values() -> None:
    encoding, fresh = encoding_of(3, 40, 12), encoding_of(3, 40, 12)
    start_from_vertices(encoding, lambda x: x[:, :1])
    changed = (encoding.table != fresh.table).nonzero()
    start = encoding.geometry.offset[1]
    assert (changed[:, 1] == 0).all()
    assert changed[:, 0].min() == start
    assert changed[:, 0].max() < start + encoding.geometry.entries[1]


def test_the_level_is_the_finest_dense_one_that_is_small() -> None:
    assert started_level(grid_geometry(3, 3, 12, [5] * 3, [40] * 3)) == 1
    assert started_level(grid_geometry(3, 2, 6, [5] * 3, [40] * 3)) is None
    geometry = grid_geometry(3, 3, 24, [20] * 3, [80] * 3)
    assert geometry.entries[2] > MOST_STARTED > geometry.entries[1]
    assert started_level(geometry) == 1
