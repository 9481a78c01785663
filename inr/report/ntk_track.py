"""The figure of a tracked fit."""

from __future__ import annotations

import math

from inr.ntk.track_log import Track
from inr.report.style import COLOURS, STYLE, matplotlib, to_bytes


def draw_track(track: Track, suffix: str = ".png") -> bytes:
    """The bytes of a figure: the share left of each band over the run, the kernel by band, and its drift."""
    mpl = matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11, 3.8), layout="constrained")
        FigureCanvasAgg(figure)
        bands, kernel, drift = figure.subplots(1, 3)
        steps = [max(q.step, 0.7) for q in track.entries]
        last = len(track.entries) - 1
        colours = mpl.colormaps["viridis"]
        n_bands = max((len(q.band_residual) for q in track.entries), default=0)
        for b in range(n_bands):
            left = [100 * q.band_residual[b] if b < len(q.band_residual) else math.nan for q in track.entries]
            bands.plot(steps, left, color=colours(0.9 * b / max(n_bands - 1, 1)), linewidth=1.4)
        bands.set_xscale("log")
        bands.set_yscale("log")
        bands.set_xlabel("step")
        bands.set_title("Left of each band, % (dark: low)")
        for i, q in enumerate(track.entries):
            if q.kappa:
                known = [v for v in q.kappa if v > 0] or [1.0]
                x = [math.sqrt(a * b) for a, b in track.edges] if len(track.edges) == len(q.kappa) else None
                level = [10 * math.log10(v / max(known)) if v > 0 else math.nan for v in q.kappa]
                kernel.plot(x or range(len(level)), level, color=colours(0.9 * i / max(last, 1)), linewidth=1.2)
        if track.edges:
            kernel.set_xscale("log")
            kernel.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
            kernel.xaxis.set_minor_formatter(lambda value, _: "")
        kernel.set_xlabel("cycles per sample" if track.edges else "band")
        kernel.set_title("Kernel by band, dB (dark: early)")
        drift.plot(steps, [q.cka for q in track.entries], color=COLOURS[0], linewidth=1.8, marker="o", markersize=3)
        drift.set_xscale("log")
        drift.set_ylim(0, 1.02)
        drift.set_xlabel("step")
        drift.set_title("Kernel: alignment with its start")
        return to_bytes(figure, suffix)
