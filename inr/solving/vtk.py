"""Solutions for ParaView: VTI (image data on the lattice) and VTU (cells in the domain, and its surface), in XML."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from inr.core.errors import UsageError
from inr.kernels.jet_plan import JetPlan
from inr.solving.lattice import Sampled
from inr.solving.solids import MeshSolid
from inr.solving.solver import Solution

Array = NDArray[Any]
TYPES = {"f8": "Float64", "i8": "Int64", "u1": "UInt8"}
CELLS = {1: 3, 2: 9, 3: 12}
"""VTK's types of a lattice's cells by axes: line, quad, hexahedron."""
TRIANGLE = 5
CORNERS: dict[int, list[tuple[int, ...]]] = {1: [(0,), (1,)], 2: [(0, 0), (1, 0), (1, 1), (0, 1)],
           3: [(*xy, z) for z in (0, 1) for xy in ((0, 0), (1, 0), (1, 1), (0, 1))]}  # fmt: skip
"""Of a cell, in VTK's order."""


def vti(sampled: Sampled) -> bytes:
    """All samples, as point data in float64; NaN outside the domain. Raises UsageError for four axes."""
    _check(sampled, "VTI")
    lines = [*sampled.axes.values()]
    lines += [np.zeros(1)] * (3 - len(lines))
    extent = " ".join(f"0 {len(line) - 1}" for line in lines)
    origin = " ".join(repr(float(line[0])) for line in lines)
    spacing = " ".join(repr(float(line[1] - line[0])) if len(line) > 1 else "1.0" for line in lines)
    arrays = {**sampled.values, "residual": sampled.residual, "mask": sampled.mask.astype(np.float64)}
    return _file(
        f'<ImageData WholeExtent="{extent}" Origin="{origin}" Spacing="{spacing}">\n<Piece Extent="{extent}">\n'
        f"<PointData>\n{_arrays({key: value.T for key, value in arrays.items()})}\n</PointData>\n<CellData/>\n",
        "ImageData",
    )


def vtu(sampled: Sampled, solution: Solution) -> bytes:
    """The lattice's cells with all corners in the domain, then the triangles of its surface if a mesh bounds it.

    Point data in float64; the residual is NaN on the surface. Raises UsageError for four axes.
    """
    _check(sampled, "VTU")
    shape, d = sampled.mask.shape, sampled.mask.ndim
    places = np.stack(np.meshgrid(*sampled.axes.values(), indexing="ij"), -1).reshape(-1, d)
    first = np.stack(np.meshgrid(*(np.arange(n - 1) for n in shape), indexing="ij"), -1).reshape(-1, d)
    cells = np.stack([np.ravel_multi_index(tuple((first + c).T), shape) for c in CORNERS[d]], -1)
    cells = cells[sampled.mask.ravel()[cells].all(1)]
    used = np.unique(cells)
    points, blocks = places[used], [(CELLS[d], np.searchsorted(used, cells))]
    values = {key: value.ravel()[used] for key, value in sampled.values.items()}
    values["residual"] = sampled.residual.ravel()[used]
    if isinstance(solution.problem.domain.shape, MeshSolid) and d == 3:
        vertices, faces = solution.problem.domain.shape.triangles
        with torch.no_grad():
            found = solution.field.jets(torch.from_numpy(np.asarray(vertices, np.float64)), JetPlan(0))[0].numpy()
        blocks.append((TRIANGLE, faces + len(points)))
        points = np.concatenate([points, vertices])
        channels = solution.problem.scope.channels
        more = {key: found[:, c] for c, key in enumerate(channels)} | {"residual": np.full(len(vertices), np.nan)}
        values = {key: np.concatenate([value, more[key]]) for key, value in values.items()}
    points = np.pad(points, ((0, 0), (0, 3 - d)))
    ends = np.cumsum(np.concatenate([np.full(len(block), block.shape[1]) for _, block in blocks]))
    kinds = np.concatenate([np.full(len(block), kind) for kind, block in blocks])
    described = {
        "connectivity": np.concatenate([block.ravel() for _, block in blocks]).astype("<i8"),
        "offsets": ends.astype("<i8"),
        "types": kinds.astype("u1"),
    }
    return _file(
        f'<UnstructuredGrid>\n<Piece NumberOfPoints="{len(points)}" NumberOfCells="{len(kinds)}">\n'
        f"<PointData>\n{_arrays(values)}\n</PointData>\n<Points>\n{_array('points', points, 3)}\n</Points>\n"
        f"<Cells>\n{_arrays(described)}\n</Cells>\n",
        "UnstructuredGrid",
    )


def _check(sampled: Sampled, what: str) -> None:
    if len(sampled.axes) > 3:
        raise UsageError(f"{what} files have up to three axes, and the solution has {len(sampled.axes)}", "write .npz")


def _file(body: str, kind: str) -> bytes:
    head = '<?xml version="1.0"?>\n<VTKFile type="{}" version="1.0" byte_order="LittleEndian" header_type="UInt64">\n'
    return f"{head.format(kind)}{body}</Piece>\n</{kind}>\n</VTKFile>\n".encode()


def _arrays(arrays: Mapping[str, Array]) -> str:
    return "\n".join(_array(key, value) for key, value in arrays.items())


def _array(name: str, values: Array, parts: int = 1) -> str:
    kind = values.dtype.str[1:] if values.dtype.str[1:] in TYPES else "f8"
    raw = np.ascontiguousarray(values, f"<{kind}" if kind != "u1" else "u1").tobytes()
    coded = base64.b64encode(np.uint64(len(raw)).tobytes() + raw).decode()
    shown = f' NumberOfComponents="{parts}"' if parts > 1 else ""
    return f'<DataArray type="{TYPES[kind]}" Name="{name}"{shown} format="binary">{coded}</DataArray>'
