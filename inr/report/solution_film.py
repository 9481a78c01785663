"""A solution over time as a video: curves over one axis of space, maps over two."""

from __future__ import annotations

from typing import Any

import numpy as np

from inr.report.style import COLOURS, STYLE, literal, matplotlib
from inr.signals.files.videos import encode
from inr.solving.lattice import Sampled

FRAMES = 60
FPS = 20.0
DPI = 100


def solution_film(sampled: Sampled, suffix: str) -> tuple[bytes, tuple[str, ...]]:
    """The bytes of .mp4 or .gif, and notes. sampled: of one or two axes of space and t. All frames have one scale."""
    mpl = matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = [*sampled.axes]
    at = names.index("t")
    t = sampled.axes["t"]
    space = [name for name in names if name != "t"]
    picked = np.unique(np.linspace(0, len(t) - 1, min(FRAMES, len(t))).round().astype(int))
    frames = []
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.2 * len(sampled.values), 3.8), dpi=DPI, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        plots = []
        for n, (key, values) in enumerate(sampled.values.items(), 1):
            axes = figure.add_subplot(1, len(sampled.values), n)
            axes.set_title(literal(key))
            axes.set_xlabel(space[0])
            moved = np.moveaxis(values, at, 0)
            plots.append((moved, _first(figure, axes, sampled, space, moved)))
        for index in picked:
            figure.suptitle(f"t = {t[index]:.3g}", x=0.01, ha="left", fontweight="bold")
            for moved, drawn in plots:
                if len(space) == 1:
                    drawn.set_ydata(moved[index])
                else:
                    drawn.set_data(moved[index].T)
            canvas.draw()
            frames.append(np.asarray(canvas.buffer_rgba())[..., :3].copy())
    return encode(np.stack(frames), FPS, suffix)


def _first(figure: Any, axes: Any, sampled: Sampled, space: list[str], moved: Any) -> Any:
    """The curve or map of the first frame, to be changed later."""
    low, high = float(np.nanmin(moved)), float(np.nanmax(moved))
    x = sampled.axes[space[0]]
    if len(space) == 1:
        margin = 0.05 * (high - low or 1.0)
        axes.set_ylim(low - margin, high + margin)
        return axes.plot(x, moved[0], color=COLOURS[0])[0]
    y = sampled.axes[space[1]]
    axes.grid(False)
    axes.set_ylabel(space[1])
    look = (
        {"cmap": "RdBu_r", "vmin": -max(-low, high), "vmax": max(-low, high)} if low < 0 < high else {"cmap": "viridis"}
    )
    limits = {"vmin": low, "vmax": high} | look
    box = (x[0], x[-1], y[0], y[-1])
    drawn = axes.imshow(moved[0].T, origin="lower", extent=box, interpolation="bilinear", **limits)
    figure.colorbar(drawn, ax=axes, shrink=0.85)
    return drawn
