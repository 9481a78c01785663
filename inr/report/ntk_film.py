"""A tracked fit as an animated picture: what is left of each band, and the kernel, at one step after the other."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from inr.ntk.track_log import Track, TrackEntry
from inr.report.style import COLOURS, FAINT, GREY, SOFT, STYLE, matplotlib

FRAME_MS, LAST_MS = 400, 2000
LOWEST_DB, LOWEST_KERNEL_DB = -50.0, -50.0
DPI = 110

Bytes = np.ndarray[Any, np.dtype[np.uint8]]


def track_frames(track: Track) -> list[Bytes]:
    """One frame per look, RGB [rows, columns, 3]; none if fewer than two looks have bands.

    Left: the share left of each band, and the start in grey. Right: the kernel by band, of its largest at any step.
    """
    n = max((len(e.kappa) for e in track.entries), default=0)
    shown = [e for e in track.entries if len(e.kappa) == len(e.band_residual) == n]
    if len(shown) < 2 or len(track.edges) != n or n < 3:
        return []
    mpl = matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    x = [math.sqrt(a * b) for a, b in track.edges[1:]]
    top = max((k for e in shown for k in e.kappa if math.isfinite(k)), default=1.0) or 1.0
    frames = []
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 3.4), dpi=DPI, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        left, kernel = figure.subplots(1, 2)
        lines = [
            _first(left, x, _left(shown[0]), "Left of each band, dB", LOWEST_DB, COLOURS[1]),
            _first(kernel, x, _kernel(shown[0], top), "Kernel: how fast each band is learned, dB", LOWEST_KERNEL_DB,
                   COLOURS[0]),
        ]  # fmt: skip
        left.axhline(-3.0, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)))
        left.annotate("half", (x[0], -3.0), xytext=(0, -11), textcoords="offset points", color=SOFT, fontsize=8)
        for entry in shown:
            figure.suptitle(f"step {entry.step}", x=0.01, ha="left", fontweight="bold")
            lines[0].set_ydata(_left(entry))
            lines[1].set_ydata(_kernel(entry, top))
            canvas.draw()
            frames.append(np.asarray(canvas.buffer_rgba())[..., :3].copy())
    return frames


def film_element(frames: Sequence[Bytes], alt: str) -> str:
    """HTML of an endless animation, and of its last frame for readers who want less motion."""
    rows, columns = frames[0].shape[:2]
    still, moving = (base64.b64encode(_webp(part)).decode() for part in (frames[-1:], frames))
    return (
        '<picture><source media="(prefers-reduced-motion: reduce)" type="image/webp" '
        f'srcset="data:image/webp;base64,{still}">'
        f'<img width="{columns}" height="{rows}" alt="{alt}" src="data:image/webp;base64,{moving}"></picture>'
    )


def _webp(frames: Sequence[Bytes]) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    first, *others = [Image.fromarray(frame) for frame in frames]
    times = [FRAME_MS] * (len(frames) - 1) + [LAST_MS]
    more = {"save_all": True, "append_images": others, "duration": times, "loop": 0} if others else {}
    first.save(file, format="webp", lossless=True, method=4, **more)
    return file.getvalue()


def _first(axes: Any, x: list[float], y: list[float], title: str, lowest: float, hue: str) -> Any:
    axes.plot(x, y, color=FAINT, linewidth=3.0)
    (line,) = axes.plot(x, y, color=hue, linewidth=2.0)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(lambda value, _: "")
    axes.set_xlabel("frequency, cycles per sample")
    axes.set_ylim(lowest - 2, 6)
    axes.set_title(title)
    return line


def _left(entry: TrackEntry) -> list[float]:
    return [_db(v, LOWEST_DB) for v in entry.band_residual[1:]]


def _kernel(entry: TrackEntry, top: float) -> list[float]:
    return [_db(v / top, LOWEST_KERNEL_DB) for v in entry.kappa[1:]]


def _db(share: float, lowest: float) -> float:
    if not math.isfinite(share):
        return math.nan
    return max(lowest, 10 * math.log10(share)) if share > 0 else lowest
