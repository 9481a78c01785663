"""Panels of pictures and of slices of arrays: the whole, and the part with the largest error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from inr.report._panel import Bytes, Floats, Panel, PanelRow, image, number, rows_of
from inr.report.style import heat, top_of

SIDE, SIDE_OF_MANY, MANY = 640, 420, 3
"""Pictures with a longer side than this are shrunk, further if there are `MANY`."""
DETAIL = 96


def picture_rows(
    target: Floats | None, fitted: Sequence[Floats], names: Sequence[str], unit: str, icc: bytes | None = None
) -> list[PanelRow]:
    """Values [rows, columns, 1 to 4] in [0, 1] side by side, with errors and a detail if there is a target.

    unit: written after each error. icc: the colour profile of the values; errors have none.
    """
    side = SIDE if len(fitted) < MANY else SIDE_OF_MANY
    errors = [] if target is None else [np.abs(values - target).mean(-1) for values in fitted]
    rows = _rows(target, fitted, names, errors, lambda v: _smaller(v, side), "", unit, icc)
    if target is not None and max(target.shape[:2]) > 2 * DETAIL:
        at = _worst(sum(np.square(error) for error in errors), min(DETAIL, *target.shape[:2]))
        top, left = (part.start for part in at)
        title = f"Where the error is largest, from column {left} and row {top}"
        rows += _rows(target, fitted, names, errors, lambda v: v[at], title, unit, icc)
    return rows


def _rows(
    target: Floats | None, fitted: Sequence[Floats], names: Sequence[str], errors: Sequence[Floats], cut: Any,
    title: str, unit: str, icc: bytes | None,
) -> list[PanelRow]:  # fmt: skip
    top = top_of(errors)
    shown = None if target is None else Panel("target", image(_pixels(cut(target)), "target", icc))
    of = [
        Panel(name, image(_pixels(cut(v)), f"reconstruction by {name}", icc))
        for name, v in zip(names, fitted, strict=True)
    ]
    off = [
        Panel(
            "error",
            image(heat(cut(error[..., None])[..., 0], top), f"error of {name}"),
            f"mean {number(float(cut(error[..., None]).mean()))}{unit}; black is 0, light yellow {number(top)} or more",
        )
        for name, error in zip(names, errors, strict=bool(errors))
    ]
    return rows_of(shown, of, off, title)


def _pixels(values: Floats) -> Bytes:
    pixels: Bytes = np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8)
    return pixels


def _smaller(values: Floats, side: int) -> Floats:
    """Means of k x k pixels, with the smallest k so that the longer side is at most `side`; a remainder is cut off."""
    k = -(-max(values.shape[:2]) // side)
    rows, columns = (max(1, n // k) for n in values.shape[:2])
    high, wide = min(k, values.shape[0]), min(k, values.shape[1])
    kept = values[: rows * high, : columns * wide]
    smaller: Floats = kept.reshape(rows, high, columns, wide, -1).mean(axis=(1, 3))
    return smaller


def _worst(squares: Floats, side: int) -> tuple[slice, slice]:
    """The square window with the largest sum."""
    sums = np.pad(squares, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    windows = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    top, left = np.unravel_index(int(windows.argmax()), windows.shape)
    return slice(int(top), int(top) + side), slice(int(left), int(left) + side)
