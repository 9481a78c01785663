"""Figures of a page: the power of target, reconstruction and error by frequency, and training curves."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from inr.ntk import band_energy, log_bands
from inr.report._entry import Entry
from inr.report._panel import number
from inr.report._svg import draw
from inr.report._target import ShownSamples
from inr.report.style import COLOURS, INK, SOFT, colour, literal

N_BANDS = 24
SIZE = (4.2, 3.0)
RANGE_DB = 100.0
ROOM_DB = 12.0


def spectrum_figure(samples: ShownSamples, names: Sequence[str], rate_hz: float | None) -> tuple[str, str]:
    """The figure, and a sentence on the frequencies that are lost: power in radial bands, with a Hann window.

    rate_hz: of a sound; frequencies are then in hertz.
    """
    bands = log_bands(samples.shape, N_BANDS)
    unit = 1.0 if rate_hz is None else rate_hz
    inner = [i for i, (low, _) in enumerate(bands.edges) if low > 0]
    x = [bands.centres[i] * unit for i in inner]

    def density(values: Any) -> Any:
        found = band_energy(torch.from_numpy(np.ascontiguousarray(values)), bands, "hann") / bands.counts
        return found.numpy()[inner]

    of = [density(values) for values in samples.fitted]
    own = None if samples.target is None else density(samples.target)
    off = [] if samples.target is None else [density(values - samples.target) for values in samples.fitted]
    top = max(float((own if own is not None else of[0]).max()), 1e-300)

    def level(powers: Any) -> Any:
        return 10 * np.log10(np.maximum(powers / top, 10 ** (-RANGE_DB / 10)))

    def paint(figure: Any) -> None:
        axes = figure.subplots(1, 1)
        if own is not None:
            axes.plot(x, level(own), color=INK, linewidth=2.2, label="target")
        if len(of) == 1 or own is None:
            for rank, (name, powers) in enumerate(zip(names, of, strict=True)):
                axes.plot(
                    x, level(powers), color=colour(rank), linewidth=1.8, label=_legend(name, names, "reconstruction")
                )
        for rank, (name, powers) in enumerate(zip(names, off, strict=False)):
            hue = COLOURS[1] if len(off) == 1 else colour(rank)
            axes.plot(
                x, level(powers), color=hue, linewidth=1.6, linestyle=(0, (5, 2)), label=_legend(name, names, "error")
            )
        lowest = float(level(own if own is not None else of[0]).min())
        axes.set_ylim(lowest - ROOM_DB, 4)
        _logarithmic(axes)
        axes.set_xlim(bands.edges[inner[0]][0] * unit, bands.edges[inner[-1]][1] * unit)
        axes.set_xlabel("cycles per sample" if rate_hz is None else "hertz")
        axes.set_ylabel("dB of the target's peak")
        axes.legend(frameon=False, fontsize=8)

    lost = ""
    if own is not None:
        lost = " ".join(
            _missing(
                name if len(names) > 1 else "The error", error, own, [bands.edges[i][0] * unit for i in inner], rate_hz
            )
            for name, error in zip(names, off, strict=True)
        )
    return draw(SIZE, paint, "Power by frequency"), lost


def _legend(name: str, names: Sequence[str], what: str) -> str:
    return what if len(names) == 1 else literal(f"{what} of {name}")


def _missing(who: str, error: Any, own: Any, low: Sequence[float], rate_hz: float | None) -> str:
    """A sentence on the frequency above which the error has more than half of the target's power."""
    kept = np.flatnonzero(error <= 0.5 * own)
    first = 0 if not len(kept) else int(kept[-1]) + 1
    if first >= len(low):
        return f"{who}: less than half of the target's power is lost at every frequency."
    edge = f"{low[first]:.3g} cycles per sample" if rate_hz is None else f"{low[first]:,.0f} Hz"
    return f"{who}: more than half of the target's power is lost above {edge}."


def curve_figures(entries: Sequence[Entry]) -> list[tuple[str, str]]:
    """(title, figure) of the training losses, and of the PSNR estimated from them, for fits that have a curve."""
    shown = [(rank, entry) for rank, entry in enumerate(entries) if len(entry.fit.curve) > 1]
    if not shown:
        return []
    losses = {entry.fit.settings.loss.type_name for _, entry in shown if entry.fit.settings.loss is not None}
    loss = losses.pop() if len(losses) == 1 else "loss"
    figures = [(f"Training loss ({loss})", _curves(shown, lambda e: e.fit.curve.loss, "loss", is_log=True))]
    known = [(rank, entry) for rank, entry in shown if any(v is not None for v in entry.fit.curve.psnr_db)]
    if known:
        quality = _curves(known, lambda e: e.fit.curve.psnr_db, "PSNR in dB", end="psnr_db")
        figures.append(("Quality (PSNR; dots: measured at the end)", quality))
    return figures


def _curves(
    shown: Sequence[tuple[int, Entry]],
    values: Callable[[Entry], Sequence[float | None]],
    label: str,
    *,
    is_log: bool = False,
    end: str | None = None,
) -> str:
    """end: the measured metric that a dot at the end of each curve shows."""

    def paint(figure: Any) -> None:
        axes = figure.subplots(1, 1)
        for rank, entry in shown:
            y = [math.nan if v is None else v for v in values(entry)]
            axes.plot(entry.fit.curve.step, y, color=colour(rank), linewidth=1.8, label=literal(entry.name))
            at_end = math.nan if end is None else entry.fit.metrics.get(end, math.nan)
            axes.plot(entry.fit.curve.step[-1:], [at_end], "o", color=colour(rank), markersize=5)
        _logarithmic(axes)
        if is_log:
            axes.set_yscale("log")
            low, high = axes.get_ylim()
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
            digits = max(2, math.ceil(math.log10(max(1.0, 5 * high / (high - low)))))  # marks near each other differ
            axes.yaxis.set_minor_formatter(lambda value, _: f"{value:.{digits}g}" if high < 10 * low else "")
        axes.set_xlabel("step")
        axes.set_ylabel(label)
        if len(shown) > 1:
            axes.legend(frameon=False, fontsize=8)
        else:
            last = at_end if math.isfinite(at_end) else y[-1]
            axes.annotate(
                number(last), (entry.fit.curve.step[-1], last), xytext=(-8, 6), textcoords="offset points",
                ha="right", color=SOFT, fontsize=8,
            )  # fmt: skip

    return draw(SIZE, paint, label)


def _logarithmic(axes: Any) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(lambda value, _: "")
