"""Figure comparing kernels: learning speed by frequency, and eigenvalues."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from inr import ntk
from inr.report.style import INK, SOFT, STYLE, colour, to_bytes

LEAST_DB = -60.0
ROLL_OFF_DB = 20.0


@dataclass(frozen=True)
class Curves:
    """One kernel over several seeds. kappa: mean rate by band over the mean of all frequencies [S, B], of waves under a
    Hann window, so that borders do not count; values: eigenvalues over the largest [S, N]; centres: of the bands."""

    label: str
    centres: tuple[float, ...]
    kappa: Tensor
    values: Tensor


def curves(label: str, matrices: list[Tensor], shape: tuple[int, ...]) -> Curves:
    bands = ntk.log_bands(shape, 10)
    kappa, values = [], []
    for matrix in matrices:
        diagonal = rates(matrix, shape)
        kappa.append(bands.means(diagonal)[1:] / diagonal.mean())
        spectrum = ntk.spectrum(matrix).values
        values.append(spectrum / spectrum[0])
    return Curves(label, bands.centres[1:], torch.stack(kappa), torch.stack(values))


def rates(matrix: Tensor, shape: tuple[int, ...]) -> Tensor:
    """e^* Theta e [*shape] for plane waves e under a Hann window, up to a factor."""
    taper = torch.sin(math.pi * ntk.lattice(shape)).square().prod(1)
    return ntk.fourier_diagonal(matrix * taper * taper.unsqueeze(1), shape)


def draw(title: str, subtitle: str, found: list[Curves], suffix: str) -> bytes:
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.5, 4.1), layout=ConstrainedLayoutEngine(rect=(0, 0, 1, 0.87), w_pad=0.08))
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2, width_ratios=(1.35, 1))
        _frequencies(left, found)
        _eigenvalues(right, found)
        figure.text(0.012, 0.975, title, fontsize=13, fontweight="bold", va="top", color=INK)
        figure.text(0.012, 0.905, subtitle, fontsize=9, va="top", color=SOFT)
        return to_bytes(figure, suffix)


def _decibels(values: Tensor) -> Tensor:
    return 10 * values.clamp_min(10 ** (LEAST_DB / 10)).log10()


def _frequencies(axes: Any, found: list[Curves]) -> None:
    ends: list[tuple[float, str, str]] = []
    for i, one in enumerate(found):
        y = _decibels(one.kappa)
        middle = y.median(0).values
        axes.fill_between(one.centres, y.amin(0), y.amax(0), color=colour(i), alpha=0.15, linewidth=0)
        axes.plot(one.centres, middle, color=colour(i), linewidth=2.0, solid_capstyle="round")
        ends.append((float(middle[-1]), one.label, colour(i)))
        low = (middle <= middle.max() - ROLL_OFF_DB).nonzero()[:, 0]
        if len(low):
            at = int(low[0])
            axes.plot(one.centres[at], middle[at], "o", color=colour(i), markersize=6)
    axes.axhline(0, color=SOFT, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.annotate(
        "all alike", (1.0, 0), xycoords=("axes fraction", "data"), xytext=(-4, 4), textcoords="offset points",
        ha="right", color=SOFT, fontsize=8,
    )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlim(found[0].centres[0], found[0].centres[-1] * 1.02)
    axes.set_xlabel("frequency, cycles per sample")
    axes.set_xticks([0.05, 0.1, 0.2, 0.5], ["0.05", "0.1", "0.2", "0.5"])
    axes.xaxis.set_minor_formatter(lambda value, _: "")
    axes.set_title("Rate of learning, dB of the mean (dots: 20 dB down)")
    low, high = axes.get_ylim()
    gap, last = 0.06 * (high - low), -float("inf")
    for end, label, hue in sorted(ends):
        place = max(end, last + gap)
        axes.annotate(
            label, (found[0].centres[-1], end), xytext=(found[0].centres[-1] * 1.12, place), textcoords="data",
            color=hue, fontweight="bold", fontsize=8.5, va="center", annotation_clip=False,
        )  # fmt: skip
        last = place


def _eigenvalues(axes: Any, found: list[Curves]) -> None:
    for i, one in enumerate(found):
        y = one.values.median(0).values.clamp_min(1e-9)
        axes.plot(range(1, len(y) + 1), y, color=colour(i), linewidth=2.0)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(1e-8, 1.6)
    axes.set_xlabel("mode")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_title("Eigenvalues, over the largest")
