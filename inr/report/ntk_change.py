"""Before and after a change of settings: two reports of the tangent kernel on one signal, side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from inr.core.errors import UsageError
from inr.core.text import printable
from inr.ntk.report import Band, Report
from inr.report.style import COLOURS, GREY, SOFT, STYLE, literal, matplotlib, to_bytes

BEFORE, AFTER = COLOURS[1], COLOURS[0]
LOWEST_DB = -60.0


def is_comparable(before: Report, after: Report) -> bool:
    """Whether both have the same bands, as reports on one signal do."""
    edges = [[(b.low, b.high) for b in report.bands] for report in (before, after)]
    return len(edges[0]) > 2 and edges[0] == edges[1]


def draw_ntk_change(
    before: Report, after: Report, suffix: str = ".png", names: tuple[str, str] = ("before", "after")
) -> bytes:
    """The bytes of a figure: what both forecast to be left of each band, with intervals, and their kernels by band.

    suffix: one of `FIGURE_FORMATS`. Raises UsageError for reports with different bands.
    """
    if not is_comparable(before, after):
        raise UsageError("the reports have different bands, expected two on the same signal")
    mpl = matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11, 3.8), layout="constrained")
        FigureCanvasAgg(figure)
        left, kernel = figure.subplots(1, 2)
        top = max(b.kappa for r in (before, after) for b in r.bands[1:]) or 1.0
        for report, name, hue in zip((before, after), names, (BEFORE, AFTER), strict=True):
            bands = report.bands[1:]
            x, label = [b.rho for b in bands], literal(printable(name))
            left.plot(x, [_db(b.left_adam) for b in bands], color=hue, linewidth=2.0, label=label)
            _fan(left, bands, hue)
            kernel.plot(x, [_db(b.kappa / top) for b in bands], color=hue, linewidth=2.0, label=label)
        left.axhline(-3.0, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)))
        left.annotate("half", (before.bands[1].rho, -3.0), xytext=(0, -11), textcoords="offset points",
                      color=SOFT, fontsize=8)  # fmt: skip
        left.set_title("Left of each band after the run, dB")
        kernel.set_title("Kernel: how fast each band is learned, dB")
        for axes in (left, kernel):
            axes.set_xscale("log")
            axes.set_xlabel("frequency, cycles per sample")
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axes.xaxis.set_minor_formatter(lambda value, _: "")
            axes.set_ylim(top=3)
            axes.legend()
        return to_bytes(figure, suffix)


def change_db(before: Report, after: Report) -> float:
    """Decibels of the signal's energy, without its mean, that `after` is forecast to leave less."""
    totals = [sum(b.target_energy * b.left_adam for b in r.bands[1:]) for r in (before, after)]
    return 10 * math.log10(max(totals[0], 1e-300) / max(totals[1], 1e-300))


def _fan(axes: Any, bands: Sequence[Band], hue: str) -> None:
    if all(math.isfinite(b.left_low) and math.isfinite(b.left_high) for b in bands):
        low, high = ([_db(v) for v in ends] for ends in zip(*((b.left_low, b.left_high) for b in bands), strict=True))
        axes.fill_between([b.rho for b in bands], low, high, color=hue, alpha=0.15, linewidth=0)


def _db(share: float) -> float:
    return max(LOWEST_DB, 10 * math.log10(share)) if share > 0 else LOWEST_DB
