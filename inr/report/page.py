"""The page of one or several fits: what was fitted, how well, how it went, and how to do it again."""

from __future__ import annotations

import math
import platform
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import torch

from inr._errors import UsageError
from inr.fitting import Fit
from inr.fitting.compare import is_higher_better
from inr.ntk.report import Report
from inr.report._entry import Entry, entries_of, told_apart, with_ntk
from inr.report._panel import Panel, Row
from inr.report._pictures import picture_rows
from inr.report._plots import curve_figures, spectrum_figure
from inr.report._reproduce import command_of, settings_of
from inr.report._shapes import shape_rows
from inr.report._sounds import sound_rows
from inr.report._style import COLOURS
from inr.report._svg import TEXT, inline
from inr.report._target import Samples, Target, metrics_of, samples_of, targets_of
from inr.report.ntk_figure import draw_ntk
from inr.report.ntk_track import draw_track, track_in
from inr.signals import Signal, Source

Model = Fit | Source | str | Path


def page(
    models: Model | Sequence[Model],
    *,
    signal: Signal | Source | str | Path | None = None,
    ntk: Sequence[str | Path] = (),
    title: str = "",
) -> str:
    """One self-contained HTML page of fits: pictures, figures and sounds are in it, and nothing is loaded.

    models: fits, model files (.safetensors, .inrz), folders of checkpoints, or folders that `inr batch` wrote.
    signal: what they were fitted to; by default the file that they name, beside them or in the working folder, and
    where there is none the page says so and has no targets, errors or fresh metrics.
    ntk: files that `inr ntk --json` wrote; those beside a model (photo.ntk.json) are found.
    title: of the page.

    Metrics are those of `inr eval` where there is a signal, else those in the model files. Seconds are not in model
    files; they are taken from the fits, checkpoints, manifests, or `inr fit --json` beside a model (photo.json).
    Lattices of more than 2^22 samples are shown by their middle; of errors with a colour scale, it ends at the value
    that one in a thousand is beyond.
    Raises UnreadableError for what is no model, UsageError for a signal or a document that belongs to none of them.
    """
    given: Sequence[Model] = [models] if isinstance(models, Fit | Source | str | Path) else models
    entries = told_apart([entry for model in given for entry in entries_of(model)])
    if not entries:
        raise UsageError("there are no models, expected at least one")
    targets = targets_of(with_ntk(entries, ntk), signal)
    heading = title or _title(targets)
    body = [f"<h1>{escape(heading)}</h1>"]
    for target in targets:
        if len(targets) > 1:
            body.append(f"<h2>{escape(target.name)}</h2>")
        body += _of(target)
    body += _reproduction([entry for target in targets for entry in target.entries])
    text = (Path(__file__).with_name("_page.html")).read_text("utf-8")
    parts = {"TITLE": escape(heading), "BODY": "\n".join(body)}
    return re.sub("TITLE|BODY", lambda found: parts[found[0]], text)


def _title(targets: Sequence[Target]) -> str:
    names = [target.name for target in targets]
    if len(names) > 3:
        return f"{len(names)} fits"
    entries = targets[0].entries
    if len(targets) > 1:
        return "Fits of " + ", ".join(names)
    return f"{names[0]}: {entries[0].family}" if len(entries) == 1 else f"{names[0]}: {len(entries)} fits"


def _of(target: Target) -> list[str]:
    """All sections of what was fitted to one signal."""
    samples = None if target.first.spec.shape is None else samples_of(target)
    rows, extra = _sights(target, samples)
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
        out.append(f"<p class=note>The middle of it, {middle} samples; so is the spectrum.</p>")
    out += [row.html() for row in rows]
    out += _plots(target, samples)
    for entry in target.entries:
        out += _track(entry, len(target.entries) > 1) + _kernel(entry, len(target.entries) > 1)
    return out


def _lead(target: Target) -> str:
    spec, domain = target.first.spec, target.first.frame.domain
    kinds = {"image": "picture", "audio": "sound", "shape": "shape", "points": "point cloud", "array": "array"}
    parts = [kinds[spec.kind]]
    if spec.kind == "audio" and spec.shape is not None:
        parts += [f"{domain.extent[0]:.3g} s", f"{spec.shape[0] / domain.extent[0]:,.0f} Hz"]
    elif spec.shape is not None:
        parts.append(" x ".join(map(str, spec.shape)) + f" {domain.unit}")
    else:
        parts.append(f"in a cube of side {domain.extent[0]:.3g}")
    if spec.shape is not None:
        parts.append("1 channel" if spec.d_out == 1 else f"{spec.d_out} channels")
    return ", ".join(parts)


def _notes(target: Target, metrics: Sequence[Mapping[str, float]]) -> list[str]:
    lines = [target.why] if target.why else list(target.signal.notes if target.signal is not None else ())
    if target.signal is None:
        return lines
    for entry, found in zip(target.entries, metrics, strict=True):
        stored = entry.fit.metrics
        if any(not _alike(stored[name], found[name]) for name in stored.keys() & found.keys()):
            said = ", ".join(_metric(name, stored[name]) for name in list(stored)[:1])
            lines.append(
                f"Against this signal {entry.name} does not do as its file says ({said}): it may be another version."
            )
        if entry.fit.outcome not in ("done", "target_not_reached"):
            lines.append(f"{entry.name}: the run was {entry.fit.outcome} at step {entry.fit.steps}.")
    return lines


