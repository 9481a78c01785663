"""The figure of a comparison: quality over time, quality and size at the end, and crops of pictures."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from inr.report.style import INK, SOFT, STYLE, colour, literal, matplotlib, to_bytes
from inr.signals.image import Image
from inr.workflows.compare import Comparison, FamilyResult

FIGURE_FORMATS = (".png", ".svg", ".pdf")
_LABELLED = 8
_SHOWN = 5
_CROP = 112

Pixels = np.ndarray[Any, np.dtype[np.float32]]


def draw_comparison(comparison: Comparison, suffix: str = ".png", *, title: str = "") -> bytes:
    """The bytes of a figure. suffix: one of `FIGURE_FORMATS`. title: of the figure.

    Left: the headline metric over seconds of fitting. Right: its value at the end, best on top, with parameters, bytes
    and seconds. Bottom, for pictures: a crop of the reference and of the best fits.
    """
    mpl = matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    entries = [e for e in comparison.entries if math.isfinite(comparison.quality(e))]
    crops = _crops(comparison, entries)
    height = max(3.2, 0.8 + 0.3 * len(entries))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11, height + (2.4 if crops else 0) + 0.6), layout="constrained")
        FigureCanvasAgg(figure)
        rows: Any = figure.subfigures(2, 1, height_ratios=(height, 2.4)) if crops else [figure]
        left, right = rows[0].subplots(1, 2, width_ratios=(1.25, 1))
        _draw_curves(left, comparison, entries)
        _draw_bars(right, comparison, entries)
        if crops:
            for axes, (name, pixels) in zip(rows[1].subplots(1, len(crops)), crops, strict=True):
                axes.imshow(pixels, interpolation="nearest", cmap="gray", vmin=0, vmax=1)
                axes.set_axis_off()
                axes.set_title(name, fontweight="normal", fontsize=9)
        heading = title or f"{comparison.signal.name or comparison.signal.spec.kind}, {comparison.budget.text()}"
        figure.suptitle(literal(heading), x=0.01, ha="left", fontsize=12, fontweight="bold")
        return to_bytes(figure, suffix)


def _label(metric: str) -> str:
    name = metric.removesuffix("_db")
    return {"psnr": "PSNR in dB", "snr": "SNR in dB", "iou": "IoU", "surface_mae": "mean distance on the surface"}.get(
        name, metric
    )


def _draw_curves(axes: Any, comparison: Comparison, entries: list[FamilyResult]) -> None:
    axes.set_title(f"{_label(comparison.headline)} while fitting")
    axes.set_xlabel("seconds of fitting")
    ends: list[tuple[float, float, str, str]] = []
    seen: list[float] = []
    for rank, entry in reversed(list(enumerate(entries))):
        looks = [q for q in entry.curve if q.step > 0 and math.isfinite(q.quality)]
        if not looks:
            looks = list(entry.curve)[-1:]
        x, y = [max(q.seconds, 1e-3) for q in looks], [q.quality for q in looks]
        is_named = rank < _LABELLED
        axes.plot(
            x, y, color=colour(rank), linewidth=2.0 if is_named else 1.0, zorder=20 - rank if is_named else 2,
            marker="o" if len(x) == 1 else None, markersize=5, solid_capstyle="round",
        )  # fmt: skip
        seen += x
        if is_named:
            axes.plot(x[-1:], y[-1:], "o", color=colour(rank), markersize=4, zorder=21)
            ends.append((x[-1], y[-1], entry.field, colour(rank)))
    if seen and max(seen) > 0:
        axes.set_xscale("log")
        axes.set_xlim(min(seen) * 0.9, max(seen) * (max(seen) / min(seen)) ** 0.32 * 1.05)
        if max(seen) < 30 * min(seen):
            axes.xaxis.get_major_locator().set_params(subs=(1, 2, 5))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_formatter(lambda value, _: "")
    if comparison.headline == "surface_mae":
        axes.set_yscale("log")
    _write_ends(axes, ends, len(entries))


def _write_ends(axes: Any, ends: list[tuple[float, float, str, str]], n_rows: int) -> None:
    """Names at the ends of their curves, moved apart so that they do not overlap; the figure is n_rows bars high."""
    axes.autoscale_view()
    heights = [float((axes.transScale + axes.transLimits).transform((x, y))[1]) for x, y, _, _ in ends]
    order = sorted(range(len(ends)), key=lambda i: heights[i])
    placed = spaced([heights[i] for i in order], gap=0.055 * _LABELLED / max(_LABELLED, n_rows))
    longest = max((end[0] for end in ends), default=1.0)
    edge = float((axes.transScale + axes.transLimits).transform((longest, ends[0][1] if ends else 1.0))[0]) + 0.03
    for height, i in zip(placed, order, strict=True):
        x, y, name, hue = ends[i]
        axes.annotate(
            name, xy=(x, y), xytext=(edge, height), textcoords="axes fraction", color=hue, va="center",
            fontweight="bold", fontsize=8.5, zorder=22,
            arrowprops={"arrowstyle": "-", "color": hue, "linewidth": 0.6, "alpha": 0.6, "shrinkB": 3},
        )  # fmt: skip


def spaced(heights: list[float], gap: float) -> list[float]:
    """Ascending heights in [0, 1], moved up and then down until they are `gap` apart."""
    placed: list[float] = []
    for height in heights:
        placed.append(max(height, placed[-1] + gap) if placed else height)
    limit = 1.0
    for i in reversed(range(len(placed))):
        placed[i] = min(placed[i], limit)
        limit = placed[i] - gap
    return placed


def _draw_bars(axes: Any, comparison: Comparison, entries: list[FamilyResult]) -> None:
    axes.set_title(f"{_label(comparison.headline)} at the end")
    values = [comparison.quality(e) for e in entries]
    places = range(len(entries))
    axes.barh(places, values, color=[colour(r) for r in places], height=0.62)
    axes.set_yticks(places, [e.field for e in entries])
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.xaxis.set_visible(False)
    for side in ("bottom", "left"):
        axes.spines[side].set_visible(False)
    reach = max([*values, 0.0])
    axes.set_xlim(min([*values, 0.0]) * 1.1, reach * 1.85 if reach > 0 else 1)
    for place, entry, value in zip(places, entries, values, strict=True):
        text = (
            f"{value:.2f}"
            if comparison.headline.endswith("_db")
            else f"{value:.3g}"
            if abs(value) < 1e-2
            else f"{value:.3f}"
        )
        axes.annotate(
            text, (max(value, 0), place), xytext=(5, 0), textcoords="offset points", va="center", color=INK,
            fontweight="bold",
        )  # fmt: skip
        axes.annotate(
            f"{_short(entry.fit.field.n_params)} params  {_short(entry.n_bytes)}B  {entry.seconds:.3g} s",
            (max(value, 0), place), xytext=(46, 0), textcoords="offset points", va="center", color=SOFT, fontsize=8,
        )  # fmt: skip


def _short(n: int) -> str:
    """`812 `, `98.3 k`, `1.2 M`: ready for a unit to follow."""
    if n < 1000:
        return f"{n} "
    return f"{n / 1e3:.3g} k" if n < 999_500 else f"{n / 1e6:.3g} M"


def _crops(comparison: Comparison, entries: list[FamilyResult]) -> list[tuple[str, Pixels]]:
    """Name and pixels of the central crop of the reference and of the best fits, of a picture of 1 or 3 channels."""
    signal = comparison.signal
    if not isinstance(signal, Image) or signal.spec.d_out not in (1, 3) or not entries:
        return []
    reference = signal.values.numpy()
    n_rows, n_columns = reference.shape[:2]
    side = min(_CROP, n_rows, n_columns)
    top, left = (n_rows - side) // 2, (n_columns - side) // 2
    window = (slice(top, top + side), slice(left, left + side))
    low, high = (0.0, 1.0) if signal.meta["dtype"] != "float32" else (float(reference.min()), float(reference.max()))

    def cut(values: Pixels) -> Pixels:
        unit: Pixels = np.clip((values[window] - low) / ((high - low) or 1.0), 0, 1)
        return unit[..., 0] if unit.shape[-1] == 1 else unit

    shown = [("reference", cut(reference))]
    for entry in entries[:_SHOWN]:
        shown.append((f"{entry.field}  {comparison.quality(entry):.2f} dB", cut(entry.fit.render()[0])))  # noqa: PERF401
    return shown
