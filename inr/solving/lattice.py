"""A solution on a lattice, and its files: NPZ and VTI."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator

from inr.core.errors import UsageError
from inr.kernels.jet_plan import JetPlan
from inr.solving.hard import hard_conditions
from inr.solving.points import residual_of
from inr.solving.rows import groups_of
from inr.solving.solver import Solution
from inr.solving.state import State

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
        state = State.start(solution.field, problem)
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
                        total = torch.maximum(total, residual_of(state, group).abs())
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

    def to_vti(self) -> bytes:
        """VTK image data (XML), for ParaView: point data in float64."""
        if len(self.axes) > 3:
            raise UsageError(f"VTI files have up to three axes, and the solution has {len(self.axes)}", "write .npz")
        lines = [*self.axes.values()]
        lines += [np.zeros(1)] * (3 - len(lines))
        extent = " ".join(f"0 {len(line) - 1}" for line in lines)
        origin = " ".join(repr(float(line[0])) for line in lines)
        spacing = " ".join(repr(float(line[1] - line[0])) if len(line) > 1 else "1.0" for line in lines)
        arrays = {**self.values, "residual": self.residual, "mask": self.mask.astype(np.float64)}
        data = "\n".join(_data_array(key, value) for key, value in arrays.items())
        text = (
            '<?xml version="1.0"?>\n'
            '<VTKFile type="ImageData" version="1.0" byte_order="LittleEndian" header_type="UInt64">\n'
            f'<ImageData WholeExtent="{extent}" Origin="{origin}" Spacing="{spacing}">\n<Piece Extent="{extent}">\n'
            f"<PointData>\n{data}\n</PointData>\n<CellData/>\n</Piece>\n</ImageData>\n</VTKFile>\n"
        )
        return text.encode()


def _data_array(name: str, values: Array) -> str:
    raw = np.ascontiguousarray(values.T, "<f8").tobytes()  # the first axis runs fastest
    coded = base64.b64encode(np.uint64(len(raw)).tobytes() + raw).decode()
    return f'<DataArray type="Float64" Name="{name}" format="binary">{coded}</DataArray>'
