"""The HTML page of one or several fits: the result, its quality, the course of training, and how to repeat it."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping, Sequence
from html import escape as escape_html
from pathlib import Path

import torch

from inr.core.errors import UsageError
from inr.fitting import Fit
from inr.ntk.kernel_pictures import MOST_AXES, kernel_pictures
from inr.ntk.report import Report
from inr.ntk.track_log import track_in
from inr.report._entry import Entry, entries_of, with_ntk, with_unique_names
from inr.report._panel import Panel, PanelRow, document, escape
from inr.report._plots import curve_figures, spectrum_figure
from inr.report._svg import TEXT, inline
from inr.report._target import ShownSamples, Target, metrics_of, samples_of, targets_of
from inr.report._view import view_of
from inr.report.ntk_change import change_db, draw_ntk_change, is_comparable
from inr.report.ntk_figure import draw_ntk
from inr.report.ntk_film import film_element, track_frames
from inr.report.ntk_pictures import draw_kernel_pictures
from inr.report.ntk_track import draw_track
from inr.report.reproduce import command_of, settings_of
from inr.report.style import COLOURS, matplotlib
from inr.signals import Signal, Source
from inr.workflows.compare import is_higher_better

Model = Fit | Source | str | Path


def page(
    models: Model | Sequence[Model],
    *,
    signal: Signal | Source | str | Path | None = None,
    ntk: Sequence[str | Path] = (),
    title: str = "",
) -> str:
    """One self-contained HTML page of fits: it contains all pictures, figures and sounds.

    models: fits, model files (.safetensors, .inrz), folders of checkpoints, or folders of `inr batch`.
    signal: that they were fitted to. Default: the file that each model names, beside it or in the working folder. If it
    is not found, the page says so and has no targets, no errors, and the metrics in the model files.
    ntk: files written by `inr ntk --json`, besides those found beside a model (photo.ntk.json).
    title: of the page.

    Metrics are measured as by `inr eval`. The time of a fit is not in model files; it is taken from fits, checkpoints,
    manifests, or the output of `inr fit --json` beside a model (photo.json). Of lattices with more than 2^22 samples
    the middle is shown. Colour scales of errors end at the 99.9th percentile.
    Raises UnreadableError if a file is not a model, UsageError for a signal or a document that belongs to none of them.
    """
    given: Sequence[Model] = [models] if isinstance(models, Fit | Source | str | Path) else models
    entries = with_unique_names([entry for model in given for entry in entries_of(model)])
    if not entries:
        raise UsageError("no models were given, expected at least one")
    targets = targets_of(with_ntk(entries, ntk), signal)
    heading = title or _title(targets)
    body = [f"<h1>{escape(heading)}</h1>"]
    for target in targets:
        if len(targets) > 1:
            body.append(f"<h2>{escape(target.name)}</h2>")
        body += _of(target)
    body += _reproduction([entry for target in targets for entry in target.entries])
    return document(heading, body)


def _title(targets: Sequence[Target]) -> str:
    names = [target.name for target in targets]
    if len(names) > 3:
        return f"{len(names)} fits"
    entries = targets[0].entries
    if len(targets) > 1:
        return "Fits of " + ", ".join(names)
    return f"{names[0]}: {entries[0].family}" if len(entries) == 1 else f"{names[0]}: {len(entries)} fits"


def _of(target: Target) -> list[str]:
    """All sections about the fits to one signal."""
    samples = None if target.first.spec.shape is None else samples_of(target)
    rows, extra = view_of(target.first).rows(target, samples)
    metrics = [found | more for found, more in zip(metrics_of(target, samples), extra, strict=True)]
    out = [f"<p class=lead>{escape(_lead(target))}</p>"]
    out += [f"<p class=note>{escape(line)}</p>" for line in _notes(target, metrics)]
    if len(target.entries) == 1:
        out.append(_tiles(target.entries[0], metrics[0]))
    else:
        out.append(_table(target, metrics))
    out.append("<h2>Target and reconstruction</h2>" if target.signal is not None else "<h2>Reconstruction</h2>")
    if samples is not None and not samples.is_whole:
        middle = " x ".join(map(str, samples.shape))
        out.append(f"<p class=note>The middle of the signal, {middle} samples; the spectrum is of it too.</p>")
    out += [row.html() for row in rows]
    out += _plots(target, samples)
    out += _change(target.entries)
    for entry in target.entries:
        out += _track(entry, len(target.entries) > 1) + _kernel(entry, len(target.entries) > 1)
    return out


def _lead(target: Target) -> str:
    fit = target.first
    return ", ".join([fit.kind.noun, *view_of(fit).lead(fit)])


def _notes(target: Target, metrics: Sequence[Mapping[str, float]]) -> list[str]:
    lines = [target.why] if target.why else list(target.signal.notes if target.signal is not None else ())
    lines += view_of(target.first).notes(target.first)
    if target.signal is None:
        return lines
    for entry, found in zip(target.entries, metrics, strict=True):
        stored = entry.fit.metrics
        if any(not _alike(stored[name], found[name]) for name in stored.keys() & found.keys()):
            stated = ", ".join(_metric(name, stored[name]) for name in list(stored)[:1])
            lines.append(
                f"{entry.name} has another quality here than its file states ({stated}): the signal may differ."
            )
        if entry.fit.outcome not in ("done", "target_not_reached"):
            lines.append(f"{entry.name}: the run was {entry.fit.outcome} at step {entry.fit.steps}.")
    return lines


def _alike(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-2, abs_tol=1e-9) or (not math.isfinite(a) and not math.isfinite(b))


# -- pictures and figures


def _plots(target: Target, samples: ShownSamples | None) -> list[str]:
    names = [entry.name for entry in target.entries]
    panels = []
    if samples is not None and max(samples.shape) >= 8:
        rate = view_of(target.first).rate_hz(target.first)
        figure, caption = spectrum_figure(samples, names, rate)
        panels.append(Panel("Power by frequency", figure, caption))
    panels += [Panel(title, figure) for title, figure in curve_figures(target.entries)]
    if not panels:
        return []
    return ["<h2>By frequency, and during training</h2>", PanelRow("", panels, "plots").html()]


def _track(entry: Entry, is_one_of_many: bool) -> list[str]:
    log = entry.fit.ntk_track
    if not log or not log.get("looks"):
        return []
    mpl, track = matplotlib(), track_in(log)

    with mpl.rc_context(TEXT):
        figure = inline(draw_track(track, ".svg"), "bands during the fit", is_themed=False)
    text = (
        "The share left of each band of frequencies during the fit: a band turns dark when it is learned, the low ones "
        "first. The kernel says how fast each band is learned. Where its likeness to its start falls below 0.9, the "
        "field is changing what it learns with, and forecasts from its start no longer hold."
    )
    frames = track_frames(track)
    film = [] if not frames else [_wide(film_element(frames, "bands and kernel, step by step"), "light")]
    return [_heading("Bands during the fit", entry, is_one_of_many), f"<p>{text}</p>", _wide(figure, "light"), *film]


def _kernel(entry: Entry, is_one_of_many: bool) -> list[str]:
    report = entry.ntk
    if report is None:
        return []
    mpl = matplotlib()

    with mpl.rc_context(TEXT):
        figure = inline(draw_ntk(report, ".svg"), "the tangent kernel")
    sentences = "".join(f"<li>{escape(finding.text)}</li>" for finding in report.verdict.findings)
    lead = f"<p>{escape(_state(report))}</p>"
    out = [_heading("What the field can learn", entry, is_one_of_many), lead, f"<ul>{sentences}</ul>", _wide(figure)]
    return out + _kernel_pictures(entry.fit)


def _change(entries: Sequence[Entry]) -> list[str]:
    """Before and after, if exactly two fits have reports of the kernel on the same signal."""
    pair = [(entry.name, entry.ntk) for entry in entries if entry.ntk is not None]
    if len(pair) != 2:
        return []
    (first, before), (second, after) = pair
    if not is_comparable(before, after):
        return []
    with matplotlib().rc_context(TEXT):
        drawn = draw_ntk_change(before, after, ".svg", (first, second))
        figure = inline(drawn, "both forecasts, band by band", is_themed=False)
    gain = change_db(before, after)
    text = (
        f"What both fields are forecast to leave of each band, and how fast each band is learned. {second} leaves "
        f"{abs(gain):.1f} dB {'less' if gain >= 0 else 'more'} of the signal than {first}. Shaded: where 9 of 10 such "
        "forecasts were. A lower line on the left is a better fit; where the right ones differ, so do the kernels."
    )
    return ["<h2>Before and after the change</h2>", f"<p>{escape(text)}</p>", _wide(figure, "light")]


def _kernel_pictures(fit: Fit) -> list[str]:
    """The fitted field's kernel over pictures and sounds; nothing for other signals, or without memory for it."""
    shape = fit.spec.shape
    if shape is None or len(shape) > MOST_AXES:
        return []
    try:
        found = kernel_pictures(fit.field, shape)
    except UsageError:
        return []
    if len(shape) == 1:
        signs = "raises it where the line is above the middle, and lowers it where the line is below"
    else:
        signs = "raises it where the picture is red, lowers it in blue places, and leaves it alone in white ones"
    text = (
        "The kernel of the field as it is now, over the signal. First: a training step that raises the value at the "
        f"marked place {signs}. Below: the patterns that training changes fastest, the fastest first. A target that "
        "looks like them is learned early; detail that none of them has comes late."
    )
    with matplotlib().rc_context(TEXT):
        figure = inline(draw_kernel_pictures(found, ".svg"), "the kernel over the signal", is_themed=False)
    return [f"<p>{text}</p>", _wide(figure, "light")]


