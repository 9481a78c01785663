"""`inr ntk`: what a field can learn of a signal, and what not, told by its tangent kernel."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inr._errors import UsageError, unknown_name

from . import _options as options
from ._io import Target, source
from ._machine import machine
from ._output import Output, human_seconds

if TYPE_CHECKING:
    from inr.ntk.report import Report
    from inr.signals import Source

MODES = ("quick", "full", "track")


def ntk(
    input: Annotated[str, typer.Argument(metavar="IN", help="A signal, or a model written by inr fit; - reads stdin.")],
    of: Annotated[
        str | None,
        typer.Option(
            "--signal",
            metavar="FILE",
            help="For a model: the signal that it was fitted to.",
            rich_help_panel=options.INPUT,
        ),
    ] = None,
    mode: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="quick; full: also predicted against actual; track: the log of inr fit --track-ntk.",
            rich_help_panel=options.VIEW,
        ),
    ] = "quick",
    field: Annotated[
        str | None, options.family("Field family; see inr fields. Default: what inr fit would take.")
    ] = None,
    compare: Annotated[
        str | None,
        typer.Option(
            "--compare",
            metavar="A,B,...",
            help="Several families on one signal; see inr fields.",
            rich_help_panel=options.MODEL,
        ),
    ] = None,
    settings: options.Settings = None,
    kind: options.Kind = None,
    points: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Points of the kernel's matrix. Default: 256, full: 512 to 1024.",
            rich_help_panel=options.VIEW,
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Length of the run that is forecast. Default: the family's.", rich_help_panel=options.VIEW
        ),
    ] = None,
    rehearse: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Steps before the kernel is read. Default: a tenth of the run, 50 at most; full: a quarter, 250.",
            rich_help_panel=options.VIEW,
        ),
    ] = None,
    no_trials: Annotated[
        bool,
        typer.Option("--no-trials", help="Do not look for better settings.", rich_help_panel=options.VIEW),
    ] = False,
    seed: options.Seed = None,
    output: options.Figure = None,
    force: options.Force = False,
    as_json: options.Json = False,
    is_quiet: options.Quiet = False,
    verbosity: options.Verbose = 0,
    no_progress: options.NoProgress = False,
    device: options.Device = "auto",
    threads: options.Threads = None,
    backend: options.Backend = None,
) -> None:
    """Tell what a field can learn of a signal within a run, and what to change.

    The tangent kernel says how fast each frequency is learned. It is read after a short rehearsal of the fit, compared
    with the signal's spectrum, and followed to the end of the run; settings that may reach more are tried the same way.
    Where the kernel changed in the rehearsal the verdict is an upper bound on what is left, and says so.

    \b
    inr ntk photo.png --field siren --figure ntk.png
    inr ntk photo.png --compare siren,finer,hash_grid --figure fields.png
    inr ntk photo.safetensors --signal photo.png
    inr ntk photo.png --field siren --set field.activation.omega=60 --steps 2000 --json
    inr ntk photo.safetensors --mode track
    """
    out = Output(as_json, is_quiet, verbosity)
    if mode not in MODES:
        raise unknown_name("mode", mode, MODES)
    for name, value, least in (("points", points, 4), ("steps", steps, 1), ("rehearse", rehearse, 0)):
        if value is not None and value < least:
            raise UsageError(f"--{name} is {value}, expected a whole number >= {least}")
    with machine(device, threads, backend) as chosen:
        from inr.report import FIGURE_FORMATS

        given = source(input)
        target = None if output is None else Target.of(output, "", force=force, suffixes=FIGURE_FORMATS)
        if mode == "track":
            _track(out, given, input, target)
            return
        flags = {k: v for k, v in {"steps": steps, "seed": seed}.items() if v is not None}
        say = _Talk(is_shown=not (no_progress or is_quiet or as_json))
        wants: dict[str, Any] = {
            "mode": mode, "points": points, "rehearse": rehearse, "try_settings": not no_trials and compare is None,
            "device": chosen, "say": say,
        }  # fmt: skip
        if given.suffix == ".safetensors":
            reports = [_of_model(given, input, of, kind, field, compare, settings or [], flags, out, wants)]
        else:
            if of is not None:
                raise UsageError("--signal is for a model, but IN is a signal", f"inr ntk {input}")
            names = _names(compare, field)
            reports = []
            for family in names:
                say.family = family if family is not None and len(names) > 1 else ""
                reports.append(_of_signal(given, input, family, kind, settings or [], flags, out, wants))
        if target is not None:
            _draw(reports, target)
    _say(out, reports, target)


class _Talk:
    """What is being done, one line each on stderr, with the seconds since the start."""

    def __init__(self, *, is_shown: bool) -> None:
        self._is_shown, self._start, self.family = is_shown, time.monotonic(), ""

    def __call__(self, part: str) -> None:
        if self._is_shown:
            name = f"{self.family}: " if self.family else ""
            typer.echo(f"{time.monotonic() - self._start:6.1f} s  {name}{part}", err=True)


def _names(compare: str | None, field: str | None) -> list[str | None]:
    if compare is None:
        return [field]
    from inr.fields import FIELDS

    names = [name.strip() for name in compare.split(",") if name.strip()]
    if field is not None:
        raise UsageError("--compare and --field are both given, expected one of them")
    if len(set(names)) != len(names) or not names:
        raise UsageError(f"--compare is {compare!r}, expected different families, separated by commas")
    for name in names:
        FIELDS[name]
    return list(names)


def _of_signal(
    given: Source,
    input: str,
    field: str | None,
    kind: str | None,
    settings: list[str],
    flags: dict[str, Any],
    out: Output,
    wants: dict[str, Any],
) -> Report:
    from inr.fitting.request import Request
    from inr.report import ntk_report
    from inr.signals import default_field_of, load_signal

    request = Request.of(lambda k: default_field_of(given, k), None, field, settings, flags, kind)
    signal = load_signal(given, request.kind, request.signal_options)
    signal.name = signal.name or input
    out.notes(signal.notes)
    config, fit = request.resolve(signal)
    return ntk_report(signal, config, fit, **wants)


def _of_model(
    given: Source,
    input: str,
    of: str | None,
    kind: str | None,
    field: str | None,
    compare: str | None,
    settings: list[str],
    flags: dict[str, Any],
    out: Output,
    wants: dict[str, Any],
) -> Report:
    from inr._config import override, parse
    from inr._errors import ConfigError
    from inr.fitting import Fit, FitConfig
    from inr.fitting.request import by_section
    from inr.report import ntk_report
    from inr.signals import load_signal

    if field is not None or compare is not None:
        raise UsageError(
            "IN is a model, whose field is what it is", "give the signal instead, with --field or --compare"
        )
    fit = Fit.load(given)
    if of is None:
        raise UsageError(
            f"{input!r} is a model, and what it can learn is asked of a signal, expected --signal FILE",
            f"it was fitted to {fit.source!r}" if fit.source else None,
        )
    problems: list[str] = []
    assigned = by_section(settings, problems)
    if assigned["field"]:
        problems.append("--set field.*: a model's field is what it is")
    if problems:
        raise ConfigError(problems)
    options_ = dict(text.split("=", 1) for text in assigned["signal"])
    signal = load_signal(source(of), kind, options_)
    signal.name = signal.name or of
    out.notes(signal.notes)
    chosen = parse(FitConfig, flags, "fit", override(fit.settings, assigned["fit"], "fit"))
    return ntk_report(signal, fit, chosen, **wants)


def _draw(reports: Sequence[Report], target: Target) -> None:
    from inr.report import draw_ntk, draw_ntks

    assert target.path is not None
    suffix = target.path.suffix.lower()
    target.write(draw_ntk(reports[0], suffix) if len(reports) == 1 else draw_ntks(reports, suffix))


def _say(out: Output, reports: Sequence[Report], target: Target | None) -> None:
    figure = None if target is None else target.name
    if out.as_json:
        documents = [r.document() for r in reports]
        if len(reports) == 1:
            out.result("ntk", documents[0] | {"figure": figure}, "", "")
        else:
            out.result("ntk_compare", {"fields": documents, "figure": figure}, "", "")
        return
    if out.is_quiet:
        for r in reports:
            typer.echo(f"{r.verdict.unlearned:.6g}")
        return
    if len(reports) == 1:
        _say_one(out, reports[0])
    else:
        _say_several(out, reports)
    for r in reports:
        for warning in r.warnings:
            out.note(f"note: {r.field}: {warning}" if len(reports) > 1 else f"note: {warning}")
    if figure is not None:
        typer.echo(f"figure: {figure}")


def _say_one(out: Output, r: Report) -> None:
    m = r.modes
    told = "trained" if r.state == "trained" else f"after {r.rehearsed} steps" if r.rehearsed else "at its start"
    typer.echo(f"{r.field} on {r.signal}, {told}: {r.n_params:,} parameters, {r.steps} steps to come\n")
    rows = [
        ("effective rank", f"{m.ranks.entropy:.4g} of {m.size}", "modes that make up the kernel"),
        ("stable rank", f"{m.ranks.stable:.4g}", "trace over the largest eigenvalue"),
        ("condition", f"{m.condition_target:.3g}", "to learn 99 % of the target"),
        ("90 % of the target", f"{m.energy90} modes", f"the first ten hold {100 * m.top10:.3g} %"),
        ("alignment", f"{m.kta:.3f}", f"KTA; centred {m.cka_target:.3f}, label-gradient {m.lga:.3f}"),
        ("largest stable rate", f"{2 * r.stable_lr:.3g}", f"of gradient descent; sharpness {r.sharpness:.3g}"),
    ]
    if r.roll_off is not None:
        rows.append(("roll-off", f"{r.roll_off:.3g}", f"cycles per sample, -20 dB; target's centroid {r.centroid:.3g}"))
    elif r.bands:
        rows.append(("roll-off", "none", f"within 20 dB to the corner; target's centroid {r.centroid:.3g}"))
    if r.drift is not None:
        rows.append(
            (
                "kernel since start",
                f"{r.cka_init:.3f}",
                f"CKA; trace {r.drift.trace_ratio:.3g} times, overlap of 10 modes {r.drift.overlap:.2f}",
            )
        )
    if not r.wide.why:
        rows.append(("infinite width", f"{r.wide.cka:.3f}", f"CKA at the start; trace {r.wide.trace_ratio:.3g} times"))
    most = sorted(r.layers.items(), key=lambda item: -item[1])[:4]
    rows.append(("trace by layer", "", ", ".join(f"{name} {100 * share:.2g} %" for name, share in most)))
    rows += [
        (f"predicted {c.optimizer}", f"{100 * c.error:.2g} %", f"off at most, over {c.steps[-1]} steps")
        for c in r.convergence
    ]
    if r.training_jacobian:
        s = r.training_jacobian
        inside = sum(0.99 < v < 1.01 for v in s)
        above = sum(v >= 1.01 for v in s)
        rows.append(("training Jacobian", f"{s[0]:.3g}", f"largest; {above} of {len(s)} above 1, {inside} untouched"))
    out.table(["number", "value", "what it is"], rows, right=["value"])
    if r.bands:
        typer.echo("")
        total = sum(b.target_energy for b in r.bands) or 1.0
        top = max(b.kappa for b in r.bands)
        columns = ["cycles/sample", "target", "kernel", "now left", "left by GD", "left", "half at step", ""]
        out.table(
            columns,
            [
                [
                    "constant" if b.rho == 0 else f"{b.low:.3g} - {b.high:.3g}",
                    _share(b.target_energy / total),
                    f"{10 * math.log10(b.kappa / top) if b.kappa > 0 else -math.inf:.1f} dB",
                    _share(b.residual_energy),
                    _share(b.left_gd),
                    _share(b.left_adam),
                    "never" if math.isinf(b.half_step) else f"{b.half_step:,.0f}",
                    "" if b.is_learned else "not learned",
                ]
                for b in r.bands
            ],
            right=columns[:-1],
        )
    typer.echo("")
    for f in r.verdict.findings:
        typer.echo(f"- {f.text}")
    out.note(f"{human_seconds(sum(r.seconds.values()))} of measuring")


def _share(share: float) -> str:
    return f"{100 * share:.2f} %" if share >= 5e-5 or share == 0 else "< 0.01 %"


def _say_several(out: Output, reports: Sequence[Report]) -> None:
    from inr.ntk.verdict import percent

    columns = ["field", "parameters", "rank", "KTA", "roll-off", "unlearned", "from", "PSNR near", "kernel moved"]
    ordered = sorted(reports, key=lambda r: r.verdict.unlearned)
    out.table(
        columns,
        [
            [
                r.field,
                f"{r.n_params:,}",
                f"{r.modes.ranks.entropy:.3g}",
                f"{r.modes.kta:.2f}",
                "none" if r.roll_off is None else f"{r.roll_off:.3g}",
                percent(r.verdict.unlearned),
                "" if math.isnan(r.verdict.from_rho) else f"{r.verdict.from_rho:.3g}",
                f"{r.verdict.psnr_limit:.1f} dB" if math.isfinite(r.verdict.psnr_limit) else "",
                "" if r.drift is None else f"{1 - r.cka_init:.2f}",
            ]
            for r in ordered
        ],
        right=columns[1:],
    )


def _track(out: Output, given: Source, input: str, target: Target | None) -> None:
    from inr.report.ntk_track import draw_track, track_of

    log = track_of(given)
    if target is not None:
        assert target.path is not None
        target.write(draw_track(log, target.path.suffix.lower()))
    figure = None if target is None else target.name
    if out.as_json:
        out.result("ntk_track", {"model": input, **dataclasses.asdict(log), "figure": figure}, "", "")
        return
    last = log.looks[-1]
    if out.is_quiet:
        typer.echo(f"{last.cka:.6g}")
        return
    columns = ["step", "seconds", "loss", "CKA with start", "lowest band left", "highest band left"]
    out.table(
        columns,
        [
            [
                f"{q.step}",
                f"{q.seconds:.1f}",
                f"{q.loss:.4g}",
                f"{q.cka:.3f}",
                *(f"{100 * v:.3g} %" for v in log.ends(q)),
            ]
            for q in log.looks
        ],
        right=columns,
    )
    if figure is not None:
        typer.echo(f"figure: {figure}")
