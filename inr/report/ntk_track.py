"""The figure of a tracked fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from inr.ntk.track_log import Track, TrackEntry
from inr.ntk.verdict import LAZY, RICH
from inr.report._band_heat import draw_heat
from inr.report.style import COLOURS, FAINT, SOFT, STYLE, colour, matplotlib, to_bytes

SHOWN_LAYERS = 6


def draw_track(track: Track, suffix: str = ".png") -> bytes:
    """The bytes of a figure: the share left of each band over the run, the kernel by band, and its change; below them
    the sharpness, the kernel's condition and alignment, and the layers' shares of it, unless the log is older."""
    mpl = matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    has_more = any(math.isfinite(e.sharpness) for e in track.entries)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11, 7.0 if has_more else 3.8), layout="constrained")
        FigureCanvasAgg(figure)
        rows = figure.subplots(2 if has_more else 1, 3, squeeze=False)
        _draw_bands(figure, rows[0, 0], track)
        _draw_kernel(rows[0, 1], track, mpl.colormaps["viridis"])
        _draw_regime(rows[0, 2], track)
        if has_more:
            _draw_sharpness(rows[1, 0], track)
            _draw_condition(rows[1, 1], track)
            _draw_layers(rows[1, 2], track)
        return to_bytes(figure, suffix)


def _steps(entries: Sequence[TrackEntry]) -> list[float]:
    return [max(e.step, 0.7) for e in entries]


def _over_steps(axes: Any, title: str) -> None:
    axes.set_xscale("log")
    axes.set_xlabel("step")
    axes.set_title(title)


def _draw_bands(figure: Any, axes: Any, track: Track) -> None:
    n = max((len(e.band_residual) for e in track.entries), default=0)
    of = [e for e in track.entries if len(e.band_residual) == n]
    title = "Left of each band, dB (light: all of it)"
    draw_heat(figure, axes, _steps(of), [e.band_residual for e in of], track.edges, title)


def _draw_kernel(axes: Any, track: Track, colours: Any) -> None:
    last = len(track.entries) - 1
    for i, e in enumerate(track.entries):
        if e.kappa:
            known = [v for v in e.kappa if v > 0] or [1.0]
            x = [math.sqrt(a * b) for a, b in track.edges] if len(track.edges) == len(e.kappa) else None
            level = [10 * math.log10(v / max(known)) if v > 0 else math.nan for v in e.kappa]
            axes.plot(x or range(len(level)), level, color=colours(0.9 * i / max(last, 1)), linewidth=1.2)
    if track.edges:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_formatter(lambda value, _: "")
    axes.set_xlabel("cycles per sample" if track.edges else "band")
    axes.set_title("Kernel by band, dB (dark: early)")


def _draw_regime(axes: Any, track: Track) -> None:
    """From lazy to rich: the kernel's alignment with its start, and the loss beside it.  Kumar et al. 2024,
    arXiv:2310.06110: what is learned late is learned after the kernel has changed."""
    steps = _steps(track.entries)
    axes.axhspan(0, RICH, color=FAINT, alpha=0.6, linewidth=0, zorder=0)
    axes.plot(steps, [e.cka for e in track.entries], color=COLOURS[0], linewidth=1.8, marker="o", markersize=3)
    left = next((s for s, e in zip(steps, track.entries, strict=True) if e.cka < LAZY), None)
    if left is not None:
        axes.axvline(left, color=SOFT, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.annotate("grey: rich", (0.03, 0.04), xycoords="axes fraction", color=SOFT, fontsize=8)
    axes.set_ylim(0, 1.02)
    axes.tick_params(axis="y", labelcolor=COLOURS[0])
    _over_steps(axes, "Kernel's likeness to its start, loss")
    other = axes.twinx()
    other.plot(steps, [e.loss for e in track.entries], color=COLOURS[1], linewidth=1.4)
    other.set_yscale("log")
    other.grid(visible=False)
    other.tick_params(axis="y", labelcolor=COLOURS[1])


def _draw_sharpness(axes: Any, track: Track) -> None:
    steps = _steps(track.entries)
    axes.plot(steps, [e.sharpness for e in track.entries], color=COLOURS[0], linewidth=1.8, label="Gauss-Newton")
    if any(math.isfinite(e.hessian) for e in track.entries):
        axes.plot(steps, [e.hessian for e in track.entries], color=COLOURS[1], linewidth=1.4, label="Hessian")
    axes.set_yscale("log")
    axes.legend(frameon=False, fontsize=8)
    _over_steps(axes, "Sharpness of the loss")


def _draw_condition(axes: Any, track: Track) -> None:
    steps = _steps(track.entries)
    axes.plot(steps, [e.condition for e in track.entries], color=COLOURS[0], linewidth=1.8)
    axes.set_yscale("log")
    axes.tick_params(axis="y", labelcolor=COLOURS[0])
    _over_steps(axes, "Condition, alignment with target")
    other = axes.twinx()
    other.plot(steps, [e.kta for e in track.entries], color=COLOURS[1], linewidth=1.4)
    other.set_ylim(0, None)
    other.grid(visible=False)
    other.tick_params(axis="y", labelcolor=COLOURS[1])


def _draw_layers(axes: Any, track: Track) -> None:
    """Shares of the kernel's trace, one on the other; the smallest ones together."""
    of = [e for e in track.entries if e.layers]
    if not of:
        return
    names = sorted(of[-1].layers, key=lambda name: -sum(e.layers.get(name, 0.0) for e in of))
    shown = names if len(names) <= SHOWN_LAYERS else names[: SHOWN_LAYERS - 1]
    shares = [[100 * e.layers.get(name, 0.0) for e in of] for name in shown]
    labels = [name.removeprefix("body.").removesuffix(".linear") for name in shown]
    if len(shown) < len(names):
        shares.append([100 * sum(e.layers.get(name, 0.0) for name in names[len(shown) :]) for e in of])
        labels.append("others")
    hues = [colour(i) for i in range(len(labels))]
    axes.stackplot(_steps(of), shares, colors=hues, labels=labels, alpha=0.85)
    axes.set_ylim(0, 100)
    axes.legend(loc="lower left", fontsize=7, framealpha=0.85, edgecolor="none")
    _over_steps(axes, "Each layer's share, %")
