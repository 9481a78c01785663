"""Figures of spectral-bias reports: what is learned by frequency, the kernel, and the accuracy of predictions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from inr.ntk.report import UNCHANGED, Band, Curvature, Masses, Report
from inr.ntk.verdict import percent
from inr.report._band_heat import draw_heat
from inr.report.style import COLOURS, FAINT, GREY, INK, SOFT, STYLE, colour, literal, matplotlib, to_bytes

LEARNED_COLOUR, LEFT_COLOUR = COLOURS[0], COLOURS[1]
FLOOR_DB = -90.0


def draw_ntk(report: Report, suffix: str = ".png", *, title: str = "") -> bytes:
    """The bytes of a figure of one report. suffix: one of `FIGURE_FORMATS`.

    Top: the target's power by frequency with the parts forecast as learned and as left, with intervals around what is
    left, and the kernel by frequency. Below: the kernel's eigenvalues with the target's cumulative energy, and
    predicted against actual runs (mode full), or the trials, or the layers' shares of the kernel's trace. If the whole
    run was rehearsed, also the bands over its steps as a heat map, and what is left of the whole signal over them. In
    mode full also the density of the loss' curvature, and the layers' shares.
    """
    mpl = matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        has_course = report.rehearsal is not None and bool(report.bands)
        rows = 2 + has_course + (report.curvature is not None)
        figure = Figure(figsize=(11, 1.0 + 3.2 * rows), layout="constrained")
        FigureCanvasAgg(figure)
        _leave(figure, 1 - 0.74 / (1.0 + 3.2 * rows))
        (power, kernel), (modes, last), *more = figure.subplots(rows, 2)
        if has_course:
            heat, course = more[0]
            _draw_course(figure, heat, course, report)
        if report.curvature is not None:
            _draw_curvature(more[-1][0], report.curvature)
            _draw_layers(more[-1][1], report)
        if report.bands:
            _draw_power(power, report)
            _draw_kernel(kernel, [report], [LEARNED_COLOUR])
        else:
            for axes in (power, kernel):
                _say(axes, "no bands: the signal is not a lattice")
        _draw_modes(modes, report)
        if report.convergence:
            _draw_convergence(last, report)
        else:
            _draw_sources(last, report)
        _head(figure, title or f"{report.field} on {report.signal or 'a signal'}", _subtitle(report))
        return to_bytes(figure, suffix)


def draw_ntks(reports: Sequence[Report], suffix: str = ".png", *, title: str = "") -> bytes:
    """The bytes of a figure of several fields on one signal: what each leaves, and their kernels."""
    mpl = matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    hues = [colour(i) for i in range(len(reports))]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11, 7.0), layout="constrained")
        FigureCanvasAgg(figure)
        _leave(figure, 0.94)
        (left, kernel), (modes, bars) = figure.subplots(2, 2)
        _draw_left(left, reports, hues)
        _draw_kernel(kernel, reports, hues)
        for report, hue in zip(reports, hues, strict=True):
            share = [k / report.modes.size for k in report.modes.at]
            modes.plot(share, [100 * e for e in report.modes.energy], color=hue, linewidth=1.8)
        modes.set_xscale("log")
        modes.set_xlabel("share of the kernel's modes, largest first")
        modes.set_title("Energy of the target in the leading modes, %")
        modes.set_ylim(0, 102)
        _draw_shares(bars, reports, hues)
        name = reports[0].signal or "a signal"
        _head(figure, title or f"What {len(reports)} fields can learn of {name}", "")
        return to_bytes(figure, suffix)


def _leave(figure: Any, height: float) -> None:
    figure.get_layout_engine().set(rect=(0, 0, 1, height), h_pad=0.08, w_pad=0.08)


def _head(figure: Any, title: str, subtitle: str) -> None:
    import textwrap

    first, second = (1 - inches / figure.get_figheight() for inches in (0.13, 0.42))
    figure.text(0.012, first, literal(title), fontsize=13, fontweight="bold", va="top", color=INK)
    figure.text(0.012, second, "\n".join(textwrap.wrap(literal(subtitle), 150)[:2]), fontsize=9, va="top", color=SOFT)


def _subtitle(report: Report) -> str:
    found = [f.text for f in report.verdict.findings if f.rule in ("unlearned", "exact")]
    return " ".join(found)


def _say(axes: Any, text: str) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", color=SOFT, transform=axes.transAxes)


def _inner(bands: Sequence[Band]) -> list[Band]:
    """All bands but the constant."""
    return [b for b in bands if b.rho > 0]


def _frequencies(axes: Any, bands: Sequence[Band]) -> None:
    axes.set_xscale("log")
    axes.set_xlim(bands[0].low, bands[-1].high)
    axes.set_xlabel("frequency, cycles per sample")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(lambda value, _: "")


def _db(value: float) -> float:
    return max(FLOOR_DB, 10 * math.log10(value)) if value > 0 else FLOOR_DB


def _draw_power(axes: Any, report: Report) -> None:
    bands = _inner(report.bands)
    x = [b.rho for b in bands]
    density = [b.target_energy / b.count for b in bands]
    top = max(density) or 1.0
    target = [_db(d / top) for d in density]
    after = [_db(d * b.left_adam / top) for d, b in zip(density, bands, strict=True)]
    bottom = min(min(target), -40.0) - 6
    after_shown = [max(bottom, a) for a in after]
    axes.fill_between(x, bottom, after_shown, color=LEFT_COLOUR, alpha=0.55, linewidth=0, label="left")
    axes.fill_between(x, after_shown, target, color=LEARNED_COLOUR, alpha=0.28, linewidth=0, label="learned")
    if any(math.isfinite(b.left_high) for b in bands):
        low, high = (
            [max(bottom, _db(d * e / top)) for d, e in zip(density, ends, strict=True)]
            for ends in ([b.left_low for b in bands], [b.left_high for b in bands])
        )
        axes.fill_between(
            x,
            low,
            [min(h, 3.0) for h in high],
            color=COLOURS[3],
            alpha=0.3,
            linewidth=0,
            label="9 of 10 such forecasts",
        )
    axes.plot(x, target, color=INK, linewidth=1.8)
    axes.plot(x, after_shown, color=LEFT_COLOUR, linewidth=1.6)
    _frequencies(axes, bands)
    axes.set_ylim(bottom, 3)
    axes.set_title("Power of the target, and what is left of it, dB")
    axes.annotate(
        "target", (x[len(x) // 3], target[len(x) // 3]), xytext=(6, 6), textcoords="offset points", color=INK,
        fontweight="bold",
    )  # fmt: skip
    missing = [b for b in bands if not b.is_learned]
    if missing:
        edge = missing[0].low
        is_at_left = edge <= 1.5 * bands[0].low
        axes.axvline(edge, color=LEFT_COLOUR, linewidth=1.0, linestyle=(0, (4, 3)))
        axes.annotate(
            f"not learned\nfrom {missing[0].rho:.3g} on", (edge, 0.04), xycoords=("data", "axes fraction"),
            xytext=(5 if is_at_left else -5, 0), textcoords="offset points", ha="left" if is_at_left else "right",
            color=INK if is_at_left else LEFT_COLOUR, fontweight="bold", fontsize=8.5,
        )  # fmt: skip
    axes.legend(frameon=False, loc="upper right", handlelength=1.2, fontsize=8.5)


def _draw_course(figure: Any, heat: Any, course: Any, report: Report) -> None:
    """The rehearsal's forecast over the steps."""
    rehearsal = report.rehearsal
    assert rehearsal is not None
    edges = [(b.low, b.high) for b in report.bands]
    draw_heat(figure, heat, rehearsal.steps, rehearsal.left, edges, "Forecast: left of each band, dB")
    total = sum(b.target_energy for b in report.bands) or 1.0
    weights = [b.target_energy / total for b in report.bands]
    curve = [sum(w * e for w, e in zip(weights, row, strict=True)) for row in rehearsal.left]
    course.plot([max(s, 0.7) for s in rehearsal.steps], [_db(v) for v in curve], color=LEFT_COLOUR, linewidth=1.8)
    course.set_xscale("log")
    course.set_xlabel("step")
    course.set_title("Forecast: left of the signal, dB")