def _state(report: Report) -> str:
    when = "of the trained field" if report.state == "trained" else f"after {report.rehearsed} steps"
    return f"Predicted from the tangent kernel {when}, for {report.steps} more steps (inr ntk, mode {report.mode})."


def _heading(text: str, entry: Entry, is_one_of_many: bool) -> str:
    return f"<h2>{escape(f'{text}: {entry.name}' if is_one_of_many else text)}</h2>"


def _wide(figure: str, kind: str = "") -> str:
    return f'<figure class="wide {kind}">{figure}</figure>'


# -- numbers


def _facts(entry: Entry) -> list[tuple[str, str]]:
    fit = entry.fit
    rows = [
        ("field", entry.family),
        ("parameters", f"{fit.field.n_params:,}"),
        ("file", _bytes(entry.n_bytes)),
        *([("bits per sample", f"{8 * entry.n_bytes / math.prod(fit.spec.shape):.3f}")] if fit.spec.shape else []),
        ("steps", f"{fit.steps:,}"),
        ("time", "not known" if entry.seconds is None else _seconds(entry.seconds)),
    ]
    return rows


def _tiles(entry: Entry, metrics: Mapping[str, float]) -> str:
    facts = [(_label(name), _value(name, value)) for name, value in metrics.items()]
    tiles = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in [*facts, *_facts(entry)])
    return f"<dl class=facts>{tiles}</dl>"


