"""Tables that start from a lattice's samples: what is exact, and what is the best in the least squares."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from inr.core.domain import Spec
from inr.core.samples import Samples
from inr.encodings import GridEncoding, grid_start
from inr.encodings.grid_start import start_from_samples
from inr.kernels.grid_geometry import GridGeometry, grid_geometry
from inr.kernels.hash_grid import Interpolation

SHAPES = [(13, 9), (8, 8), (31, 17), (6, 5, 7), (40,), (47,)]


def geometry_of(shape: tuple[int, ...], levels: int = 3, log2_table: int = 20) -> GridGeometry:
    base = [max(2, round(n / 4)) for n in shape]
    return grid_geometry(len(shape), levels, log2_table, base, [n + 1 for n in shape])


def encoding_of(geometry: GridGeometry, interpolation: Interpolation = "linear") -> GridEncoding:
    return GridEncoding(geometry, 2, interpolation, 1e-4, torch.Generator().manual_seed(0))


def samples_of(values: Tensor) -> tuple[Samples, Tensor]:
    """Samples of values [n_1, ..., n_D, C], kept with the last axis of coordinates first, and points [N, D] of all."""
    *shape, channels = values.shape
    order = tuple(reversed(range(len(shape))))  # as in pictures: the rows are along the second coordinate
    points = torch.stack(torch.meshgrid(*((torch.arange(n) + 0.5) / n for n in shape), indexing="ij"), -1)
    kept_y, kept_x = values.permute(*order, len(shape)), points.permute(*order, len(shape))
    y, x = kept_y.reshape(-1, channels), kept_x.reshape(-1, len(shape))
    spec = Spec("array", len(shape), channels, tuple(shape))
    return Samples(spec, len(y), lambda index: (x[index], y[index]), order), x


@pytest.mark.parametrize("interpolation", ["linear", "smoothstep"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_two_directions_are_exact_and_the_others_better_than_nothing(
    shape: tuple[int, ...], channels: int, interpolation: Interpolation
) -> None:
    values = torch.rand(*shape, channels, generator=torch.Generator().manual_seed(1))
    samples, x = samples_of(values)
    encoding = encoding_of(geometry_of(shape), interpolation)
    read = start_from_samples(encoding, samples)
    y = samples.at(torch.arange(samples.size))[1].double()
    with torch.no_grad():
        error = y - encoding(x).double() @ read.T
    sizes = np.linalg.svd(error.numpy(), compute_uv=False)
    assert (sizes > 1e-3).sum() <= max(0, channels - 2)  # it has no part in two directions
    if channels <= 2:
        assert error.abs().max() < 1e-4
    assert error.square().sum() < 0.5 * y.square().sum()


def test_the_exact_directions_are_those_of_most_change() -> None:
    generator = torch.Generator().manual_seed(2)
    noise = torch.randn(24, 20, 3, generator=generator) * torch.tensor([1.0, 0.5, 0.05])
    turn = torch.linalg.qr(torch.randn(3, 3, generator=generator)).Q
    samples, x = samples_of(noise @ turn.T)
    encoding = encoding_of(geometry_of((24, 20)))
    read = start_from_samples(encoding, samples)
    y = samples.at(torch.arange(samples.size))[1].double()
    with torch.no_grad():
        error = (y - encoding(x).double() @ read.T) @ turn.double()
    assert error.square().mean(0)[:2].max() < 2e-4
    assert 1e-4 < error.square().mean(0)[2] < 0.05**2


@pytest.mark.parametrize("shape", [(13, 9), (16, 12)])
def test_a_coarse_level_is_the_least_squares_fit(shape: tuple[int, int]) -> None:
    # one coarse level, and values that change along one direction least: the level holds their best fit
    generator = torch.Generator().manual_seed(3)
    values = torch.randn(*shape, 3, generator=generator) * torch.tensor([3.0, 2.0, 0.1])
    samples, x = samples_of(values)
    geometry = geometry_of(shape, levels=2)
    encoding = encoding_of(geometry)
    read = start_from_samples(encoding, samples)
    direction = read[:, 0]
    rows = []
    for i in range(geometry.entries[0]):  # the level as a matrix, column by column
        unit = encoding_of(geometry)
        with torch.no_grad():
            unit.table.zero_()
            unit.table[i, 0] = 1
            rows.append(unit(x)[:, 0].double())
    matrix = torch.stack(rows, -1).numpy()
    wanted = (samples.at(torch.arange(samples.size))[1].double() @ direction).numpy()
    best = np.linalg.lstsq(matrix, wanted, rcond=None)[0]
    with torch.no_grad():
        found = encoding(x)[:, 0].double().numpy()
    assert np.linalg.norm(found - wanted) <= 1.001 * np.linalg.norm(matrix @ best - wanted)


def test_samples_have_vertices_only_on_dense_levels_of_the_right_size() -> None:
    assert geometry_of((31, 17)).has_vertex_per_sample((31, 17))
    assert not geometry_of((31, 17), log2_table=6).has_vertex_per_sample((31, 17))  # hashed
    assert not geometry_of((31, 17)).has_vertex_per_sample((30, 17))


def test_between_samples_values_stay_between_those_of_the_samples() -> None:
    values = torch.rand(12, 10, 2, generator=torch.Generator().manual_seed(4))
    samples, _ = samples_of(values)
    encoding = encoding_of(geometry_of((12, 10)))
    read = start_from_samples(encoding, samples)
    points = torch.rand(2000, 2, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        found = encoding(points).double() @ read.T
    assert found.min() > values.min() - 1e-3
    assert found.max() < values.max() + 1e-3


@pytest.mark.parametrize("interpolation", ["linear", "smoothstep"])
@pytest.mark.parametrize("shape", [(13, 9), (6, 7, 5)])
def test_a_finest_level_without_a_vertex_per_sample_is_the_least_squares_fit(
    shape: tuple[int, ...], interpolation: Interpolation
) -> None:
    values = torch.randn(*shape, 1, generator=torch.Generator().manual_seed(6))
    samples, x = samples_of(values)
    finest = [round(0.6 * n) + 1 for n in shape]
    geometry = grid_geometry(len(shape), 1, 20, finest, finest)
    assert geometry.is_no_finer(shape)
    assert not geometry.has_vertex_per_sample(shape)
    encoding = encoding_of(geometry, interpolation)
    read = start_from_samples(encoding, samples)
    columns = []
    for i in range(geometry.total_entries):
        unit = encoding_of(geometry, interpolation)
        with torch.no_grad():
            unit.table.zero_()
            unit.table[i, 0] = 1
            columns.append(unit(x)[:, 0].double())
    matrix = torch.stack(columns, -1).numpy()
    wanted = samples.at(torch.arange(samples.size))[1].double()[:, 0].numpy()
    best = np.linalg.norm(matrix @ np.linalg.lstsq(matrix, wanted, rcond=None)[0] - wanted)
    with torch.no_grad():
        found = (encoding(x).double() @ read.T)[:, 0].numpy()
    assert best > 0.1 * np.linalg.norm(wanted)
    assert np.linalg.norm(found - wanted) <= 1.001 * best


def test_opposite_borders_share_no_vertex_of_an_inset_level() -> None:
    """Values 1 on one side and -1 on the other are exact at the borders only where the last vertices are their own."""
    values = torch.ones(16, 12, 1)
    values[8:] = -1
    samples, x = samples_of(values)
    errors = []
    for inset in (0.0, 0.5):
        geometry = grid_geometry(2, 1, 20, [10, 8], [10, 8], inset)
        encoding = encoding_of(geometry)
        read = start_from_samples(encoding, samples)
        with torch.no_grad():
            found = (encoding(x).double() @ read.T)[:, 0]
        at_border = (x[:, 0] < 0.1) | (x[:, 0] > 0.9)
        errors.append(float((found - samples.at(torch.arange(samples.size))[1][:, 0])[at_border].abs().max()))
    assert errors[1] < 0.1 < 2 * errors[1] + 0.1 < errors[0]


def test_a_level_finer_than_the_samples_is_not_started() -> None:
    assert not grid_geometry(2, 1, 20, [20, 12], [20, 12]).is_no_finer((13, 9))


@pytest.mark.parametrize("interpolation", ["linear", "smoothstep"])
@pytest.mark.parametrize(("n", "vertices"), [(400, 100), (1000, 700), (333, 335)])
def test_blocks_of_an_axis_give_the_least_squares_fit_of_all(
    monkeypatch: pytest.MonkeyPatch, n: int, vertices: int, interpolation: Interpolation
) -> None:
    monkeypatch.setattr(grid_start, "BLOCK", 64)
    monkeypatch.setattr(grid_start, "MARGIN", 48)
    values = torch.rand(n, 1, generator=torch.Generator().manual_seed(4))
    samples, x = samples_of(values)
    geometry = grid_geometry(1, 1, 20, [vertices], [vertices], 0.5)
    encoding = encoding_of(geometry, interpolation)
    read = start_from_samples(encoding, samples)
    with torch.no_grad():
        found = encoding(x).double() @ read.T
        columns = []
        for i in range(vertices + 1):
            encoding.table.zero_()
            encoding.table[i, 0] = 1
            columns.append(encoding(x)[:, 0].double().numpy())
    matrix = np.stack(columns, 1)
    best = matrix @ np.linalg.lstsq(matrix, values[:, 0].double().numpy(), rcond=1e-6)[0]
    assert np.abs(found[:, 0].numpy() - best).max() < 2e-4