def _draw_kernel(axes: Any, reports: Sequence[Report], hues: Sequence[str]) -> None:
    shown = [(r, h) for r, h in zip(reports, hues, strict=True) if r.bands]
    lowest = 0.0
    for report, hue in shown:
        bands = _inner(report.bands)
        top = max(b.kappa for b in report.bands)
        x, y = [b.rho for b in bands], [_db(b.kappa / top) for b in bands]
        low = [_db(max(b.kappa - 2 * b.kappa_error, 0) / top) for b in bands]
        high = [_db((b.kappa + 2 * b.kappa_error) / top) for b in bands]
        axes.fill_between(x, low, high, color=hue, alpha=0.15, linewidth=0)
        axes.plot(x, y, color=hue, linewidth=1.8)
        lowest = min(lowest, min(y))
        if len(shown) == 1:
            _draw_adam(axes, bands, x, max(b.kappa_adam for b in report.bands))
            if report.roll_off is not None:
                axes.axvline(report.roll_off, color=GREY, linewidth=1.0, linestyle=(0, (4, 3)))
                axes.annotate(
                    f"-20 dB at {report.roll_off:.3g}", (report.roll_off, 0.04), xycoords=("data", "axes fraction"),
                    xytext=(-5, 0), textcoords="offset points", ha="right", color=SOFT, fontsize=8.5,
                )  # fmt: skip
            if math.isfinite(report.centroid):
                axes.plot([report.centroid], [1.0], marker="v", color=INK, markersize=6, clip_on=False)
                axes.annotate(
                    "target's centroid", (report.centroid, 1.0), xytext=(7, -3), textcoords="offset points",
                    color=INK, fontsize=8,
                )  # fmt: skip
    if shown:
        _frequencies(axes, _inner(shown[0][0].bands))
    axes.set_ylim(max(FLOOR_DB, lowest - 4), 4)
    axes.set_title("Kernel by frequency: how fast it learns, dB")