def _alike(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-2, abs_tol=1e-9) or (not math.isfinite(a) and not math.isfinite(b))


# -- what is shown


def _sights(target: Target, samples: Samples | None) -> tuple[list[Row], list[dict[str, float]]]:
    names = [entry.name for entry in target.entries]
    fits = [entry.fit for entry in target.entries]
    if samples is None:
        return shape_rows(target.signal, fits, names)
    nothing: list[dict[str, float]] = [{} for _ in fits]
    fit = target.first
    if len(samples.shape) == 1:
        meta = dict(fit.meta) if fit.spec.kind == "audio" else None
        return sound_rows(samples.target, samples.fitted, names, meta), nothing
    (low, high), unit = _range(fit, samples)
    rows = picture_rows(
        None if samples.target is None else _flat(samples.target, low, high),
        [_flat(values, low, high) for values in samples.fitted],
        names,
        unit,
    )
    return rows, nothing


def _range(fit: Fit, samples: Samples) -> tuple[tuple[float, float], str]:
    """What is black and white, and what an error of 1 is then."""
    if fit.spec.kind == "image" and fit.meta.get("dtype") != "float32":
        return (0.0, 1.0), " of white"
    shown = samples.fitted[0] if samples.target is None else samples.target
    return (float(shown.min()), float(shown.max())), " of the range"


def _flat(values: Any, low: float, high: float) -> Any:
    """[rows, columns, 1 to 4] in [0, 1]: the middle of leading axes, and the first of many channels."""
    while values.ndim > 3:
        values = values[values.shape[0] // 2]
    values = values if values.shape[-1] <= 4 else values[..., :1]
    return (values - low) / ((high - low) or 1.0)


def _plots(target: Target, samples: Samples | None) -> list[str]:
    names = [entry.name for entry in target.entries]
    panels = []
    if samples is not None and max(samples.shape) >= 8:
        rate = float(target.first.meta["rate_hz"]) if target.first.spec.kind == "audio" else None
        figure, said = spectrum_figure(samples, names, rate)
        panels.append(Panel("Power by frequency", figure, said))
    panels += [Panel(title, figure) for title, figure in curve_figures(target.entries)]
    if not panels:
        return []
    return ["<h2>By frequency, and on the way</h2>", Row("", panels, "plots").html()]


def _track(entry: Entry, is_one_of_many: bool) -> list[str]:
    log = entry.fit.ntk_track
    if not log or not log.get("looks"):
        return []
    import matplotlib as mpl

    with mpl.rc_context(TEXT):
        figure = inline(draw_track(track_in(log, entry.name), ".svg"), "bands while fitting", is_themed=False)
    said = "What was left of each band of frequencies during the fit, and how fast the tangent kernel learned each."
    return [_heading("Bands while fitting", entry, is_one_of_many), f"<p>{said}</p>", _wide(figure, "light")]


def _kernel(entry: Entry, is_one_of_many: bool) -> list[str]:
    report = entry.ntk
    if report is None:
        return []
    import matplotlib as mpl

    with mpl.rc_context(TEXT):
        figure = inline(draw_ntk(report, ".svg"), "the tangent kernel")
    sentences = "".join(f"<li>{escape(finding.text)}</li>" for finding in report.verdict.findings)
    lead = f"<p>{escape(_state(report))}</p>"
    return [_heading("What it can learn", entry, is_one_of_many), lead, f"<ul>{sentences}</ul>", _wide(figure)]


def _state(report: Report) -> str:
    seen = "of the trained field" if report.state == "trained" else f"after {report.rehearsed} steps"
    return f"By its tangent kernel {seen}, for {report.steps} steps to come (inr ntk, mode {report.mode})."


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
    "gradient_norm_error": "error of the slope",
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


# -- again


def _reproduction(entries: Sequence[Entry]) -> list[str]:
    from inr import __version__

    out = ["<h2>Do it again</h2>"]
    for entry in entries:
        fit = entry.fit
        if len(entries) > 1:
            out.append(f"<h3 class=row>{escape(entry.name)}</h3>")
        command = command_of(fit, f"{entry.name.partition(' ')[0]}.safetensors")
        if command is not None:
            out.append(f"<pre class=command>{escape(command)}</pre>")
        for what, origin in fit.provenance.items():
            said = origin.get("file") or origin.get("source") or "" if isinstance(origin, Mapping) else str(origin)
            words = f"{what.replace('_', ' ')} {said}".strip()
            out.append(f"<p class=note>{escape(words)}</p>")
        if entry.made_by:
            made = ", ".join(f"{package} {version}" for package, version in entry.made_by.items())
            out.append(f"<p class=note>{escape(f'The file was made by {made}; seed {fit.settings.seed}.')}</p>")
        out.append(f"<details><summary>All settings</summary><pre>{escape(settings_of(fit))}</pre></details>")
    versions = f"inr {__version__}, torch {torch.__version__.split('+')[0]}, Python {platform.python_version()}"
    made = f"Page made with {versions}. Options of the signal (--set signal.*) are not in model files."
    out.append(f"<p class=note>{escape(made)}</p>")
    return out
