"""`inr suggest`: fields and settings for a signal, from its spectrum and the tangent kernel, before any fit."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import _options as options
from ._io import source
from ._machine import machine
from ._output import Output
from .eval import signal_options

if TYPE_CHECKING:
    from inr.fitting.suggest import Suggestion


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
    assignments: Annotated[
        list[str] | None, options.assignments("Setting of the fields or the signal: field.*, signal.*")
    ] = None,
    kind: options.Kind = None,
    seed: Annotated[
        int,
        typer.Option(metavar="N", help="Seed of the fresh fields. Default: 0.", show_default=False),
    ] = 0,
    as_json: options.Json = False,
    is_quiet: options.Quiet = False,
    verbosity: options.Verbose = 0,
    threads: options.Threads = None,
) -> None:
    """Propose a field and the setting that decides its band, with the reason and the command.

    The least frequency setting with which nearly all of the signal's energy lies in bands that the untrained field's
    tangent kernel learns at about one rate. Nothing is fitted. For pictures and sounds; arrays have no rule
    yet, and shapes and points, which have no lattice, are refused.

    \b
    inr suggest photo.png
    inr suggest cello.wav --fields siren --json
    inr suggest photo.png --set field.width=128
    """
    out = Output(as_json, is_quiet, verbosity)
    with machine("cpu", threads, None):
        from inr._errors import ConfigError
        from inr.fitting.request import by_section
        from inr.fitting.suggest import suggest as run
        from inr.signals import load_signal

        problems: list[str] = []
        assigned = by_section(assignments or [], problems, ("field", "signal"))
        if problems:
            raise ConfigError(problems)
        given = source(input)
        signal = load_signal(given, kind, signal_options([f"signal.{text}" for text in assigned["signal"]]))
        out.notes(signal.notes)
        families = None if names is None else [name.strip() for name in names.split(",") if name.strip()]
        found = run(signal, families, settings=assigned["field"], seed=seed)
    extra = [f"--set field.{text}" for text in assigned["field"]]
    extra += [f"--set signal.{text}" for text in assigned["signal"]]
    if kind is not None:
        extra.append(f"--kind {kind}")
    _say(out, found, input, extra)


def _say(out: Output, found: Suggestion, input: str, extra: list[str]) -> None:
    fit = f"inr fit {shlex.quote(input)}"
    others = [text for text in extra if not text.startswith("--set field.")]
    rows: list[dict[str, Any]] = [
        {
            "field": found.field,
            "setting": None,
            "value": None,
            "default": None,
            "reason": f"what a signal of kind {found.kind} is fitted with; no rule won over its own settings",
            "command": " ".join([fit, *others]),
        }
    ]
    for p in found.proposals:
        chosen = [] if p.is_default else [f"--set field.{p.setting}={p.value:g}"]
        rows.append(
            {
                "field": p.field,
                "setting": p.setting,
                "value": p.value,
                "default": p.default,
                "slow": p.slow,
                "slow_default": p.slow_default,
                "reason": p.reason,
                "command": " ".join([fit, f"--field {p.field}", *chosen, *extra]),
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
        typer.echo("\n".join(row["command"] for row in rows))
        return
    typer.echo(
        f"half of the energy is below {found.below(0.5):.3g} cycles per sample, 99 % below {found.below(0.99):.3g}"
    )
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
    typer.echo("\n".join(row["command"] for row in rows))
