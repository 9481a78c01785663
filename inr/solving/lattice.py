"""A solution on a lattice, and its file NPZ."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator

from inr.kernels.jet_plan import JetPlan
from inr.solving.hard import hard_conditions
from inr.solving.rows import groups_of
from inr.solving.solver import Solution

Array = NDArray[Any]
SAMPLES = {1: 1001, 2: 201, 3: 65, 4: 25}
"""Per axis, ends included, by the number of axes."""


@dataclass(frozen=True)
class Sampled:
    """axes: coordinates by name. values: a field's values [*sizes] by channel. residual: the largest of all equations,
    absolute [*sizes]. mask: whether a sample is in the domain."""

    axes: Mapping[str, Array]
    values: Mapping[str, Array]
    residual: Array
    mask: Array

    @classmethod
    def of(cls, solution: Solution, samples: int | None = None) -> Sampled:
        problem = solution.problem
        domain, channels = problem.domain, problem.scope.channels
        n = SAMPLES[len(domain.axes)] if samples is None else samples
        lines = {
            a: np.linspace(low, high, n) for a, low, high in zip(domain.axes, domain.low, domain.high, strict=True)
        }
        grid = np.stack(np.meshgrid(*lines.values(), indexing="ij"), -1)
        x = torch.from_numpy(grid.reshape(-1, len(lines)))
        mask = domain.contains(x).numpy()
        values, residual = np.full((len(x), len(channels)), np.nan), np.full(len(x), np.nan)
        numbers = {key: solution.unknowns[key] for key in problem.unknowns}
        for start in range(0, len(x), 4096):
            here = start + np.flatnonzero(mask[start : start + 4096])
            if not len(here):
                continue
            part = x[here]
            with torch.no_grad():
                values[here] = solution.field.jets(part, JetPlan(0))[0].numpy()
                groups = groups_of(problem, hard_conditions(problem), len(part), 2, Generator(), inside=part)
                total = torch.zeros(len(part), dtype=torch.float64)
                for group in groups:
                    if group.kind == "equation":
                        group.prepare(solution.field)
                        net = solution.field.network(group.jets, group.streams.plan)
                        total = torch.maximum(total, group.residuals(net, numbers).abs())
                residual[here] = total.numpy()
        shape = grid.shape[:-1]
        fields = {key: values[:, c].reshape(shape) for c, key in enumerate(channels)}
        return cls(lines, fields, residual.reshape(shape), mask.reshape(shape))

    def to_npz(self) -> bytes:
        """Arrays by channel, `residual`, `mask` and `axis_x`, ...; NaN outside the domain."""
        file = io.BytesIO()
        axes = {f"axis_{key}": line for key, line in self.axes.items()}
        arrays: dict[str, Any] = {**self.values, "residual": self.residual, "mask": self.mask, **axes}
        np.savez_compressed(file, **arrays)
        return file.getvalue()
