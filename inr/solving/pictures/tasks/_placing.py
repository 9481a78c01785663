"""A source on a target: where its pixels lie, and which of them count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inr.core.errors import UsageError
from inr.solving.pictures.tasks._base import Inputs, Raster, mask_of

Array = NDArray[Any]
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


@dataclass(frozen=True)
class Placed:
    """target: the picture below. source: [H, W, C] on the target's lattice, its edge continued outwards. free: [H, W],
    where the source is selected."""

    target: Raster
    source: Array
    free: Array
    notes: tuple[str, ...]


def placed(inputs: Inputs) -> Placed:
    """Raises UsageError for a mask or place that leaves nothing, or no border."""
    target, source = (Raster.load(each) for each in inputs.sources)
    height, width = target.values.shape[:2]
    rows, columns = source.values.shape[:2]
    notes = [*target.notes, *source.notes]
    if inputs.mask is not None:
        selected = mask_of(inputs.mask, (rows, columns), source)
    elif source.alpha is not None:
        selected = source.alpha >= 0.5
    else:
        selected = np.ones((rows, columns), np.bool_)
    x, y = inputs.at or (0, 0)
    here = slice(max(y, 0), min(y + rows, height)), slice(max(x, 0), min(x + columns, width))
    if here[0].start >= here[0].stop or here[1].start >= here[1].stop:
        raise UsageError(
            f"at is {x},{y}: the {source.size} pixels of {source.name!r} lie outside {target.name!r} ({target.size})",
            f"expected {1 - columns} to {width - 1} and {1 - rows} to {height - 1}",
        )
    free = np.zeros((height, width), np.bool_)
    free[here] = selected[here[0].start - y : here[0].stop - y, here[1].start - x : here[1].stop - x]
    lost = int(selected.sum() - free.sum())
    if not free.any():
        raise UsageError(
            f"no selected pixel of {source.name!r} lies on {target.name!r} at {x},{y}", "choose another `at`"
        )
    if free.all():
        raise UsageError(
            f"the selected part of {source.name!r} covers all of {target.name!r}, so no border is left to join it to",
            "a smaller mask",
        )
    if lost:
        notes.append(f"{lost} of {int(selected.sum())} selected pixels lie outside {target.name} and are left out")
    colours = _in_channels(source, target.values.shape[2], notes)
    at_rows = np.clip(np.arange(height) - y, 0, rows - 1)
    at_columns = np.clip(np.arange(width) - x, 0, columns - 1)
    return Placed(target, colours[at_rows[:, None], at_columns[None]], free, tuple(notes))


def _in_channels(source: Raster, channels: int, notes: list[str]) -> Array:
    values = source.values
    if values.shape[2] == channels:
        return values
    if channels == 1:
        notes.append(f"{source.name} has colours and the target has none: its luminance is used")
        grey: Array = (values @ LUMINANCE)[..., None]
        return grey
    return np.repeat(values, channels, 2)
