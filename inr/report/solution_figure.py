"""Figures of solved problems: the fields, and where the equation does not hold."""

from __future__ import annotations

from typing import Any

import numpy as np

from inr.core.errors import UsageError
from inr.report.style import COLOURS, STYLE, literal, matplotlib, to_bytes
from inr.solving.lattice import Sampled

LEAST_RESIDUAL = 1e-16


def solution_figure(sampled: Sampled, title: str, suffix: str) -> bytes:
    """Curves of one axis, or maps of two with the second axis upwards; of more axes the middle slice.

    Raises UsageError for the suffix of another format.
    """
    if suffix not in (".png", ".svg", ".pdf"):
        raise UsageError(f"a figure cannot be written as {suffix}", "use .png, .svg or .pdf")
    mpl = matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = [*sampled.axes]
    panels = {**sampled.values, "residual": np.maximum(sampled.residual, LEAST_RESIDUAL)}
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.2 * len(panels), 3.8), layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(literal(title), x=0.01, ha="left", fontweight="bold")
        for at, (key, values) in enumerate(panels.items(), 1):
            axes = figure.add_subplot(1, len(panels), at)
            axes.set_title(literal(key if key != "residual" else "residual, absolute"))
            axes.set_xlabel(names[0])
            if len(names) == 1:
                axes.plot(sampled.axes[names[0]], values, color=COLOURS[0])
                if key == "residual":
                    axes.set_yscale("log")
                continue
            axes.grid(False)
            axes.set_ylabel(names[1])
            _map(figure, axes, sampled, values, is_residual=key == "residual")
        return to_bytes(figure, suffix)


def _map(figure: Any, axes: Any, sampled: Sampled, values: Any, *, is_residual: bool) -> None:
    from matplotlib.colors import LogNorm

    middle = values[(slice(None), slice(None), *(n // 2 for n in values.shape[2:]))]
    x, y = list(sampled.axes.values())[:2]
    if is_residual:
        high = float(np.nanmax(middle))
        look: dict[str, Any] = {"cmap": "magma", "norm": LogNorm(max(high * 1e-6, LEAST_RESIDUAL), max(high, 1e-15))}
    else:
        low, high = float(np.nanmin(middle)), float(np.nanmax(middle))
        most = max(abs(low), abs(high)) or 1.0
        look = {"cmap": "RdBu_r", "vmin": -most, "vmax": most} if low < -0.02 * high < 0 else {"cmap": "viridis"}
    drawn = axes.imshow(
        middle.T, origin="lower", extent=(x[0], x[-1], y[0], y[-1]), aspect="auto", interpolation="nearest", **look
    )
    if abs((x[-1] - x[0]) / (y[-1] - y[0]) - 1) < 2:
        axes.set_aspect("equal")
    figure.colorbar(drawn, ax=axes, shrink=0.85)
