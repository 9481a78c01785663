"""A second opinion: the same problem by finite differences of second order on a lattice, without time.

On a box, differences are one-sided at its walls. In another shape with given values the boundary cuts the lattice, and
differences reach to it: Shortley and Weller 1938, doi:10.1063/1.1710426.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from inr.core.errors import UsageError
from inr.core.formula import Node
from inr.core.tensor_formula import tensor_of
from inr.kernels.jet_plan import JetPlan
from inr.solving.conditions import value_given
from inr.solving.equation import SIDE_NORMALS, by_name, streams_of
from inr.solving.geometry import Box, sides_of
from inr.solving.problem import Problem

Array = NDArray[Any]
MOST_NODES = 300_000
MOST_STEPS = 30
ENOUGH = 1e-10
HALVINGS = 40
ON_BOUNDARY = 1e-6
"""Of a step: nodes that are nearer count as on the boundary."""
SIDE_POINTS = 1000


@dataclass(frozen=True)
class Check:
    """n: cells per axis. difference: relative L2 between the solution and finite differences, worst channel.
    own_error: what finite differences are off themselves, estimated from n and n / 2 (Richardson)."""

    n: int
    difference: float
    own_error: float

    @property
    def sentence(self) -> str:
        both = f"differs by {self.difference:.1e} from finite differences with {self.n} cells per axis"
        return f"{both}, whose own error is about {self.own_error:.1e}"


def check_possible(problem: Problem, n: int) -> None:
    """Raise the UsageError of `check` for a problem that the differences cannot state, before it is solved."""
    _lattice(problem, n)


def check(problem: Problem, field: Any, n: int) -> Check:
    """Compare a solution with finite differences. field: a field with `jets`, or None for zeros.

    Raises UsageError for problems that the differences cannot state.
    """
    fine, coarse = _lattice(problem, n), _lattice(problem, n // 2)
    u, half = fine.solved(), coarse.solved()
    values = field.jets(fine.points, JetPlan(0))[0].detach().numpy()
    thin = tuple(slice(None, None, 2) for _ in fine.sizes)
    at_half = fine.whole(u)[thin] - coarse.whole(half)
    size = max(float(np.linalg.norm(u)), 1e-300)
    difference = float(np.linalg.norm(values - u)) / size
    own = float(np.linalg.norm(np.nan_to_num(at_half))) / 3 / max(float(np.linalg.norm(half)), 1e-300)
    return Check(n, difference, own)


def _lattice(problem: Problem, n: int) -> _Lattice:
    return (_Lattice if isinstance(problem.domain.shape, Box) else _Cut)(problem, n)


class _Lattice:
    """Nodes of a box, n cells per axis, and the matrices of derivatives on them."""

    def __init__(self, problem: Problem, n: int) -> None:
        domain = problem.domain
        has_parts = any(condition.within or not condition.sides for condition in problem.conditions)
        is_free = domain.time is not None or problem.unknowns or problem.floating
        if has_parts or is_free or domain.surfaces or problem.states:
            raise UsageError(
                "the finite difference check is for problems without time, unknown numbers, free constants, "
                "eigenvalues, means, conditions from files, expr: and surface:",
                "compare with another seed: inr solve PROBLEM --check seeds",
            )
        if n < 8 or n % 2:
            raise UsageError(f"fd is {n}, expected an even number from 8", "use 64 cells")
        self.problem, self.axes = problem, domain.axes
        self.sizes = [n if axis in domain.periodic else n + 1 for axis in self.axes]
        self.count = int(np.prod(self.sizes))
        if self.count * len(problem.scope.channels) > MOST_NODES:
            raise UsageError(f"fd = {n} makes {self.count} nodes, expected at most {MOST_NODES}", "use fewer cells")
        self.steps = [(b - a) / n for a, b in zip(domain.low, domain.high, strict=True)]
        lines = [
            low + step * np.arange(size)
            for low, step, size in zip(domain.low, self.steps, self.sizes, strict=True)
        ]  # fmt: skip
        grid = np.stack(np.meshgrid(*lines, indexing="ij"), -1).reshape(-1, len(self.axes))
        self.points = torch.from_numpy(grid)
        self._matrix = functools.cache(self._make_matrix)

    def whole(self, u: Array) -> Array:
        """Values [nodes, C] on the lattice [*sizes, C]."""
        return u.reshape(*self.sizes, -1)

    def derivative(self, letters: str) -> tuple[Any, Array]:
        """The matrix of a derivative, and what boundary values add to it [nodes, C]."""
        return self.matrix(letters), np.zeros((self.count, len(self.problem.scope.channels)))

    @functools.cached_property
    def _first(self) -> list[Any]:
        return [self._along(a, 1) for a in range(len(self.axes))]

    def _along(self, axis: int, order: int) -> Any:
        """The matrix of a derivative along an axis, one-sided at its ends."""
        from scipy import sparse

        size, h = self.sizes[axis], self.steps[axis]
        is_closed = self.axes[axis] in self.problem.domain.periodic
        line = sparse.lil_matrix((size, size))
        weights = {1: (-0.5 / h, 0.0, 0.5 / h), 2: (1 / h**2, -2 / h**2, 1 / h**2)}[order]
        for i in range(size):
            if is_closed or 0 < i < size - 1:
                for shift, weight in zip((-1, 0, 1), weights, strict=True):
                    line[i, (i + shift) % size] += weight
            elif order == 1:
                sign = 1 if i == 0 else -1
                for shift, weight in zip((0, 1, 2), (-1.5, 2.0, -0.5), strict=True):
                    line[i, i + sign * shift] += sign * weight / h
        factors = [line if a == axis else sparse.identity(n) for a, n in enumerate(self.sizes)]
        return functools.reduce(lambda left, right: sparse.kron(left, right, format="csr"), factors)

    def matrix(self, letters: str) -> Any:
        return self._matrix(letters)

    def _make_matrix(self, letters: str) -> Any:
        from scipy import sparse

        if not letters:
            return sparse.identity(self.count, format="csr")
        at = [self.axes.index(letter) for letter in letters]
        if len(at) == 2 and at[0] == at[1]:
            return self._along(at[0], 2)
        return functools.reduce(lambda left, right: left @ right, [self._first[a] for a in at])

    def _rows(self) -> list[tuple[Array, Node, Mapping[str, torch.Tensor], int]]:
        """(nodes, residual, normals, which unknown's row) of equations inside and conditions on the sides."""
        index = np.arange(self.count).reshape(self.sizes)
        is_free = np.ones(self.sizes, bool)
        found: list[tuple[Array, Node, Mapping[str, torch.Tensor], int]] = []
        channels = len(self.problem.scope.channels)
        for axis, key in enumerate(self.axes):
            if key in self.problem.domain.periodic:
                continue
            for end, side in enumerate(sides_of(key)):
                where = tuple(slice(None) if a != axis else (0, -1)[end] for a in range(len(self.axes)))
                nodes = index[where][is_free[where]]
                is_free[where] = False
                nodes_of = [r for c in self.problem.conditions if side in c.sides for r in c.residuals]
                if len(nodes_of) != channels:
                    raise UsageError(f"the finite difference check needs one condition per field on side {side!r}")
                normal = {f"n_{a}": torch.zeros(len(nodes), dtype=torch.float64) for a in self.axes}
                normal[f"n_{key}"] = normal[f"n_{key}"] + (2.0 * end - 1)
                kept = {name: value for name, value in normal.items() if name in SIDE_NORMALS}
                found += [(nodes, node, kept, c) for c, node in enumerate(nodes_of)]
        inside = index[is_free]
        return found + [(inside, node, {}, c) for c, node in enumerate(self.problem.residuals)]

    def solved(self) -> Array:
        """The values [nodes, C], by Newton's method."""
        from scipy import sparse
        from scipy.sparse.linalg import spsolve

        channels, rows = self.problem.scope.channels, self._rows()
        u = np.zeros((self.count, len(channels)))
        for _ in range(MOST_STEPS):
            blocks, right, places = [], [], []
            for nodes, node, normals, c in rows:
                names = {key: self.points[nodes, a] for a, key in enumerate(self.axes)} | dict(normals)
                matrices = {}
                for channel, letters in streams_of(node):
                    matrix, added = self.derivative(letters)
                    matrices[channel, letters], at = matrix[nodes], channels.index(channel)
                    value = matrices[channel, letters] @ u[:, at] + added[nodes, at]
                    names[f"{channel}|{letters}"] = torch.from_numpy(value)
                like = self.points[nodes, 0]
                right.append(tensor_of(node, names, like).numpy())
                parts = [sparse.csr_matrix((len(nodes), self.count)) for _ in channels]
                for (channel, letters), matrix in matrices.items():
                    slope = tensor_of(by_name(node, f"{channel}|{letters}"), names, like).numpy()
                    at = channels.index(channel)
                    parts[at] = parts[at] + sparse.diags(slope) @ matrix
                blocks.append(sparse.hstack(parts))
                places.append(nodes * len(channels) + c)
            order = np.argsort(np.concatenate(places), kind="stable")
            jacobian = sparse.vstack(blocks).tocsr()[order].tocsc()
            move = spsolve(jacobian, -np.concatenate(right)[order])
            if not np.isfinite(move).all():
                raise UsageError("the finite differences have no unique solution: a condition is missing")
            u += move.reshape(len(channels), -1).T
            if np.abs(move).max() <= ENOUGH * np.abs(u).max():
                break
        return u


class _Cut(_Lattice):
    """Nodes of a box within a shape that cuts its edges, and values on all of its boundary."""

    def __init__(self, problem: Problem, n: int) -> None:
        super().__init__(problem, n)
        shape, d = problem.domain.shape, len(self.axes)
        self._values = {side: self._given(side) for side in problem.domain.walls}
        self._difference = functools.cache(self._make_difference)
        is_there = shape.contains(self.points).numpy()
        reach = np.full((self.count, d, 2), np.inf)  # to the boundary, in steps
        for axis, end, way in self._ways():
            reach[is_there, axis, end] = self._reach(self.points[is_there], way)
        is_there &= ~(reach < ON_BOUNDARY).any((1, 2))
        self._mask = is_there.reshape(self.sizes)
        index = np.full(self.count, -1)
        index[is_there] = np.arange(is_there.sum())
        grid = np.pad(index.reshape(self.sizes), 1, constant_values=-1)
        inner = tuple(slice(1, -1) for _ in range(d))
        self._next = np.empty((int(is_there.sum()), d, 2), np.int64)
        for axis, end, _ in self._ways():
            self._next[:, axis, end] = np.roll(grid, 1 - 2 * end, axis)[inner].ravel()[is_there]
        self._reach_of = np.where(self._next < 0, np.minimum(reach[is_there], 1.0), 1.0)
        self.points, self.count = self.points[torch.from_numpy(is_there)], int(is_there.sum())

    def whole(self, u: Array) -> Array:
        found = np.full((*self.sizes, u.shape[1]), np.nan)
        found[self._mask] = u
        return found

    def _ways(self) -> list[tuple[int, int, torch.Tensor]]:
        """(axis, end, step) of the neighbours of a node."""
        steps = torch.diag(torch.tensor(self.steps, dtype=torch.float64))
        return [(axis, end, (2 * end - 1) * steps[axis]) for axis in range(len(self.axes)) for end in (0, 1)]

    def _given(self, side: str) -> list[Node]:
        """The value of each channel on a side."""
        nodes = [node for c in self.problem.conditions if side in c.sides for node in c.residuals]
        found = [
            [v for node in nodes if (v := value_given(node, ch)) is not None] for ch in self.problem.scope.channels
        ]
        if any(len(each) != 1 for each in found) or len(nodes) != len(found):
            raise UsageError(
                f"the finite difference check of this shape needs the value of every field on side {side!r}, and no "
                "derivative",
                "compare with another seed: inr solve PROBLEM --check seeds",
            )
        return [value for (value,) in found]

    def _reach(self, x: torch.Tensor, way: torch.Tensor) -> Array:
        """How many steps [N] the boundary is away, by halving; 1 for those further away."""
        near, far = torch.zeros(len(x), dtype=torch.float64), torch.ones(len(x), dtype=torch.float64)
        is_cut = ~self.problem.domain.shape.contains(x + way)
        x, near, far = x[is_cut], near[is_cut], far[is_cut]
        for _ in range(HALVINGS):
            middle = (near + far) / 2
            is_there = self.problem.domain.shape.contains(x + middle[:, None] * way)
            near, far = torch.where(is_there, middle, near), torch.where(is_there, far, middle)
        found = np.ones(len(is_cut))
        found[is_cut.numpy()] = ((near + far) / 2).numpy()
        return found

    def _at_boundary(self, x: torch.Tensor) -> Array:
        """The given values [N, C] at points on the boundary, of the side that is nearest."""
        generator = torch.Generator().manual_seed(0)
        sides = [*self._values]
        distances = [torch.cdist(x, self.problem.domain.on(side, SIDE_POINTS, generator).x).amin(1) for side in sides]
        nearest = torch.stack(distances).argmin(0).numpy() if len(x) else np.zeros(0, int)
        names = {axis: x[:, a] for a, axis in enumerate(self.axes)}
        each = np.stack(
            [[tensor_of(v, names, x[:, 0]).numpy() for v in self._values[side]] for side in sides]
        )  # [S, C, N]
        found: Array = each[nearest, :, np.arange(len(x))]
        return found

    def derivative(self, letters: str) -> tuple[Any, Array]:
        return self._difference(letters)

    def _make_difference(self, letters: str) -> tuple[Any, Array]:
        from scipy import sparse

        added = np.zeros((self.count, len(self.problem.scope.channels)))
        if not letters:
            return sparse.identity(self.count, format="csr"), added
        if len({*letters}) > 1:
            raise UsageError(f"the finite difference check of this shape has no mixed derivatives ({letters})")
        axis = self.axes.index(letters[0])
        h = self.steps[axis]
        a, b = (h * self._reach_of[:, axis, end] for end in (0, 1))
        if len(letters) == 1:
            weights = -b / (a * (a + b)), (b - a) / (a * b), a / (b * (a + b))
        else:
            weights = 2 / (a * (a + b)), -2 / (a * b), 2 / (b * (a + b))
        rows, columns, numbers = [np.arange(self.count)], [np.arange(self.count)], [weights[1]]
        for end, weight in ((0, weights[0]), (1, weights[2])):
            is_node = self._next[:, axis, end] >= 0
            at = np.flatnonzero(is_node)
            rows, columns, numbers = [*rows, at], [*columns, self._next[at, axis, end]], [*numbers, weight[at]]
            cut = np.flatnonzero(~is_node)
            x = self.points[cut].clone()
            x[:, axis] += torch.from_numpy((2 * end - 1) * (a, b)[end][cut])
            added[cut] += weight[cut, None] * self._at_boundary(x)
        entries = np.concatenate(numbers), (np.concatenate(rows), np.concatenate(columns))
        return sparse.csr_matrix(entries, shape=(self.count, self.count)), added

    def _rows(self) -> list[tuple[Array, Node, Mapping[str, torch.Tensor], int]]:
        return [(np.arange(self.count), node, {}, c) for c, node in enumerate(self.problem.residuals)]
