"""NanoVDB files: read by tinyvdb, and by a reader that was written from the description of the format."""

from __future__ import annotations

import dataclasses
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inr.core.errors import EmptyError, UsageError
from inr.mesh.fit_distance import FitDistance
from tests.exporters.engines import a_torus
from tests.exporters.fits import encoded

VOXEL = 0.03


class Reader:
    """A grid of floats or Fp16 in a NanoVDB file of one grid, by pointers, as a renderer reads it."""

    def __init__(self, data: bytes) -> None:
        magic, self.version, n_grids, codec = struct.unpack_from("<QIHH", data, 0)
        assert (magic, self.version >> 21, n_grids, codec) == (0x304244566F6E614E, 32, 1, 0)
        meta = struct.unpack_from("<4Q2I6d6i3dI4I3IHHI", data, 16)
        self.size, self.n_active, self.kind, self.grid_class = meta[0], meta[3], meta[4], meta[5]
        self.world, self.box, self.voxel = meta[6:12], meta[12:18], meta[18:21]
        n_name, self.counts = meta[21], meta[22:26]
        self.name = data[192 : 192 + n_name - 1].decode()
        self.b = data[192 + n_name :]
        assert len(self.b) == self.size
        assert self.u("<Q", 32) == self.size
        assert self.b[40 : 40 + n_name - 1].decode() == self.name
        assert self.u("<I", 636) == self.kind
        self.root = 672 + self.u("<q", 672 + 24)
        self.origin = struct.unpack_from("<3d", self.b, 528)

    def u(self, form: str, at: int) -> Any:
        return struct.unpack_from(form, self.b, at)[0]

    def bit(self, mask: int, n: int) -> bool:
        return bool(self.b[mask + n // 8] >> (n % 8) & 1)

    def value(self, i: int, j: int, k: int) -> tuple[float, bool]:
        """The value of a voxel, and whether it is active."""
        key = (i >> 12 & 0xFFFFF) << 42 | (j >> 12 & 0xFFFFF) << 21 | (k >> 12 & 0xFFFFF)
        for t in range(self.u("<I", self.root + 24)):
            tile = self.root + 64 + 32 * t
            if self.u("<Q", tile) == key:
                break
        else:
            return self.u("<f", self.root + 28), False
        node = self.root + self.u("<q", tile + 8)
        for bits, shift, words, table in ((5, 7, 512, 8256), (4, 3, 64, 1088)):
            side = (1 << bits) - 1
            n = ((i >> shift & side) << 2 * bits) | ((j >> shift & side) << bits) | (k >> shift & side)
            if not self.bit(node + 32 + 8 * words, n):
                return self.u("<f", node + table + 8 * n), self.bit(node + 32, n)
            node += self.u("<q", node + table + 8 * n)
        n = (i & 7) << 6 | (j & 7) << 3 | (k & 7)
        is_active = self.bit(node + 16, n)
        if self.kind == 15:
            low, step = struct.unpack_from("<2f", self.b, node + 80)
            return low + step * self.u("<H", node + 96 + 2 * n), is_active
        return self.u("<f", node + 96 + 4 * n), is_active


def _nodes(box: tuple[int, ...], n: int) -> np.ndarray:
    low, high = np.array(box[:3]), np.array(box[3:])
    return np.random.default_rng(0).integers(low - 9, high + 10, (n, 3))


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("voxel", [VOXEL, 0.011])
def test_values_are_those_of_the_fit_at_the_nodes(voxel: float, half: bool) -> None:
    fit = a_torus()
    data = encoded("nvdb", fit, voxel=voxel, half=half).main
    file = Reader(data)
    assert (file.name, file.kind, file.grid_class) == ("surface", 15 if half else 1, 1)
    assert file.voxel == (voxel,) * 3
    assert file.origin == fit.frame.domain.low
    distance, width = FitDistance(fit), 3 * voxel
    index = np.concatenate([_nodes(file.box, 1500), _near(distance, voxel, 1500)])
    exact = distance(np.array(file.origin) + voxel * index)
    found = [file.value(*node) for node in index.tolist()]
    values, active = np.array([v for v, _ in found]), np.array([a for _, a in found])
    near = np.abs(exact) < width * 0.999
    assert near.sum() > 400
    assert np.abs(values - np.clip(exact, -width, width))[near].max() <= (width / 30000 if half else 1e-6)
    assert active[near].all()
    beyond = np.abs(exact) > width * 1.001
    assert np.abs(np.abs(values[beyond]) - width).max() <= 1e-5
    assert not active[beyond].any()
    deep = beyond & (np.abs(exact) > 2 * width)
    assert (exact[deep] < 0).sum() > 20
    assert np.array_equal(np.sign(values[deep]), np.sign(exact[deep]))


def _near(distance: FitDistance, voxel: float, n: int) -> np.ndarray:
    """Nodes on and in the ring."""
    angle, r, z = np.random.default_rng(1).uniform([0, -0.4, -0.4], [6.3, 0.4, 0.4], (n, 3)).T
    p = np.stack([(1 + r) * np.cos(angle), (1 + r) * np.sin(angle), z], axis=1)
    return np.asarray(np.rint((p - distance.low) / voxel).astype(int))


def test_tinyvdb_reads_it(tmp_path: Path) -> None:
    nanovdb = pytest.importorskip("tinyvdb._tinyvdb_nanovdb")
    fit = a_torus()
    path = tmp_path / "torus.nvdb"
    path.write_bytes(encoded("nvdb", fit, voxel=VOXEL, name="ring").main)
    file, own = nanovdb.NanoVDBFile(str(path)), Reader(path.read_bytes())
    assert (file.grid_name(0), file.grid_type(0), file.grid_class(0)) == ("ring", "Float", "LevelSet")
    assert file.voxel_size(0) == VOXEL
    assert tuple(map(int, (*file.bbox(0)[0], *file.bbox(0)[1]))) == own.box
    assert np.allclose((*file.world_bbox(0)[0], *file.world_bbox(0)[1]), own.world)
    assert file.node_counts(0) == own.counts[:3]
    assert file.active_voxel_count(0) == own.n_active
    distance = FitDistance(fit)
    index = np.concatenate([_nodes(own.box, 500), _near(distance, VOXEL, 500)])
    exact = np.clip(distance(np.array(own.origin) + VOXEL * index), -3 * VOXEL, 3 * VOXEL)
    found = np.array([file.get(0, *node) for node in index.tolist()])
    assert np.abs(found - exact).max() <= 1e-6


def test_the_box_and_the_counts_are_of_the_active_voxels() -> None:
    file = Reader(encoded("nvdb", a_torus(), voxel=VOXEL, band=2.0).main)
    low, high = np.array(file.box[:3]), np.array(file.box[3:])
    assert np.allclose(file.world[:3], np.array(file.origin) + VOXEL * low)
    assert np.allclose(file.world[3:], np.array(file.origin) + VOXEL * (high + 1))
    # 1.35 + 2 voxels each way along x and y, 0.35 + 2 voxels along z
    assert (high - low) * VOXEL == pytest.approx([2.82, 2.82, 0.82], abs=0.1)
    grid = np.stack(np.meshgrid(*[np.arange(a, b + 1) for a, b in zip(low, high, strict=True)], indexing="ij"), -1)
    values = FitDistance(a_torus())(np.array(file.origin) + VOXEL * grid.reshape(-1, 3))
    assert file.n_active == (np.abs(values) < 2 * VOXEL).sum()
    active = grid.reshape(-1, 3)[np.abs(values) < 2 * VOXEL]
    assert (active.min(axis=0).tolist(), active.max(axis=0).tolist()) == (low.tolist(), high.tolist())


def test_a_large_grid_has_several_nodes_of_each_kind() -> None:
    file = Reader(encoded("nvdb", a_torus(), voxel=0.011).main)
    leaves, lower, upper, root = file.counts
    assert leaves > 2000
    assert lower >= 9
    assert (upper, root) == (1, 1)


def test_bad_settings_are_refused() -> None:
    with pytest.raises(UsageError, match=r"name is 'a b', expected a letter"):
        encoded("nvdb", a_torus(), name="a b")
    with pytest.raises(UsageError, match=r"along the surface; [\d.]+ fits in 1 GB"):
        encoded("nvdb", a_torus(), voxel=1e-5)


def test_a_fit_without_a_surface_gives_no_file() -> None:
    fit = a_torus()
    empty = dataclasses.replace(fit, frame=dataclasses.replace(fit.frame, offset=(5.0,)))
    with pytest.raises(EmptyError, match="no voxel is near a surface"):
        encoded("nvdb", empty, voxel=0.1)
