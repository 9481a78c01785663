"""The log that `inr fit --track-ntk` leaves in a model file, and its figure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inr._errors import UnreadableError, UsageError
from inr.fitting._file import read_header
from inr.report._style import COLOURS, STYLE, to_bytes
from inr.signals import Source


@dataclass(frozen=True)
class TrackLook:
    """One moment of a run.

    band_residual: share of the target's energy that is left; kappa: of the kernel; both by band. cka: of the kernel
    with the one at the start.
    """

    step: int
    seconds: float
    loss: float
    cka: float
    band_residual: tuple[float, ...]
    kappa: tuple[float, ...]


@dataclass(frozen=True)
class Track:
    """edges: low and high end of every band, cycles per sample; () where the log has none."""

    looks: tuple[TrackLook, ...]
    edges: tuple[tuple[float, float], ...]

    def ends(self, look: TrackLook) -> tuple[float, float]:
        """What is left of the lowest and of the highest band; nan where there are none."""
        known = [v for v in look.band_residual if math.isfinite(v)]
        return (known[0], known[-1]) if known else (math.nan, math.nan)


def track_of(source: Source) -> Track:
    """The log in a model file. Raises UsageError where there is none, UnreadableError where it is not understood."""
    if source.suffix != ".safetensors":
        raise UsageError(
            f"{source.name!r} is not a model, and mode track shows the log of a run",
            "inr fit IN --track-ntk -o MODEL, then inr ntk MODEL --mode track",
        )
    document, _ = read_header(source)
    found = document.get("ntk_track")
    if not found:
        raise UsageError(
            f"{source.name!r} holds no log of its kernel, expected a model of a run with --track-ntk",
            "inr fit IN --track-ntk -o MODEL",
        )
    if not isinstance(found, dict):
        found = {"looks": found}
    return track_in({"edges": document.get("ntk_edges", ()), **found}, source.name)


def track_in(log: Mapping[str, Any], name: str) -> Track:
    """The log that a `Fit` holds. name: of its file. Raises UnreadableError where it is not understood."""
    try:
        return Track(tuple(map(_look, log["looks"])), tuple((float(a), float(b)) for a, b in log.get("edges", ())))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableError(f"the kernel's log in {name!r} is not understood: {error}", "update inr") from error


def _look(row: dict[str, Any]) -> TrackLook:
    return TrackLook(
        int(row["step"]),
        _number(row.get("seconds")),
        _number(row.get("loss")),
        _number(row.get("cka")),
        tuple(map(_number, row.get("band_residual") or ())),
        tuple(map(_number, row.get("kappa") or ())),
    )


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def draw_track(track: Track, suffix: str = ".png") -> bytes:
    """The bytes of a figure: what is left of each band over the run, the kernel by band, and its drift."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11, 3.8), layout="constrained")
        FigureCanvasAgg(figure)
        bands, kernel, drift = figure.subplots(1, 3)
        steps = [max(q.step, 0.7) for q in track.looks]
        last = len(track.looks) - 1
        colours = mpl.colormaps["viridis"]
        n_bands = max((len(q.band_residual) for q in track.looks), default=0)
        for b in range(n_bands):
            left = [100 * q.band_residual[b] if b < len(q.band_residual) else math.nan for q in track.looks]
            bands.plot(steps, left, color=colours(0.9 * b / max(n_bands - 1, 1)), linewidth=1.4)
        bands.set_xscale("log")
        bands.set_yscale("log")
        bands.set_xlabel("step")
        bands.set_title("Left of each band, % (dark: low)")
        for i, q in enumerate(track.looks):
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
        drift.plot(steps, [q.cka for q in track.looks], color=COLOURS[0], linewidth=1.8, marker="o", markersize=3)
        drift.set_xscale("log")
        drift.set_ylim(0, 1.02)
        drift.set_xlabel("step")
        drift.set_title("Kernel: alignment with its start")
        return to_bytes(figure, suffix)
