"""`inr compare`: several families on one signal under one budget."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inr.core.errors import InrError, UsageError
from inr.core.text import printable

from . import _options as options
from ._io import OutputTarget, figure_target, source
from ._machine import machine
from ._output import Output, human_bytes, human_seconds, say
from ._progress import FitProgress

if TYPE_CHECKING:
    import torch

    from inr.fitting import Progress
    from inr.workflows.compare import Comparison, FitBudget
    from inr.workflows.intrinsic_dimension import IntrinsicDimension

ALL = "all"
FORM = "params=50000 or time=30s"


def compare(
    input: options.SignalInput,
    names: Annotated[
        str,
        typer.Option(
            "--fields",
            metavar="A,B,...",
            help="Families to compare, or all; see inr fields. Default: all.",
            show_default=False,
            rich_help_panel=options.MODEL,
        ),
    ] = ALL,
    budgets: Annotated[
        list[str] | None,
        typer.Option(
            "--budget",
            metavar="WHAT=N",
            help="The same for all: params=50000 (at most), time=30s (each); repeatable.",
            rich_help_panel=options.TRAINING,
        ),
    ] = None,
    recipe: options.Recipe = "best",
    steps: Annotated[
        int | None,
        typer.Option(metavar="N", help="Steps of each. Default: the families'.", rich_help_panel=options.TRAINING),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            metavar="N", help="Seed of each. Default: 0.", show_default=False, rich_help_panel=options.TRAINING
        ),
    ] = 0,
    intrinsic: Annotated[
        float | None,
        typer.Option(
            "--intrinsic",
            metavar="SHARE",
            help="Also find how many random directions of a family's parameters reach this share of its quality, "
            "such as 0.9; about 8 more fits of each.",
            rich_help_panel=options.TRAINING,
        ),
    ] = None,
    output: options.Figure = None,
    kind: options.Kind = None,
    settings: options.SignalSettings = None,
    force: options.Force = False,
    as_json: options.Json = False,
    is_quiet: options.Quiet = False,
    verbosity: options.Verbose = 0,
    no_progress: options.NoProgress = False,
    device: options.Device = "auto",
    threads: options.Threads = None,
    backend: options.Backend = None,
) -> None:
    """Fit several families to one signal under one budget, and rank them.

    The time of measuring does not count. With a budget of parameters, each family's width (or table) is as large as the
    budget allows.

    \b
    inr compare photo.png --fields siren,hash_grid,mlp --budget time=20s -o figure.png
    inr compare cello.wav --budget params=50000 --steps 500
    inr compare analytic:torus --fields siren,hash_grid --json
    inr compare photo.png --fields siren,rff --steps 300 --intrinsic 0.9
    """
    out = Output(as_json, is_quiet, verbosity)
    options.check_count("--seed", seed, least=0)
    if intrinsic is not None and not 0 < intrinsic < 1:
        raise UsageError(f"--intrinsic is {intrinsic:g}, expected a number between 0 and 1")
    named = options.recipe(recipe)
    with machine(device, threads, backend) as chosen:
        from inr.fields import FIELDS
        from inr.report import draw_comparison
        from inr.signals import load_signal
        from inr.workflows.compare import compare as run

        families = list(FIELDS) if names == ALL else options.names(names, "--fields")
        for name in families:
            FIELDS[name]
        budget = _budget(budgets or [], steps)
        target = figure_target(output, force=force)
        signal = load_signal(source(input), kind, options.signal_options(settings))
        if not signal.name:
            signal.name = input
        out.notes(signal.notes)
        out.note(f"{len(families)} families, {budget.text()}, seed {seed}, {chosen}")
        listener = _Listener(families, is_shown=not (no_progress or is_quiet), time_s=budget.time_s)
        with listener:
            result = run(signal, families, budget, {"seed": seed}, recipe=named, device=chosen, on_progress=listener)
            found = {} if intrinsic is None else _dimensions(result, intrinsic, chosen, listener)
        if target is not None and result.entries:
            target.write(draw_comparison(result, target.suffix(".png")))
    _show(out, result, target, found)
    if not result.entries:
        raise typer.Exit(1)


def _dimensions(
    result: Comparison, share: float, device: torch.device, listener: _Listener
) -> dict[str, IntrinsicDimension | str]:
    """By family: its intrinsic dimension, or why it has none."""
    from inr.workflows.intrinsic_dimension import intrinsic_dimension

    found: dict[str, IntrinsicDimension | str] = {}
    for entry in result.entries:
        name = entry.field
        try:
            found[name] = intrinsic_dimension(
                result.signal,
                entry.fit.field.config,
                entry.fit.settings,
                share=share,
                full=result.quality(entry),
                device=device,
                on_progress=_under(listener, name),
            )
        except InrError as error:
            found[name] = error.message
    return found


def _under(listener: _Listener, name: str) -> Callable[[int, Progress], None]:
    return lambda dimensions, progress: listener(name, progress, f"{dimensions:,} dimensions")


def _budget(texts: list[str], steps: int | None) -> FitBudget:
    from inr.workflows.compare import FitBudget

    params, time_s = None, None
    for text in texts:
        what, _, value = text.partition("=")
        if what == "params" and value.replace("_", "").isdecimal():
            params = int(value)
        elif what == "time" and value:
            time_s = options.seconds(value, "--budget time")
        else:
            raise UsageError(f"--budget is {text!r}, expected {FORM}")
    options.check_count("--steps", steps)
    return FitBudget(params, time_s, steps)


class _Listener:
    """One progress line per family, named."""

    def __init__(self, families: list[str], *, is_shown: bool, time_s: float | None) -> None:
        self._families, self._is_shown, self._time_s = families, is_shown, time_s
        self._name = ""
        self._shown: FitProgress | None = None

    def __enter__(self) -> _Listener:
        return self

    def __exit__(self, *error: Any) -> None:
        if self._shown is not None:
            self._shown.__exit__(None, None, None)

    def __call__(self, name: str, progress: Progress, detail: str = "") -> None:
        if not self._is_shown:
            return
        title = f"{name} {detail}".rstrip()
        if title != self._name:
            self.__exit__()
            self._name = title
            say(f"[{self._families.index(name) + 1}/{len(self._families)}] {title}", err=True)
            self._shown = FitProgress(is_shown=True, time_s=self._time_s)
            self._shown.__enter__()
        assert self._shown is not None
        self._shown(progress)


def _show(
    out: Output, result: Comparison, target: OutputTarget | None, dimensions: Mapping[str, IntrinsicDimension | str]
) -> None:
    rows: list[dict[str, Any]] = [
        {
            "rank": rank,
            "field": e.field,
            "metrics": e.fit.metrics,
            "n_params": e.fit.field.n_params,
            "bytes": e.n_bytes,
            "seconds": e.seconds,
            "steps": e.fit.steps,
            "outcome": e.fit.outcome,
            "sizes": e.sizes,
            "curve": [{"step": q.step, "seconds": q.seconds, "quality": q.quality} for q in e.curve],
            **({"intrinsic": _document(dimensions[e.field])} if dimensions else {}),
        }
        for rank, e in enumerate(result.entries, start=1)
    ]
    if out.as_json:
        document = {
            "signal": result.signal.name,
            "budget": {
                "params": result.budget.params,
                "time_s": result.budget.time_s,
                "steps": result.budget.steps,
            },
            "headline": result.headline,
            "fields": rows,
            "refused": result.refused,
            "figure": None if target is None or not rows else target.name,
        }
        out.result("compare", document, "", "")
        return
    if out.is_quiet:
        say("\n".join(row["field"] for row in rows))
        return
    if rows:
        _table(out, rows, result.headline)
    for name, dimension in dimensions.items():
        if isinstance(dimension, str):
            out.note(f"{name} has no intrinsic dimension: {dimension}")
    for name, reason in result.refused.items():
        out.note(f"{name} was not compared: {reason}")
    if target is not None and rows:
        say(f"figure: {printable(target.name)}")


def _document(found: IntrinsicDimension | str) -> dict[str, Any]:
    return {"refused": found} if isinstance(found, str) else dataclasses.asdict(found)


def _table(out: Output, rows: list[dict[str, Any]], headline: str) -> None:
    unit = "dB" if headline.endswith("_db") else ""
    name = " ".join(filter(None, (headline.removesuffix("_db").upper().replace("_", " "), unit)))
    has_sizes = any(row["sizes"] for row in rows)
    has_dimensions = any("intrinsic" in row for row in rows)
    columns = ["#", "field", name, "parameters", "file", "time", "steps", *(["chosen size"] if has_sizes else [])]
    columns += ["dimensions"] if has_dimensions else []
    digits = "{:.2f}" if unit else "{:.4g}"
    out.table(
        columns,
        [
            [
                str(row["rank"]),
                row["field"] + ("" if row["outcome"] == "done" else f" ({row['outcome']})"),
                digits.format(row["metrics"][headline]),
                f"{row['n_params']:,}",
                human_bytes(row["bytes"]),
                human_seconds(row["seconds"]),
                str(row["steps"]),
                *([" ".join(f"{k}={v}" for k, v in row["sizes"].items())] if has_sizes else []),
                *([_dimensions_of(row)] if has_dimensions else []),
            ]
            for row in rows
        ],
        right=("#", name, "parameters", "file", "time", "steps", "dimensions"),
    )


def _dimensions_of(row: Mapping[str, Any]) -> str:
    found = row["intrinsic"]
    if "refused" in found:
        return "none"
    return "not reached" if found["dimensions"] is None else f"{found['dimensions']:,}"
