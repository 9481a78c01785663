"""Points of a file at which a condition holds: on = "probes.csv"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from inr.core.errors import UnreadableError, UsageError
from inr.solving.columns import columns_of
from inr.solving.equation import SIDE_NORMALS, Scope
from inr.solving.geometry import Domain
from inr.solving.solids import file_beside

SUFFIXES = (".csv", ".npz")
MOST_PLACES = 20_000
SLACK = 1e-6
"""How far outside of the box a point may be, as a part of each axis: files round."""


@dataclass(frozen=True)
class Places:
    """x [N, D]; values: other columns [N] by name, which the condition has as numbers; normals [N, D], or None."""

    file: str
    x: Tensor
    values: Mapping[str, Tensor]
    normals: Tensor | None


def places_of(file: str, scope: Scope, domain: Domain, folder: Path | None) -> Places:
    """Read a file with columns for all axes. Columns n_x, n_y ... are a normal; any others are names in the equation.

    Raises UnreadableError for files and for a lack of columns, UsageError for points outside of the axes and for names
    that mean something else.
    """
    columns = columns_of(file, file_beside(file, folder))
    missing = [axis for axis in scope.axes if axis not in columns]
    if missing:
        raise UnreadableError(f"{file!r} has columns {', '.join(columns)}, expected {', '.join(scope.axes)}")
    own = {key: torch.from_numpy(np.array(column, np.float64)) for key, column in columns.items()}
    x = torch.stack([own.pop(axis) for axis in scope.axes], -1)
    if not 1 <= len(x) <= MOST_PLACES:
        raise UnreadableError(f"{file!r} has {len(x)} rows, expected 1 to {MOST_PLACES}")
    low, high = x.new_tensor(domain.low), x.new_tensor(domain.high)
    slack = SLACK * (high - low)
    outside = x[((x < low - slack) | (x > high + slack)).any(1)]
    if len(outside):
        place = ", ".join(f"{value:g}" for value in outside[0].tolist())
        raise UsageError(f"{file!r} has {len(outside)} points outside the axes, the first at ({place})")
    sides = [key for key in SIDE_NORMALS if key in own]
    if sides and {key[2:] for key in sides} != {*scope.space}:
        raise UnreadableError(f"{file!r} has {', '.join(sides)}, expected a normal along {', '.join(scope.space)}")
    normals = torch.zeros_like(x) if sides else None
    if normals is not None:
        for key in sides:
            normals[:, scope.axes.index(key[2:])] = own.pop(key)
    known = {*scope.fields, *scope.parameters, *scope.unknowns}
    twice = sorted(known & {*own})
    if twice:
        raise UsageError(
            f"{file!r} has a column {twice[0]!r}, which is a name of the problem too",
            f"call the column {twice[0]}0, and write the condition as {twice[0]} = {twice[0]}0",
        )
    return Places(file, x, own, normals)
