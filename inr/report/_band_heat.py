"""Bands over time as a heat map: a row for each band of frequencies, a column for each time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

LOWEST_DB = -40.0
"""End of the colour scale: a ten-thousandth of the band's energy is left."""


def draw_heat(
    figure: Any,
    axes: Any,
    steps: Sequence[float],
    left: Sequence[Sequence[float]],
    edges: Sequence[tuple[float, float]],
    title: str,
) -> None:
    """left: share of the target's energy by step and band [T][B]; nan is white. edges: of the bands in cycles per
    sample [B], the first may be the constant; (): bands are numbered."""
    n = len(left[0]) if left else 0
    has_edges = len(edges) == n
    first = 1 if has_edges and edges[0][1] == 0 else 0  # the constant has no place on a log axis
    if n <= first:
        return
    levels = [[_db(row[b]) for row in left] for b in range(first, n)]
    low = [a for a, _ in edges[first:]] + [edges[-1][1]] if has_edges else list(range(first, n + 1))
    shown = axes.pcolormesh(
        _bounds([max(s, 0.7) for s in steps]), low, levels, cmap="magma", vmin=LOWEST_DB, vmax=0, rasterized=True
    )
    axes.set_xscale("log")
    axes.set_xlabel("step")
    axes.set_title(title)
    axes.grid(visible=False)
    if has_edges:
        axes.set_yscale("log")
        axes.set_ylabel("cycles per sample")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_minor_formatter(lambda value, _: "")
    figure.colorbar(shown, ax=axes, pad=0.01)


def _db(share: float) -> float:
    return max(LOWEST_DB, 10 * math.log10(share)) if share > 0 else LOWEST_DB if share == 0 else math.nan


def _bounds(steps: Sequence[float]) -> list[float]:
    """Borders between columns that are centred, in the logarithm, at `steps`."""
    if len(steps) == 1:
        return [steps[0] / 1.2, steps[0] * 1.2]
    middle = [math.sqrt(a * b) for a, b in itertools.pairwise(steps)]
    return [steps[0] ** 2 / middle[0], *middle, steps[-1] ** 2 / middle[-1]]
