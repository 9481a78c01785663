"""`inr ntk`: predict from the tangent kernel what a field will learn of a signal, and what it will not."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inr.core.errors import UsageError, unknown_name
from inr.core.text import finite_json, printable

from . import _options as options
from ._io import OutputTarget, figure_target, source
from ._lines import Lines
from ._machine import machine
from ._ntk_tables import say_problem, say_report, say_reports, say_track
from ._output import Output, say
from ._python_file import is_python_object, module_in_file

if TYPE_CHECKING:
    from inr.fitting import FitConfig
    from inr.ntk import Report
    from inr.signals import Signal, Source

_MOST_POINTS = 4096
MODES = ("quick", "full", "track")


def ntk(
    input: Annotated[
        str,
        typer.Argument(
            metavar="IN",
            help="A signal, a model written by inr fit, a torch module, as FILE.py:NAME, or a problem (.toml); "
            "- reads stdin.",
        ),
    ],
    of: Annotated[
        str | None,
        typer.Option(
            "--signal",
            metavar="FILE",
            help="For a model: the signal that it was fitted to. For a torch module: what it is to learn.",
            rich_help_panel=options.INPUT,
        ),
    ] = None,
    mode: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="quick; full: also predicted against actual runs; track: the log of inr fit --track-ntk.",
            rich_help_panel=options.VIEW,
        ),
    ] = "quick",
    field: Annotated[str | None, options.family("Field family; see inr fields. Default: that of inr fit.")] = None,
    compare: Annotated[
        str | None,
        typer.Option(
            "--compare",
            metavar="A,B,...",
            help="Compare several families on one signal; see inr fields.",
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
            metavar="N", help="Length of the forecast run. Default: the family's.", rich_help_panel=options.VIEW
        ),
    ] = None,
    rehearse: Annotated[
        str | None,
        typer.Option(
            metavar="N|P%",
            help="Steps before the kernel is read (default: a tenth, at most 50; full: a quarter, 250). With %, as "
            "10%: also all steps, on that share of the samples; better forecasts. Small networks need about "
            "the time of the fit.",
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
    """Predict what a field will learn of a signal, and suggest what to change.

    The neural tangent kernel (NTK) tells how fast each frequency is learned. The field is trained for a few steps, its
    kernel is compared with the signal's spectrum, and the rest of the run is forecast. Settings that may learn more are
    tried in the same way. If the kernel changed in these steps, the verdict is an upper bound, and says so.
    With --rehearse 10% the whole run is rehearsed on a tenth of its samples, rates and optimizers are tried too, and
    each band has an interval in which 9 of 10 such forecasts were.

    \b
    inr ntk photo.png --field siren --figure ntk.png
    inr ntk photo.png --field siren --rehearse 10%   a better forecast, and trials
    inr ntk photo.png --compare siren,finer,hash_grid --figure fields.png
    inr ntk photo.safetensors --signal photo.png
    inr ntk photo.png --field siren --set field.activation.omega=60 --steps 2000 --json
    inr ntk photo.safetensors --mode track
    inr ntk poisson.toml                             which conditions and waves of a problem are learned, and when
    inr ntk net.py:model --signal photo.png          any torch module; runs net.py

    A torch module maps coordinates [N, D] in [-1, 1] to values [N, C]; for others --set field.low=0.
    """
    out = Output(as_json, is_quiet, verbosity)
    if mode not in MODES:
        raise unknown_name("mode", mode, MODES)
    for name, value, least in (("points", points, 4), ("steps", steps, 1)):
        if value is not None and value < least:
            raise UsageError(f"--{name} is {value}, expected a whole number >= {least}")
    amount = _amount(rehearse)
    with machine(device, threads, backend) as chosen:
        given = None if is_python_object(input) else source(input)
        if given is not None and given.suffix == ".toml":
            others = {"--signal": of, "--field": field, "--compare": compare, "--set": settings, "--kind": kind,
                      "--steps": steps, "--seed": seed is not None, "--rehearse": rehearse, "--figure": output,
                      "--no-trials": no_trials, "--mode": mode != MODES[0]}  # fmt: skip
            _of_problem(out, input, 256 if points is None else points, others)
            return
        target = figure_target(output, force=force)
        if given is not None and mode == "track":
            _track(out, given, input, target)
            return
        progress = Lines(is_shown=not (no_progress or is_quiet or as_json))
        wants: dict[str, Any] = {
            "mode": mode, "points": points, "rehearse": amount, "try_settings": not no_trials and compare is None,
            "device": chosen, "on_progress": progress,
        }  # fmt: skip
        flags = {k: v for k, v in {"steps": steps, "seed": seed}.items() if v is not None}
        names = _names(compare, field)
        if given is None:
            if of is None or compare is not None or field is not None or mode == "track":
                raise UsageError(
                    "a torch module needs --signal, and cannot be used with --field, --compare or --mode track"
                )
            reports = [_of_module(input, of, kind, settings or [], flags, out, wants)]
        elif given.suffix == ".safetensors":
            if compare is not None:
                raise UsageError("--compare cannot be used with a model", "give the signal instead")
            reports = [_of_model(given, of, kind, field, settings or [], flags, out, wants)]
        else:
            reports = []
            for family in names:
                progress.family = family if family is not None and len(names) > 1 else ""
                reports.append(_of_signal(given, input, of, family, kind, settings or [], flags, out, wants))
        if target is not None:
            _draw(reports, target)
    _show(out, reports, target)


def _amount(text: str | None) -> float | None:
    """`--rehearse`: a number of steps, or a share of the fit in (0, 1)."""
    if text is None:
        return None
    digits, is_share = (text[:-1], True) if text.endswith("%") else (text, False)
    try:
        value = float(digits) / 100 if is_share else float(int(digits))
    except (ValueError, OverflowError):
        value = -1.0
    if (is_share and not 0 < value < 1) or value < 0:
        raise UsageError(
            f"--rehearse is {text!r}, expected a number of steps, or a percentage of the fit between 0 and 100",
            "--rehearse 50, or --rehearse 10%",
        )
    return value


def _of_problem(out: Output, name: str, points: int, others: dict[str, Any]) -> None:
    from inr.ntk.problem_kernel import problem_kernel
    from inr.solving import Problem

    unused = [option for option, value in others.items() if value]
    if unused:
        raise UsageError(f"{' and '.join(unused)} cannot be used with a problem of inr solve")
    if points > _MOST_POINTS:
        raise UsageError(f"--points is {points}, expected at most {_MOST_POINTS}")
    found = problem_kernel(Problem.load(name), points)
    if out.as_json:
        out.result("ntk_problem", {"problem": name, **finite_json(dataclasses.asdict(found))}, "", "")
    elif out.is_quiet:
        say(f"{found.condition:.6g}")
    else:
        say_problem(out, found)


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
    of: str | None,
    field: str | None,
    kind: str | None,
    settings: list[str],
    flags: dict[str, Any],
    out: Output,
    wants: dict[str, Any],
) -> Report:
    from inr import ntk_report
    from inr.signals import default_field_of, load_signal
    from inr.workflows.fit import FitPlan
    from inr.workflows.request import FitRequest

    request = FitRequest.of(lambda k, own: default_field_of(given, k, own), None, field, settings, flags, kind)
    signal = load_signal(given, request.kind, request.signal_options)
    signal.name = signal.name or input
    out.notes(signal.notes)
    plan = FitPlan.of(signal, request.field, request)
    return ntk_report(signal, plan.field, plan.settings, signal=of, **wants)


def _of_module(
    name: str,
    of: str,
    kind: str | None,
    settings: list[str],
    flags: dict[str, Any],
    out: Output,
    wants: dict[str, Any],
) -> Report:
    from inr import ntk_report
    from inr.core.config import override, parse
    from inr.fitting import FitConfig
    from inr.ntk import TorchModule
    from inr.ntk.torch_module import Coordinates

    assigned = _assigned(settings)
    box = override(Coordinates(), assigned["field"], "field")
    signal = _signal(of, kind, assigned["signal"], out)
    module = TorchModule(module=module_in_file(name), low=box.low, high=box.high)
    recipe = parse(FitConfig, module.recipe(signal.spec), "fit")
    return ntk_report(signal, module, _over(recipe, assigned["fit"], flags), **wants)


def _assigned(settings: list[str], *, has_field: bool = True) -> dict[str, list[str]]:
    """`--set` by section. Raises ConfigError with every problem."""
    from inr.core.errors import ConfigError
    from inr.core.sections import by_section

    problems: list[str] = []
    assigned = by_section(settings, problems)
    if assigned["field"] and not has_field:
        problems.append("--set field.*: the field of a model cannot be changed")
    if problems:
        raise ConfigError(problems)
    return assigned


def _over(base: FitConfig, assignments: list[str], flags: dict[str, Any]) -> FitConfig:
    """Settings of a fit under what is given."""
    from inr.core.config import override, parse

    return parse(type(base), flags, "fit", override(base, assignments, "fit"))


def _signal(of: str, kind: str | None, settings: Sequence[str], out: Output) -> Signal:
    from inr.signals import load_signal

    signal = load_signal(source(of), kind, dict(text.split("=", 1) for text in settings))
    signal.name = signal.name or of
    out.notes(signal.notes)
    return signal


def _of_model(
    given: Source,
    of: str | None,
    kind: str | None,
    field: str | None,
    settings: list[str],
    flags: dict[str, Any],
    out: Output,
    wants: dict[str, Any],
) -> Report:
    import inr

    assigned = _assigned(settings, has_field=False)
    fit = inr.load(given)
    chosen = _over(fit.settings, assigned["fit"], flags)
    signal = None if of is None else _signal(of, kind, assigned["signal"], out)
    return inr.ntk_report(fit, field, chosen, signal=signal, **wants)


def _draw(reports: Sequence[Report], target: OutputTarget) -> None:
    from inr.report import draw_ntk, draw_ntks

    suffix = target.suffix(".png")
    target.write(draw_ntk(reports[0], suffix) if len(reports) == 1 else draw_ntks(reports, suffix))


def _show(out: Output, reports: Sequence[Report], target: OutputTarget | None) -> None:
    figure = None if target is None else target.name
    if out.as_json:
        from inr.ntk import document_of

        documents = [document_of(r) for r in reports]
        if len(reports) == 1:
            out.result("ntk", documents[0] | {"figure": figure}, "", "")
        else:
            out.result("ntk_compare", {"fields": documents, "figure": figure}, "", "")
        return
    if out.is_quiet:
        for r in reports:
            say(f"{r.verdict.unlearned:.6g}")
        return
    if len(reports) == 1:
        say_report(out, reports[0])
    else:
        say_reports(out, reports)
    for r in reports:
        for warning in r.warnings:
            out.note(f"note: {r.field}: {warning}" if len(reports) > 1 else f"note: {warning}")
    if figure is not None:
        say(f"figure: {printable(figure)}")


def _track(out: Output, given: Source, input: str, target: OutputTarget | None) -> None:
    from inr.ntk.track_log import track_of
    from inr.report.ntk_track import draw_track

    track = track_of(given)
    if target is not None:
        target.write(draw_track(track, target.suffix(".png")))
    figure = None if target is None else target.name
    if out.as_json:
        looks = [dataclasses.asdict(entry) for entry in track.entries]
        out.result("ntk_track", {"model": input, "looks": looks, "edges": track.edges, "figure": figure}, "", "")
        return
    if out.is_quiet:
        say(f"{track.entries[-1].cka:.6g}")
        return
    say_track(out, track)
    if figure is not None:
        say(f"figure: {printable(figure)}")
