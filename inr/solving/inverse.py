"""What inverse problems add: numbers to be found, and measured values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inr.core.errors import UnreadableError, UsageError
from inr.solving.columns import columns_of
from inr.solving.equation import Scope
from inr.solving.geometry import is_number
from inr.solving.solids import file_beside

MOST_OBSERVED = 200_000


@dataclass(frozen=True)
class Unknown:
    """A number to be found."""

    start: float
    low: float
    high: float

    @property
    def is_logarithmic(self) -> bool:
        return self.low > 0


@dataclass(frozen=True)
class Observed:
    """Measured values of a channel: x [N, D], y [N]."""

    channel: str
    x: Tensor
    y: Tensor
    noise: float


def unknown_of(key: str, table: Any) -> Unknown:
    if not isinstance(table, Mapping) or set(table) - {"start", "low", "high"} or "start" not in table:
        raise UsageError(f"unknown {key} is {table!r}, expected {{ start = 1, low = 0.1, high = 10 }}")
    if not all(map(is_number, table.values())):
        raise UsageError(f"unknown {key} is {table!r}, expected numbers", "{ start = 1, low = 0.1, high = 10 }")
    start, low, high = (float(table.get(k, d)) for k, d in (("start", 0), ("low", -math.inf), ("high", math.inf)))
    if not low <= start <= high:
        raise UsageError(f"unknown {key} starts at {start:g}, expected {low:g} to {high:g}")
    return Unknown(start, low, high)


def observed_of(table: Mapping[str, Any], scope: Scope, folder: Path | None) -> list[Observed]:
    file = table.get("file")
    if folder is None or not isinstance(file, str):
        raise UsageError("[[observed]] needs a file, next to a problem file")
    path = file_beside(file, folder)
    noise = table.get("noise", 0.01)
    if not is_number(noise) or noise <= 0:
        raise UsageError(f"noise is {noise!r}, expected a number above 0: the standard deviation of the values")
    columns = columns_of(file, path, table.get("columns"))
    header, values = [*columns], np.stack([*columns.values()], -1) if columns else np.zeros((0, 0))
    missing = [axis for axis in scope.axes if axis not in header]
    fields = [key for key in header if key not in scope.axes]
    if missing or not fields or values.ndim != 2 or not 1 <= len(values) <= MOST_OBSERVED:
        raise UnreadableError(f"{file!r} has columns {', '.join(header)}, expected {', '.join(scope.axes)} and a field")
    x = torch.from_numpy(values[:, [header.index(axis) for axis in scope.axes]])
    wrong = [key for key in fields if key not in scope.channels]
    if wrong:
        raise UnreadableError(f"{file!r} has a column {wrong[0]!r}, which is neither an axis nor a field")
    return [Observed(key, x, torch.from_numpy(values[:, header.index(key)]), float(noise)) for key in fields]