def _draw_adam(axes: Any, bands: Sequence[Band], x: list[float], everything: float) -> None:
    top = max([*(b.kappa_adam for b in bands), everything])
    if top <= 0:
        return
    axes.plot(x, [_db(b.kappa_adam / top) for b in bands], color=COLOURS[3], linewidth=1.4, linestyle=(0, (5, 2)))
    axes.plot([], [], color=LEARNED_COLOUR, linewidth=1.8, label="gradient descent")
    axes.plot([], [], color=COLOURS[3], linewidth=1.4, linestyle=(0, (5, 2)), label="Adam")
    axes.legend(frameon=False, loc="lower left", fontsize=8.5)


def _draw_modes(axes: Any, report: Report) -> None:
    m = report.modes
    index = list(m.at)
    floor = max(m.values[0] * 1e-16, 1e-300)
    axes.plot(index, [max(v, floor) for v in m.values], color=LEARNED_COLOUR, linewidth=1.8)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("mode")
    axes.set_title("Kernel's eigenvalues, target's energy in the first k")
    if m.floor_index < m.size:
        axes.axvspan(m.floor_index + 1, m.size, color=FAINT, zorder=0)
        axes.annotate(
            "rounding", (m.floor_index + 1, 0.92), xycoords=("data", "axes fraction"), xytext=(4, 0),
            textcoords="offset points", color=SOFT, fontsize=8,
        )  # fmt: skip
    other = axes.twinx()
    other.plot(index, [100 * e for e in m.energy], color=LEFT_COLOUR, linewidth=1.8)
    other.set_ylim(0, 102)
    other.grid(visible=False)
    other.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    other.tick_params(axis="y", labelcolor=LEFT_COLOUR)
    axes.tick_params(axis="y", labelcolor=LEARNED_COLOUR)
    r = m.ranks
    axes.annotate(
        f"effective rank {r.entropy:.3g} of {m.size}\nKTA {m.kta:.2f}", (0.42, 0.05), xycoords="axes fraction",
        color=SOFT, fontsize=8.5,
    )  # fmt: skip


