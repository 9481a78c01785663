"""Panels of signals with one axis: sounds as waveform, spectrogram and player; arrays as lines."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from inr.core.errors import InrError
from inr.report._panel import Floats, Panel, PanelRow, number, rows_of
from inr.report._svg import draw
from inr.report.style import COLOURS, INK
from inr.signals.audio import Audio

COLUMNS = 500
HEARD_S = 30.0
FLOOR_DB = -90.0
FRAME = 1024


def sound_rows(
    target: Floats | None, fitted: Sequence[Floats], names: Sequence[str], meta: Mapping[str, Any] | None
) -> list[PanelRow]:
    """Values [samples, C] side by side, with errors if there is a target. meta: of a sound; None: an array."""
    reference = fitted[0] if target is None else target
    reach = float(np.abs(reference).max()) or 1.0
    loud = float(_powers(reference).max()) or 1.0

    def panel(title: str, values: Floats, colour: str, caption: str = "") -> Panel:
        figure = draw((4.2, 3.6 if meta else 2.2), lambda f: _paint(f, values, meta, colour, reach, loud), title)
        return Panel(title, figure + ("" if meta is None else _player(values, meta)), caption)

    shown = None if target is None else panel("target", target, INK)
    of = [panel(name, values, COLOURS[0]) for name, values in zip(names, fitted, strict=True)]
    off = []
    for values in fitted if target is not None else ():
        error = values - target
        rms = number(float(np.sqrt(np.square(error).mean())))
        caption = f"root mean square {rms}, largest {number(float(np.abs(error).max()))}"
        off.append(panel("error", error, COLOURS[1], caption))
    return rows_of(shown, of, off)


def _paint(figure: Any, values: Floats, meta: Mapping[str, Any] | None, colour: str, reach: float, loud: float) -> None:
    rate = 1.0 if meta is None else float(meta["rate_hz"])
    seconds = len(values) / rate
    axes = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1.2)) if meta else [figure.subplots(1, 1)]
    first = values[:, 0]
    edges = np.unique(np.linspace(0, len(first), min(COLUMNS, len(first)) + 1).astype(int))
    low, high = np.minimum.reduceat(first, edges[:-1]), np.maximum.reduceat(first, edges[:-1])
    middle = (edges[:-1] + edges[1:]) / 2 / rate
    if len(first) <= COLUMNS:
        axes[0].plot(middle, first, color=colour, linewidth=1.2)
    else:
        axes[0].fill_between(middle, low, high, color=colour, linewidth=0.3)
    axes[0].set_xlim(0, seconds)
    if meta is None:
        axes[0].set_xlabel("element")
        return
    axes[0].set_ylim(-1.05 * reach, 1.05 * reach)
    level = 10 * np.log10(np.maximum(_powers(first[:, None]) / loud, 10 ** (FLOOR_DB / 10)))
    axes[1].imshow(
        level, origin="lower", aspect="auto", extent=(0, seconds, 0, rate / 2000), cmap="magma", vmin=FLOOR_DB, vmax=0,
        interpolation="nearest",
    )  # fmt: skip
    axes[1].grid(visible=False)
    axes[1].set_ylabel("kHz")
    axes[1].set_xlabel("seconds")


def _powers(values: Floats) -> Floats:
    """|STFT|^2 [frequencies, frames] of the first channel, with at most `COLUMNS` frames."""
    x = torch.from_numpy(np.ascontiguousarray(values[:, 0])).float()
    size = min(FRAME, max(16, 1 << (max(1, len(x) // 8)).bit_length()))
    hop = max(size // 4, -(-len(x) // COLUMNS))
    if len(x) < size:
        x = torch.nn.functional.pad(x, (0, size - len(x)))
    found = torch.stft(x, size, hop, window=torch.hann_window(size), center=False, return_complex=True)
    powers: Floats = found.abs().square().numpy()
    return powers


def _player(values: Floats, meta: Mapping[str, Any]) -> str:
    """A player of the first seconds, without loss; nothing if FLAC cannot hold them."""
    n = round(HEARD_S * float(meta["rate_hz"]))
    file = io.BytesIO()
    try:
        Audio.write(values[:n].astype(np.float32), meta, file, ".flac")
    except InrError:
        return ""
    data = base64.b64encode(file.getvalue()).decode()
    caption = f"<figcaption>the first {HEARD_S:g} seconds</figcaption>" if len(values) > n else ""
    return f'<audio controls src="data:audio/flac;base64,{data}"></audio>{caption}'
