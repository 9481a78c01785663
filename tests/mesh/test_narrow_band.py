"""Narrow bands: complete, exact at nodes, equal to the dense lattice, and refused before they become too large."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from inr.core.errors import UsageError
from inr.mesh import narrow_band as bands
from inr.mesh.narrow_band import NodeLattice, dense_distances, narrow_band
from tests.mesh import shapes

LATTICE = NodeLattice.over((0.0,) * 3, (1.0, 0.9, 1.0), 1 / 90)


class Counted:
    def __init__(self, field: Callable[[Tensor], Tensor]) -> None:
        self.n = 0
        self._field = field

    def __call__(self, p: np.ndarray) -> np.ndarray:
        self.n += len(p)
        return self._field(torch.from_numpy(p)).numpy().astype(np.float32)


@pytest.mark.parametrize("field", [shapes.sphere, shapes.torus, shapes.sheets, shapes.steep, shapes.rippled])
@pytest.mark.parametrize("voxels", [1.0, 3.0])
def test_every_node_near_the_surface_is_in_a_block_with_its_value(
    field: Callable[[Tensor], Tensor], voxels: float
) -> None:
    sparse, dense = Counted(field), Counted(field)
    width = voxels * LATTICE.spacing
    band = narrow_band(sparse, LATTICE, width)
    values = dense_distances(dense, LATTICE)
    assert values.shape == LATTICE.shape == (91, 82, 91)
    assert dense.n == values.size
    assert sparse.n < dense.n
    found = band.dense(sparse)
    near = np.abs(values) < width
    assert near.sum() > 1000
    assert np.array_equal(found[near], values[near])
    assert np.array_equal(found, np.clip(values, -width, width))
    assert (np.abs(band.values) < width).reshape(len(band.values), -1).any(axis=1).all()
    assert np.array_equal(band.blocks, np.unique(band.blocks, axis=0))


def test_a_true_bound_needs_no_estimate() -> None:
    one, two = Counted(shapes.torus), Counted(shapes.torus)
    a, b = narrow_band(one, LATTICE, 0.03, lipschitz=1.0), narrow_band(two, LATTICE, 0.03)
    assert np.array_equal(a.blocks, b.blocks)
    assert np.array_equal(a.values, b.values)
    assert one.n < two.n


def test_nodes_start_at_the_low_corner_and_reach_the_high_one() -> None:
    lattice = NodeLattice.over((-3.0, 2.0, 500.0), (1.0, 4.0, 503.0), 0.3)
    assert lattice.shape == (15, 8, 11)
    assert np.allclose(lattice.position(np.array([[0, 0, 0], [14, 7, 10]])), np.array([[-3, 2, 500], [1.2, 4.1, 503]]))
    assert NodeLattice.over((0.0,) * 3, (1.0,) * 3, 0.1).shape == (11, 11, 11)
    with pytest.raises(UsageError, match=r"`voxel=2` is too coarse for a box of 4, expected at most a quarter"):
        NodeLattice.over((-3.0, 2.0, 500.0), (1.0, 4.0, 503.0), 2)


def test_a_voxel_that_is_too_fine_is_refused_with_one_that_fits() -> None:
    field = Counted(shapes.sphere)
    with pytest.raises(UsageError, match=r"lattice points along the surface; 0\.\d+ fits in 0.0625 GB") as caught:
        narrow_band(field, NodeLattice.over((0.0,) * 3, (1.0,) * 3, 1e-5), 3e-5, memory_bytes=1 << 26)
    assert field.n < 1_000_000
    fits = float(re.findall(r"; (0\.\d+) fits", caught.value.message)[0])
    band = narrow_band(field, NodeLattice.over((0.0,) * 3, (1.0,) * 3, fits), 3 * fits, memory_bytes=1 << 26)
    assert 0 < band.values.nbytes < 1 << 26
    with pytest.raises(UsageError, match=r"`voxel=0.001` gives 1e\+09 lattice points; 0.0016 fits in 1 GB"):
        dense_distances(field, NodeLattice.over((0.0,) * 3, (1.0,) * 3, 1e-3))
    dense_distances(lambda p: np.zeros(len(p), np.float32), NodeLattice.over((0.0,) * 3, (1.0,) * 3, 0.1), 5400)


def test_the_band_of_nothing_is_empty() -> None:
    def far(p: np.ndarray) -> np.ndarray:
        return np.full(len(p), 0.7, np.float32)

    band = narrow_band(far, LATTICE, 0.03)
    assert len(band.blocks) == 0
    assert (band.dense(far) == np.float32(0.03)).all()
    assert bands.BLOCK == 8