def _draw_convergence(axes: Any, report: Report) -> None:
    names = {"gd": "gradient descent", "adam": "Adam"}
    for run in report.convergence:
        hue = COLOURS[0] if run.optimizer == "gd" else COLOURS[3]
        start = run.actual[0] or 1.0
        steps = [max(s, 0.7) for s in run.steps]
        axes.plot(steps, [a / start for a in run.actual], color=hue, linewidth=2.0)
        axes.plot(steps, [p / start for p in run.predicted], color=hue, linewidth=1.4, linestyle=(0, (5, 2)))
        axes.plot([], [], color=hue, linewidth=6, alpha=0.8, label=names.get(run.optimizer, run.optimizer))
        for octave in run.octaves[:6] if run.optimizer == "gd" else ():
            axes.plot(steps, [max(v, 1e-12) for v in octave.actual], color=hue, linewidth=0.7, alpha=0.45)
            axes.plot(
                steps, [max(v, 1e-12) for v in octave.predicted], color=hue, linewidth=0.7, alpha=0.45,
                linestyle=(0, (5, 2)),
            )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    lows = [v / (c.actual[0] or 1.0) for c in report.convergence for v in (*c.actual, *c.predicted) if v > 0]
    axes.set_ylim(max(min([*lows, 1.0]) / 3, 1e-8), 2)
    axes.set_xlabel("step, all points of the matrix in each")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.plot([], [], color=INK, linewidth=2.0, label="what happened")
    axes.plot([], [], color=INK, linewidth=1.4, linestyle=(0, (5, 2)), label="what the kernel predicted")
    axes.plot([], [], color=COLOURS[0], linewidth=0.7, alpha=0.6, label="its modes by octave")
    axes.legend(loc="lower left", fontsize=8, framealpha=0.9, edgecolor="none")
    axes.set_title("Loss, of its start")


def _draw_sources(axes: Any, report: Report) -> None:
    """Bars: the unlearned share of each trial, or the layers' shares of the trace if there are no trials."""
    if len(report.trials) > 1:
        if any(math.isfinite(t.gain_db) for t in report.trials):
            _draw_gains(axes, report)
            return
        trials = report.trials[:7]
        values = [100 * t.unlearned for t in trials]
        hues = [LEFT_COLOUR if t.setting == UNCHANGED else LEARNED_COLOUR for t in trials]
        _bars(axes, [t.setting for t in trials], values, hues, [percent(t.unlearned) for t in trials])
        axes.set_title("Left unlearned, as it is and with a setting changed")
        return
    _draw_layers(axes, report)


def _draw_layers(axes: Any, report: Report) -> None:
    layers = sorted(report.layers.items(), key=lambda item: -item[1])[:8]
    names = [name.removeprefix("body.").removesuffix(".linear") for name, _ in layers]
    shares = [percent(v) for _, v in layers]
    _bars(axes, names, [100 * v for _, v in layers], [LEARNED_COLOUR] * len(layers), shares)
    axes.set_title("Where the kernel comes from: shares of its trace")


