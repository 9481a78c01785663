"""Finding the lattice cells that a level set crosses, without evaluating the rest: a coarse lattice, then octree
refinement with a Lipschitz test, then following the surface until it is closed."""

from __future__ import annotations

import dataclasses

import numpy as np

from inr.mesh._octree_grid import CORNERS, Bools, Ints, OctreeGrid, PointEvaluator, Reals, Singles, check_memory
from inr.mesh.march import Cells, is_crossed

MAX_ROUNDS = 32
STEEP = 0.95
"""Quantile of the slopes at a refinement level, used as Lipschitz estimate: the maximum would keep all cells because
of a few steep spots. Missed surface is found by following it."""
_BYTES_PER_BLOCK = 1700  # of the arrays below and of the mesh they give, at the peak, measured

_BLOCK_POINTS: Ints = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), axis=-1).reshape(27, 3)
_CELL_CORNERS: Ints = (CORNERS[:, None, :] + CORNERS[None, :, :]) @ np.array([9, 3, 1])
"""[8, 8]: the points of a block of 2^3 cells at the corners of each of its cells."""


@dataclasses.dataclass(frozen=True)
class Search:
    """What was found. lipschitz: the largest bound used; rounds: how often the search was extended."""

    cells: Cells
    lipschitz: float
    rounds: int