def _table(target: Target, metrics: Sequence[Mapping[str, float]]) -> str:
    names = list(dict.fromkeys(name for found in metrics for name in found))
    facts = [_facts(entry) for entry in target.entries]
    best = {name: _best(name, [found.get(name, math.nan) for found in metrics]) for name in names}
    head = ["model", "field", *map(_label, names), *(label for label, _ in facts[0][1:])]
    lines = [f"<tr>{''.join(f'<th>{escape(label)}' for label in head)}</tr>"]
    for rank, (entry, found) in enumerate(zip(target.entries, metrics, strict=True)):
        colour = f"var(--c{rank})" if rank < len(COLOURS) else "var(--grey)"
        cells = [f'<i class=key style="background: {colour}"></i>{escape(entry.name)}', escape(entry.family)]
        for name in names:
            value = escape(_value(name, found[name])) if name in found else ""
            cells.append(f"<b>{value}</b>" if found.get(name) == best[name] else value)
        cells += [escape(value) for _, value in facts[rank][1:]]
        lines.append(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    return f"<h2>Side by side</h2><div class=card><table>{''.join(lines)}</table></div>"


def _best(name: str, values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return (max if is_higher_better(name) else min)(known, default=math.nan)


_LABELS = {
    "iou_shell": "IOU near the surface",
    "sign_error": "wrong sign",
    "sdf_mae": "mean distance error",
    "chamfer_l1": "Chamfer-L1",
    "surface_mae": "mean distance on the points",
    "normal_error_deg": "error of normals, degrees",
    "gradient_norm_error": "error of the gradient norm",
}


def _label(metric: str) -> str:
    name = metric.removesuffix("_db").replace("_", " ")
    return _LABELS.get(metric, name.upper() if len(name) < 5 else name)


def _value(name: str, value: float) -> str:
    if math.isnan(value):
        return "undefined"
    return f"{value:.2f} dB" if name.endswith("_db") else f"{value:.4g}"


def _metric(name: str, value: float) -> str:
    return f"{_label(name)} {_value(name, value)}"


def _bytes(n: int) -> str:
    return f"{n} B" if n < 1000 else f"{n / 1e3:,.1f} kB" if n < 999_950 else f"{n / 1e6:,.2f} MB"


def _seconds(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds < 100 else f"{seconds / 60:.1f} min"


# -- how to repeat it


def _reproduction(entries: Sequence[Entry]) -> list[str]:
    from inr._version import __version__

    out = ["<h2>Repeat the fit</h2>"]
    for entry in entries:
        fit = entry.fit
        if len(entries) > 1:
            out.append(f"<h3 class=row>{escape(entry.name)}</h3>")
        command = command_of(fit, f"{entry.name.partition(' ')[0]}.safetensors")
        if command is not None:
            out.append(f"<pre class=command>{escape(command)}</pre>")
        for what, origin in fit.provenance.items():
            name = origin.get("file") or origin.get("source") or "" if isinstance(origin, Mapping) else str(origin)
            words = f"{what.replace('_', ' ')} {name}".strip()
            out.append(f"<p class=note>{escape(words)}</p>")
        if entry.made_by:
            made = ", ".join(f"{package} {version}" for package, version in entry.made_by.items())
            out.append(f"<p class=note>{escape(f'The file was made by {made}; seed {fit.settings.seed}.')}</p>")
        out.append(f"<details><summary>All settings</summary><pre>{escape_html(settings_of(fit))}</pre></details>")
    versions = f"inr {__version__}, torch {torch.__version__.split('+')[0]}, Python {platform.python_version()}"
    made = f"Page made with {versions}. Options of the signal (--set signal.*) are not in model files."
    out.append(f"<p class=note>{escape(made)}</p>")
    return out
