"""`inr suggest`: fields and settings for a signal, from its spectrum and the tangent kernel of untrained fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from inr.core.text import command

from . import _options as options
from ._io import source
from ._machine import machine
from ._output import Output, say, say_exactly

if TYPE_CHECKING:
    from inr.ntk.suggest import Suggestion


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
        typer.Option(metavar="N", help="Seed of the untrained fields. Default: 0.", show_default=False),
    ] = 0,
    as_json: options.Json = False,
    is_quiet: options.Quiet = False,
    verbosity: options.Verbose = 0,
    threads: options.Threads = None,
) -> None:
    """Propose fields and their frequency settings for a signal, with reasons and commands.

    The proposal is the smallest frequency setting with which nearly all of the signal's energy is in bands that the
    untrained field learns at similar rates, according to its tangent kernel. Nothing is fitted. There are rules for
    pictures and sounds only; shapes and points have no lattice.

    \b
    inr suggest photo.png
    inr suggest cello.wav --fields siren --json
    inr suggest photo.png --set field.width=128
    """
    out = Output(as_json, is_quiet, verbosity)
    options.check_count("--seed", seed, least=0)
    with machine("cpu", threads, None):
        from inr.core.errors import ConfigError
        from inr.ntk.suggest import suggest as run
        from inr.signals import load_signal
        from inr.workflows.request import by_section

        problems: list[str] = []
        assigned = by_section(assignments or [], problems, ("field", "signal"))
        if problems:
            raise ConfigError(problems)
        given = source(input)
        signal = load_signal(given, kind, options.signal_options([f"signal.{text}" for text in assigned["signal"]]))
        out.notes(signal.notes)
        families = None if names is None else [name.strip() for name in names.split(",") if name.strip()]
        found = run(signal, families, settings=assigned["field"], seed=seed)
    of_field = [word for text in assigned["field"] for word in ("--set", f"field.{text}")]
    of_signal = [word for text in assigned["signal"] for word in ("--set", f"signal.{text}")]
    if kind is not None:
        of_signal += ["--kind", kind]
    _show(out, found, input, of_field, of_signal)


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