def sparse_cells(
    lattice: OctreeGrid, sample: PointEvaluator, *, lipschitz: float | None, margin: float, memory_bytes: int
) -> Search:
    """Every lattice cell that the level set crosses, as far as a Lipschitz bound and the checks can tell.

    A cell with centre c and half-diagonal r holds no zero of g = f - level when |g(c)| > L r and L bounds the slope
    of g inside. L is `lipschitz` if it is given; otherwise `margin` times the slope seen among neighbouring cells
    at this level of refinement, so that fine ripples count at the scale where they matter: the cell's own slope or the
    one that 95 % of the cells do not exceed, whichever is steeper. Cells at the
    walls are kept wherever the shape may be inside (g(c) <= L r), because it is closed there.
    """
    coarse = CoarseLattice(lattice, sample)
    cells, used = coarse.keep(lipschitz, margin)
    side = lattice.stride
    while side > 2:
        side //= 2
        cells, bound = refine(cells, side, lattice, sample, lipschitz, margin)
        used = max(used, bound)
        check_memory(lattice, len(cells) * (side // 2) ** 2 * _BYTES_PER_BLOCK, memory_bytes)
    blocks = _Blocks(lattice, sample)
    blocks.add(blocks.key(cells))
    for done in range(MAX_ROUNDS):
        wanted = _distinct(np.concatenate([blocks.missing_neighbours(), coarse.missed_sign_changes(blocks.cells)]))
        if not len(wanted):
            return Search(blocks.cells, used, done)
        # the search strides further with every round, up to whole coarse cells
        blocks.add(blocks.around(wanted, min(2**done, lattice.stride // 2)))
    return Search(blocks.cells, used, MAX_ROUNDS)


def _keep(values: Reals | Singles, radius: Reals, at_wall: Bools | np.bool_, bound: float | Reals) -> Bools:
    reach = bound * radius * (1 + 1e-6) + 1e-7  # float32 values and positions
    return np.asarray(np.where(at_wall, values, np.abs(values)) <= reach)


def _bound(slopes: Reals, margin: float) -> float:
    return margin * float(slopes.max(initial=0.0))


def _slopes(values: Reals | Singles, positions: tuple[Reals, Reals, Reals]) -> Reals:
    """Norm of the mean gradient of groups of 2^3 samples. values [K, 2, 2, 2]; positions [K, 2] for each axis."""
    squares: Reals = np.zeros(len(values))
    for axis, at in enumerate(positions):
        rise = np.diff(values, axis=axis + 1).mean(axis=(1, 2, 3))
        run = at[:, 1] - at[:, 0]
        squares += np.divide(rise, run, out=np.zeros_like(rise), where=run > 0) ** 2
    return np.sqrt(squares)


def refine(
    parents: Ints,
    side: int,
    lattice: OctreeGrid,
    sample: PointEvaluator,
    lipschitz: float | None,
    margin: float,
    fallback: float = 0.0,
) -> tuple[Ints, float]:
    """Cells [K, 3] of twice the side -> those of their eighths that may hold the surface, and the bound used.

    fallback: the bound if all cells are at a wall, so that no slope is seen.
    """
    cells = (2 * parents[:, None, :] + CORNERS).reshape(-1, 3)
    low, high = lattice.position(cells * side), lattice.position((cells + 1) * side)
    centre = (low + high) / 2
    # cells wholly beyond the box have their centre on its wall; their value is not used
    real = ~lattice.any_beyond(np.maximum(cells * side, 1))
    values = np.zeros(len(cells))
    values[real] = sample(centre[real], f"cells of {side}")
    bound = np.full(len(cells), fallback if lipschitz is None else lipschitz)
    groups = np.flatnonzero(real.reshape(-1, 8).all(axis=1))
    if lipschitz is None and len(groups):
        box = centre.reshape(-1, 2, 2, 2, 3)[groups]
        runs = (box[:, :, 0, 0, 0], box[:, 0, :, 0, 1], box[:, 0, 0, :, 2])
        slopes = _slopes(values.reshape(-1, 2, 2, 2)[groups], runs)
        local = np.full(len(parents), np.quantile(slopes, STEEP))
        local[groups] = np.maximum(local[groups], slopes)
        bound = margin * np.repeat(local, 8)
    at_wall = lattice.any_beyond(cells * side) | lattice.any_beyond((cells + 1) * side)
    radius = np.linalg.norm(high - low, axis=1) / 2
    return cells[real & _keep(values, radius, at_wall, bound)], float(bound.max(initial=0.0))


class CoarseLattice:
    """The corners of the coarse cells, all evaluated: the start of the search and a check of its result."""

    def __init__(self, lattice: OctreeGrid, sample: PointEvaluator) -> None:
        n = lattice.n_coarse
        self._lattice = lattice
        self._index = np.clip(np.arange(n + 1) * lattice.stride, 1, lattice.resolution + 1)
        self._at = lattice.position(self._index)
        points = np.stack(np.meshgrid(self._at, self._at, self._at, indexing="ij"), axis=-1)
        self._values = sample(points.reshape(-1, 3), "coarse lattice").reshape(n + 1, n + 1, n + 1)

    def keep(self, lipschitz: float | None, margin: float) -> tuple[Ints, float]:
        """Coarse cells that may hold the surface [K, 3], and the bound used.

        Every point of a cell is within its half-diagonal of a corner, so the smallest corner value is used in place of
        the centre's. The bound is taken once from all cells and again from those kept: far from the surface a
        field may be steep, and that does not matter.
        """
        n = self._lattice.n_coarse
        corners = np.stack([self._values[a : a + n, b : b + n, c : c + n] for a, b, c in CORNERS], axis=-1)
        corners = corners.reshape(-1, 8)
        cells = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
        at_wall = ((cells == 0) | (cells == n - 1)).any(axis=1)
        nearest = np.where(at_wall, corners.min(axis=1), np.abs(corners).min(axis=1))
        spans = np.stack([self._at[cells], self._at[cells + 1]], axis=-1)
        radius = np.linalg.norm(spans[..., 1] - spans[..., 0], axis=1) / 2
        if lipschitz is not None:
            return cells[_keep(nearest, radius, at_wall, lipschitz)], lipschitz
        slopes = _slopes(corners.reshape(-1, 2, 2, 2), (spans[:, 0], spans[:, 1], spans[:, 2]))
        near = _keep(nearest, radius, at_wall, _bound(slopes, margin))
        bound = _bound(slopes[near], margin)
        return cells[_keep(nearest, radius, at_wall, bound)], bound

    def missed_sign_changes(self, cells: Cells) -> Ints:
        """Keys of the blocks along those coarse lattice edges whose ends differ in sign while no crossing of the
        fine lattice was found on them."""
        on_line = np.zeros(self._lattice.side + 1, dtype=bool)
        on_line[self._index] = True
        missing = []
        for axis in range(3):
            inside = self._values < 0
            expected = np.argwhere(np.diff(inside.astype(np.int8), axis=axis) != 0)
            covered = []
            for a in np.flatnonzero(CORNERS[:, axis] == 0):
                b = a + (4 >> axis)  # the other end of the cell's edge from corner a along this axis
                point = cells.index + CORNERS[a]
                hit = ((cells.values[:, a] < 0) != (cells.values[:, b] < 0)) & ~self._lattice.leaves(point[:, axis])
                for other in {0, 1, 2} - {axis}:
                    hit &= on_line[point[:, other]]
                covered.append(self._coarse_edge(point[hit], axis))
            found = _distinct(np.concatenate(covered))
            missing.append(self._blocks_along(expected[_absent(self._name(expected), found)], axis))
        return np.concatenate(missing)

    def _coarse_edge(self, point: Ints, axis: int) -> Ints:
        """Fine lattice points that begin a fine edge on a coarse line -> the name of the coarse edge around it."""
        start = np.searchsorted(self._index, point, side="left")
        start[:, axis] = np.searchsorted(self._index, point[:, axis], side="right") - 1
        return self._name(start)

    def _name(self, index: Ints) -> Ints:
        n = len(self._index)
        return (index[:, 0] * n + index[:, 1]) * n + index[:, 2]

    def _blocks_along(self, start: Ints, axis: int) -> Ints:
        """Names of the blocks that touch the coarse edges from coarse points [K, 3] along an axis."""
        steps = np.arange(self._lattice.stride // 2 + 1)
        first = self._index[start] // 2
        blocks = np.repeat(first[:, None, :], len(steps), axis=1)
        blocks[:, :, axis] += steps
        blocks = np.minimum(blocks.reshape(-1, 3), (self._lattice.side - 1) // 2 - 1)
        return self._lattice.key(blocks)


class _Blocks:
    """Blocks of 2^3 lattice cells, the smallest cells of the octree, with the values at their 27 points.

    Every lattice point is evaluated once, however many blocks share it.
    """

    def __init__(self, lattice: OctreeGrid, sample: PointEvaluator) -> None:
        self._lattice, self._sample = lattice, sample
        self._keys = np.empty(0, dtype=np.int64)
        self._values = np.empty((0, 27), dtype=np.float32)
        self._point_keys = np.empty(0, dtype=np.int64)
        self._point_values = np.empty(0, dtype=np.float32)
        self._cells: Cells | None = None

    @property
    def _n(self) -> int:
        return (self._lattice.side - 1) // 2

    def key(self, blocks: Ints) -> Ints:
        return self._lattice.key(blocks)

    def add(self, keys: Ints) -> None:
        """Evaluate the blocks with these keys that were not evaluated before."""
        keys = _distinct(keys)
        keys = keys[_absent(keys, self._keys)]
        points = self._lattice.key(2 * self._lattice.index(keys)[:, None, :] + _BLOCK_POINTS)
        fresh = _distinct(points)
        fresh = fresh[_absent(fresh, self._point_keys)]
        index = self._lattice.index(fresh)
        real = ~self._lattice.beyond(index).any(axis=1)
        values = np.full(len(fresh), self._lattice.spacing, dtype=np.float32)
        values[real] = self._sample(self._lattice.position(index[real]), "lattice points")
        self._point_keys, self._point_values = _merge(self._point_keys, self._point_values, fresh, values)
        here = self._point_values[np.searchsorted(self._point_keys, points)]
        self._keys, self._values = _merge(self._keys, self._values, keys, here)
        self._cells = None

    @property
    def cells(self) -> Cells:
        """The lattice cells of all blocks that the level set crosses."""
        if self._cells is None:
            index, values = [], []
            for offset, corners in zip(CORNERS, _CELL_CORNERS, strict=True):
                at_corners = self._values[:, corners]
                crossed = np.flatnonzero(is_crossed(at_corners))
                values.append(at_corners[crossed])
                index.append(2 * self._lattice.index(self._keys[crossed]) + offset)
            self._cells = Cells(np.concatenate(index), np.concatenate(values))
        return self._cells

    def missing_neighbours(self) -> Ints:
        """Keys of missing blocks into which the surface continues through a common face."""
        inside = (self._values < 0).reshape(-1, 3, 3, 3)
        wanted = []
        for axis in range(3):
            for side, step in ((0, -1), (2, 1)):
                face = inside.take(side, axis=axis + 1).reshape(-1, 9)
                through = face.any(axis=1) & ~face.all(axis=1)
                neighbour = self._lattice.index(self._keys[through])
                neighbour[:, axis] += step
                wanted.append(self.key(neighbour))
        keys = np.concatenate(wanted)
        return keys[_absent(keys, self._keys)]

    def around(self, keys: Ints, size: int) -> Ints:
        """Keys of all blocks in the aligned groups of size^3 blocks that hold the given ones."""
        group = np.unique(self._lattice.index(keys) // size, axis=0) * size
        within = np.stack(np.meshgrid(*[np.arange(size)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
        blocks = (group[:, None, :] + within).reshape(-1, 3)
        return self.key(blocks[(blocks < self._n).all(axis=1)])


def _distinct(keys: Ints) -> Ints:
    """Sorted keys without repetition. By sorting: `np.unique` hashes, several times slower for millions of keys."""
    keys = np.sort(keys, axis=None)
    return keys[np.diff(keys, prepend=-1) > 0]


def _absent(keys: Ints, table: Ints) -> Bools:
    """Which keys are not in the sorted table."""
    if not len(table):
        return np.ones(len(keys), dtype=bool)
    return np.asarray(table[np.minimum(np.searchsorted(table, keys), len(table) - 1)] != keys)


def _merge(keys: Ints, values: Singles, more_keys: Ints, more_values: Singles) -> tuple[Ints, Singles]:
    """Two sorted tables without common keys as one."""
    if not len(keys):
        return more_keys, more_values
    together = np.concatenate([keys, more_keys])
    order = np.argsort(together)
    return together[order], np.concatenate([values, more_values])[order]