def _draw_curvature(axes: Any, curvature: Curvature) -> None:
    """The densities of eigenvalues per decade of their size, smoothed."""
    found = [("Gauss-Newton", curvature.gauss_newton, 1, COLOURS[0])]
    if curvature.hessian is not None:
        found += [("Hessian", curvature.hessian, 1, COLOURS[1]), ("Hessian, negative", curvature.hessian, -1, GREY)]
    top = max(abs(v) for _, masses, _, _ in found for v in masses.values) or 1.0
    sizes = [top * 10 ** (-CURVATURE_DECADES * (1 - i / 240)) * 10**0.3 for i in range(241)]
    for name, masses, sign, hue in found:
        axes.plot(
            sizes,
            [max(_per_decade(masses, sign, size), 1e-9) for size in sizes],
            color=hue,
            linewidth=1.8 if sign > 0 else 1.2,
            linestyle="-" if sign > 0 else (0, (5, 2)),
            label=name,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(1e-6, 50)  # room for the legend
    axes.set_xlabel("size of the eigenvalue")
    axes.legend(frameon=False, fontsize=8, loc="upper right")
    axes.set_title("Curvature of the loss: directions per decade, share")


CURVATURE_DECADES, CURVATURE_WIDTH = 7, 0.12


def _per_decade(masses: Masses, sign: int, size: float) -> float:
    """The share of eigenvalues of a sign per decade, around a size: each mass is a Gaussian in the logarithm."""
    total = 0.0
    for value, weight in zip(masses.values, masses.weights, strict=True):
        if value * sign > 0:
            away = math.log10(value * sign / size) / CURVATURE_WIDTH
            total += weight * math.exp(-0.5 * away * away) / (CURVATURE_WIDTH * math.sqrt(2 * math.pi))
    return total


def _draw_gains(axes: Any, report: Report) -> None:
    """Before and after each change that was rehearsed: how much less it leaves, in dB."""
    trials = [t for t in report.trials if t.setting != UNCHANGED and math.isfinite(t.gain_db)][:7]
    values = [t.gain_db for t in trials]
    hues = [LEARNED_COLOUR if v > 0 else LEFT_COLOUR for v in values]
    _bars(axes, [t.setting for t in trials], values, hues, [f"{v:+.1f} dB" for v in values])
    axes.set_xlim(1.35 * min(0.0, *values), 1.35 * max(0.1, *values))
    axes.set_title("With a setting changed: less left, dB")


def _bars(axes: Any, names: Sequence[str], values: Sequence[float], hues: Sequence[str], texts: Sequence[str]) -> None:
    places = range(len(names))
    axes.barh(places, values, color=hues, height=0.62)
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.xaxis.set_visible(False)
    for side in ("bottom", "left"):
        axes.spines[side].set_visible(False)
    axes.set_xlim(0, (max(values) or 1.0) * 1.25)
    for place, value, text in zip(places, values, texts, strict=True):
        axes.annotate(
            text, (max(value, 0), place), xytext=(5, 0), textcoords="offset points", va="center", color=INK,
            fontweight="bold",
        )  # fmt: skip


def _draw_left(axes: Any, reports: Sequence[Report], hues: Sequence[str]) -> None:
    for report, hue in zip(reports, hues, strict=True):
        bands = _inner(report.bands)
        axes.plot([b.rho for b in bands], [100 * min(b.left_adam, 1.0) for b in bands], color=hue, linewidth=2.0)
    shown = [r for r in reports if r.bands]
    if shown:
        bands = _inner(shown[0].bands)
        _frequencies(axes, bands)
        total = sum(b.target_energy for b in bands) or 1.0
        widest = max(b.target_energy for b in bands) or total
        axes.bar(
            [b.low for b in bands], [25 * b.target_energy / widest for b in bands],
            width=[b.high - b.low for b in bands], align="edge", color=FAINT, zorder=0,
        )  # fmt: skip
        axes.annotate(
            "grey: energy of the target", (0.02, 0.3), xycoords="axes fraction", color=SOFT, fontsize=8,
        )  # fmt: skip
    axes.axhline(50, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.set_ylim(0, 103)
    axes.set_title("Left of each band after the run, %")


def _draw_shares(axes: Any, reports: Sequence[Report], hues: Sequence[str]) -> None:
    values = [100 * r.verdict.unlearned if math.isfinite(r.verdict.unlearned) else 0.0 for r in reports]
    texts = [f"{percent(r.verdict.unlearned)}   {r.n_params:,} params" for r in reports]
    _bars(axes, [r.field for r in reports], values, hues, texts)
    axes.set_xlim(0, (max(values) or 1.0) * 1.7)
    axes.set_title("Energy of the target in bands that are not learned")
