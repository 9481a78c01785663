"""`inr suggest`: fields and settings for a signal, from its spectrum and untrained fields, or from rehearsals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from inr.core.errors import UsageError
from inr.core.text import command

from . import _options as options
from ._io import source
from ._lines import Lines
from ._machine import machine
from ._output import Output, say, say_exactly
from ._ranking import Asked, show_ranking

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from inr.ntk.ranking import Ranking
    from inr.ntk.suggest import Suggestion
    from inr.signals import Signal

SHARE = 0.03
"""Of a fit's samples, for each rehearsal."""


def suggest(
    input: Annotated[str, typer.Argument(metavar="IN", help="A file; - reads stdin; analytic:chirp is a formula.")],
    names: Annotated[
        str | None,
        typer.Option(
            "--fields",
            metavar="A,B,...",
            help="Families to propose settings for. Default: all that have a rule.",
            rich_help_panel=options.MODEL,
        ),
    ] = None,
    field: Annotated[
        str | None, options.family("Rank the settings of this family's run: each is rehearsed. Shapes: the default's.")
    ] = None,
    assignments: Annotated[
        list[str] | None, options.assignments("Setting of the fields or the signal; with --field also fit.*")
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Of the run that is rehearsed. Default: the family's.", rich_help_panel=options.MODEL
        ),
    ] = None,
    rehearse: Annotated[
        str | None,
        typer.Option(
            metavar="P%",
            help="Samples of each rehearsal, of those of a fit. Default: 3%.",
            rich_help_panel=options.MODEL,
        ),
    ] = None,
    kind: options.Kind = None,
    seed: Annotated[
        int,
        typer.Option(metavar="N", help="Seed of the fields. Default: 0.", show_default=False),
    ] = 0,
    as_json: options.Json = False,
    is_quiet: options.Quiet = False,
    verbosity: options.Verbose = 0,
    no_progress: options.NoProgress = False,
    device: options.Device = "auto",
    threads: options.Threads = None,
) -> None:
    """Propose fields and settings for a signal, with reasons and commands.

    Without --field: the smallest frequency setting with which nearly all of the signal's energy is in bands that the
    untrained field learns at similar rates, according to its tangent kernel. Nothing is fitted. There are rules for
    pictures and sounds.
    With --field: rates, optimizers, schedules, frequencies and sizes are ranked by what they leave of the signal. Each
    is rehearsed: all steps of the run, on a small part of the samples. Together that is about half of a fit.

    \b
    inr suggest photo.png
    inr suggest photo.png --field siren --steps 1000
    inr suggest bunny.obj
    inr suggest cello.wav --fields siren --json
    inr suggest photo.png --set field.width=128
    """
    out = Output(as_json, is_quiet, verbosity)
    options.check_count("--seed", seed, least=0)
    options.check_count("--steps", steps)
    share = _share(rehearse)
    if field is not None and names is not None:
        raise UsageError("--field and --fields are both given, expected one of them")
    with machine(device, threads, None) as chosen:
        from inr.core.errors import ConfigError
        from inr.core.sections import by_section
        from inr.ntk.suggest import suggest as run
        from inr.signals import load_signal

        problems: list[str] = []
        sections = ("field", "signal") if field is None else ("field", "fit", "signal")
        assigned = by_section(assignments or [], problems, sections)
        if problems:
            raise ConfigError(problems)
        given = source(input)
        signal = load_signal(given, kind, options.signal_options([f"signal.{text}" for text in assigned["signal"]]))
        out.notes(signal.notes)
        of_signal = [word for text in assigned["signal"] for word in ("--set", f"signal.{text}")]
        of_signal += [] if kind is None else ["--kind", kind]
        if field is not None or (signal.spec.shape is None and names is None):
            asked = Asked(input, of_signal, assigned["field"], assigned.get("fit", ()), steps, seed)
            tell = Lines(is_shown=not (no_progress or is_quiet or as_json))
            show_ranking(out, _ranked(signal, field, asked, share, chosen, tell), signal.spec.kind, asked)
            return
        unused = [name for name, value in (("--steps", steps), ("--rehearse", rehearse)) if value is not None]
        if unused:
            raise UsageError(f"{' and '.join(unused)} cannot be used without --field", "add --field NAME")
        families = None if names is None else [name.strip() for name in names.split(",") if name.strip()]
        found = run(signal, families, settings=assigned["field"], seed=seed)
    of_field = [word for text in assigned["field"] for word in ("--set", f"field.{text}")]
    _show(out, found, input, of_field, of_signal)


def _share(text: str | None) -> float:
    """`--rehearse`: a share in (0, 1)."""
    if text is None:
        return SHARE
    try:
        value = float(text.removesuffix("%")) / 100
    except ValueError:
        value = -1.0
    if not text.endswith("%") or not 0 < value < 1:
        raise UsageError(f"--rehearse is {text!r}, expected a percentage between 0 and 100", "--rehearse 3%")
    return value


def _ranked(
    signal: Signal, family: str | None, asked: Asked, share: float, device: torch.device, tell: Callable[[str], None]
) -> Ranking:
    from inr.ntk.ranking import rank
    from inr.workflows.fit import FitPlan
    from inr.workflows.request import FitRequest

    settings = [f"{part}.{text}" for part in ("field", "fit") for text in getattr(asked, f"of_{part}")]
    flags = {"seed": asked.seed} | ({} if asked.steps is None else {"steps": asked.steps})
    request = FitRequest.of(lambda kind, own: signal.default_field, None, family, settings, flags, None)
    plan = FitPlan.of(signal, request.field, request)
    return rank(signal, plan.field, plan.settings, share, device=device, on_progress=tell)


def _show(out: Output, found: Suggestion, input: str, of_field: list[str], of_signal: list[str]) -> None:
    """of_field, of_signal: options of this command line that every proposed command repeats."""
    fit = ("inr", "fit", input)
    rows: list[dict[str, Any]] = [
        {
            "field": found.field,
            "setting": None,
            "value": None,
            "default": None,
            "reason": f"the default for signals of kind {found.kind}; no rule was better than its own settings",
            "command": command(*fit, *of_signal),
        }
    ]
    for p in found.proposals:
        chosen = [] if p.is_default else ["--set", f"field.{p.setting}={p.value:g}"]
        rows.append(
            {
                "field": p.field,
                "setting": p.setting,
                "value": p.value,
                "default": p.default,
                "slow": p.slow,
                "slow_default": p.slow_default,
                "reason": p.reason,
                "command": command(*fit, "--field", p.field, *chosen, *of_field, *of_signal),
            }
        )
    if out.as_json:
        bands = [
            {"low": low, "high": high, "energy": share}
            for (low, high), share in zip(found.edges, found.energy, strict=True)
        ]
        out.result("suggest", {"kind": found.kind, "bands": bands, "proposals": rows}, "", "")
        return
    if out.is_quiet:
        say_exactly("\n".join(row["command"] for row in rows))
        return
    say(f"half of the energy is below {found.below(0.5):.3g} cycles per sample, 99 % below {found.below(0.99):.3g}")
    out.table(
        ["field", "setting", "value", "default", "reason"],
        [
            [
                row["field"],
                row["setting"] or "",
                "" if row["value"] is None else f"{row['value']:g}",
                "" if row["default"] is None else f"{row['default']:g}",
                row["reason"],
            ]
            for row in rows
        ],
        right=("value", "default"),
    )
    say("\n".join(row["command"] for row in rows))
