"""A second opinion: the same problem by finite differences of second order on a lattice, for boxes without time."""

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
from inr.solving.equation import SIDE_NORMALS, by_name, streams_of
from inr.solving.geometry import Box, sides_of
from inr.solving.problem import Problem

Array = NDArray[Any]
MOST_NODES = 300_000
MOST_STEPS = 30
ENOUGH = 1e-10


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


def check(problem: Problem, field: Any, n: int) -> Check:
    """Compare a solution with finite differences. field: a field with `jets`, or None for zeros.

    Raises UsageError for problems that the differences cannot state.
    """
    fine, coarse = _Lattice(problem, n), _Lattice(problem, n // 2)
    u, half = fine.solved(), coarse.solved()
    values = field.jets(fine.points, JetPlan(0))[0].detach().numpy()
    shape = (*fine.sizes, len(problem.scope.channels))
    thin = tuple(slice(None, None, 2) for _ in fine.sizes)
    at_half = u.reshape(shape)[thin].reshape(-1, shape[-1])
    for channel in problem.floating:
        c = problem.scope.channels.index(channel)
        values[:, c] += (u - values)[:, c].mean()
    size = max(float(np.linalg.norm(u)), 1e-300)
    difference = float(np.linalg.norm(values - u)) / size
    own = float(np.linalg.norm(at_half - half)) / 3 / max(float(np.linalg.norm(half)), 1e-300)
    return Check(n, difference, own)


class _Lattice:
    """Nodes of a box, n cells per axis, and the matrices of derivatives on them."""

    def __init__(self, problem: Problem, n: int) -> None:
        domain = problem.domain
        has_parts = any(condition.within for condition in problem.conditions)
        is_free = domain.time is not None or problem.unknowns or problem.floating
        if not isinstance(domain.shape, Box) or has_parts or is_free or domain.surfaces:
            raise UsageError(
                "the finite difference check is for boxes without time, unknown numbers, free constants, expr: and "
                "surface:",
                "compare with an exact solution: [reference] exact",
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

    @functools.cache  # noqa: B019  a lattice lives for one check
    def matrix(self, letters: str) -> Any:
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
                    matrices[channel, letters] = self.matrix(letters)[nodes]
                    value = matrices[channel, letters] @ u[:, channels.index(channel)]
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
            if np.abs(move).max() <= ENOUGH * max(1.0, np.abs(u).max()):
                break
        return u
