"""The figure of a kernel over its signal: rows and eigenfunctions as pictures, or as lines for sounds."""

from __future__ import annotations

from typing import Any

from inr.ntk.kernel_pictures import KernelPictures
from inr.ntk.verdict import percent
from inr.report.style import COLOURS, INK, SOFT, STYLE, matplotlib, to_bytes


def draw_kernel_pictures(found: KernelPictures, suffix: str = ".png") -> bytes:
    """The bytes of a figure. First row: the kernel between a marked place and everywhere; second: eigenfunctions, the
    patterns that are learned first. suffix: one of `FIGURE_FORMATS`."""
    mpl = matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    wide = max(len(found.rows), (len(found.modes) + 1) // 2)
    aspect = found.shape[1] / found.shape[0] if len(found.shape) == 2 else 0.5
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11, 3 * (11 / wide * min(aspect, 1.3) * 0.86 + 0.45)), layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.subplots(3, wide, squeeze=False)
        for axes in grid.reshape(-1):
            axes.set_axis_off()
        for axes, row, place in zip(grid[0], found.rows, found.places.tolist(), strict=False):
            _draw(axes, row, 1.0, place)
            axes.set_title("Learned together with the place +")
        for axes, mode, share in zip(grid[1:].reshape(-1), found.modes, found.shares, strict=False):
            _draw(axes, mode, float(mode.abs().max()), None)
            axes.set_title(f"Pattern with {percent(share)} of the kernel")
        return to_bytes(figure, suffix)


def _draw(axes: Any, values: Any, top: float, place: list[float] | None) -> None:
    axes.set_axis_on()
    if values.ndim == 1:
        x = [(i + 0.5) / len(values) for i in range(len(values))]
        axes.plot(x, values.tolist(), color=COLOURS[0], linewidth=1.4)
        if place is not None:
            axes.axvline(place[0], color=SOFT, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.set_ylim(-1.05 * top, 1.05 * top)
        axes.set_xticks([])
        return
    axes.imshow(values.T.numpy(), cmap="RdBu_r", vmin=-top, vmax=top, extent=(0, 1, 1, 0), aspect="auto")
    if place is not None:
        axes.plot([place[0]], [place[1]], marker="+", color=INK, markersize=9, markeredgewidth=1.6)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
