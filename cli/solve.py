"""`inr solve`: a boundary-value problem, from a file or one line."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inr.core.errors import UsageError
from inr.core.text import printable

from . import _options as options
from ._io import PIPE, OutputTarget
from ._machine import machine
from ._output import Output, human_bytes, human_seconds
from ._picture_tasks import Given, is_picture_problem, solve_task

if TYPE_CHECKING:
    from inr.solving import Problem, Solution

_EXPORTS = (".npz", ".vti", ".vtu", ".png", ".svg", ".pdf", ".mp4", ".gif")
_FILMS = (".mp4", ".gif")
_PROBLEM = options.INPUT


def solve(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PROBLEM | TASK PICTURES]",
            help="A problem file (.toml); see --examples. Or a task and its pictures: clone or mixed TARGET SOURCE; "
            "inpaint, tone, integrate, gradients or laplacian PICTURE.",
            show_default=False,
        ),
    ] = None,
    output: options.OutputPath = None,
    equation: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help='In place of a file: "lap(u) = -1"; repeatable.', rich_help_panel=_PROBLEM),
    ] = None,
    axes: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help='Coordinates: "x=0:1,y=0:1"; t is time.', rich_help_panel=_PROBLEM),
    ] = None,
    condition: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT",
            help='SIDE: EQUATION, such as "left: u = 0"; repeatable. Sides: left, right, bottom, top, back, front, '
            "start, end, inner, outer, boundary. Pictures have y upwards: top is the largest y.",
            rich_help_panel=_PROBLEM,
        ),
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A number or formula; repeatable.", rich_help_panel=_PROBLEM),
    ] = None,
    exact: Annotated[
        str | None, typer.Option(metavar="TEXT", help="A known solution, to compare with.", rich_help_panel=_PROBLEM)
    ] = None,
    mask: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Of a task: white where pixels are taken from the source, or found.",
            rich_help_panel=options.INPUT,
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y",
            help="Of a task: where the source's upper left corner lies on the target, in pixels.",
            rich_help_panel=options.INPUT,
        ),
    ] = None,
    field: Annotated[
        str | None,
        options.family("The field that holds the result; see inr fields. Of an equation: a smooth one, by SOAP."),
    ] = None,
    export: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Write the solution on a lattice too: .npz, .vti, .vtu, .png, .svg, .pdf, over time .mp4, .gif; of a "
            "task: a picture; repeatable.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    report: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Write a page (.html): solution, residual, errors, course of the work.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    check: Annotated[
        str | None,
        typer.Option(
            metavar="fd=N|seeds",
            help="Compare with finite differences of N cells per axis, or with a solution of another seed.",
            rich_help_panel=_PROBLEM,
        ),
    ] = None,
    examples: Annotated[
        bool,
        typer.Option("--examples", help="Write example problems into the folder -o, by default this one."),
    ] = False,
    states: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help='Find the N lowest eigenvalues: --equation "-lap(u) = E*u", where E is the eigenvalue.',
            rich_help_panel=_PROBLEM,
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        options.assignments("Any setting of [solve] and of the field: solve.*, field.*; of a task task.*"),
    ] = None,
    time: options.Time = None,
    seed: options.Seed = None,
    force: options.Force = False,
    as_json: options.Json = False,
    is_quiet: options.Quiet = False,
    verbosity: options.Verbose = 0,
    no_progress: options.NoProgress = False,
    threads: options.Threads = None,
) -> None:
    """Solve a differential equation with its boundary conditions, or edit a picture by its differences.

    The solution is a field like any other: inr render and inr inspect read its file. The errors that are printed
    are measured between the points of training. Exit code 1: the residual that was wanted is not reached.

    \b
    inr solve --examples
    inr solve poisson.toml -o u.safetensors --export u.png
    inr solve --equation "lap(u) = -1" --axes "x=0:1,y=0:1" --condition "boundary: u = 0"
    inr solve clone beach.png bear.png --mask bear_mask.png --at 120,80 -o out.png
    inr solve integrate normals.png -o height.tiff
    """
    piped = [name for name in (output, report, *(export or [])) if name == PIPE]
    out = Output(as_json, is_quiet, verbosity, is_stdout_taken=bool(piped))
    if len(piped) > 1:
        raise UsageError(f"{len(piped)} outputs are -, and stdout takes one", "give the others file names")
    if examples:
        _write_examples(out, Path(output or "."), force)
        return
    if words and equation is not None:
        raise UsageError(f"{words[0]!r} and --equation are both given, expected one of them")
    if not words and equation is None:
        raise UsageError(
            "expected a problem file, a task with its pictures, or --equation", "inr solve --examples writes some files"
        )
    problem = None if not words else words[0]
    cells = None if check is None else _cells(check)
    is_shown = not (no_progress or is_quiet or as_json)
    with machine("cpu", threads):
        if is_picture_problem(words or []):
            of_equations = {"--axes": axes, "--condition": condition, "--parameter": parameter, "--exact": exact}
            _refuse("a task has pictures", of_equations | {"--check": check, "--states": states, "--report": report})
            time_s = None if time is None else options.seconds(time, "--time")
            task = Given(words or [], mask, at, field, settings or [], time_s, seed)
            solve_task(out, task, output, export or [], force=force, is_shown=is_shown)
            return
        _refuse("they are of tasks on pictures", {"--mask": mask, "--at": at})
        from inr.core.config import override
        from inr.solving import Problem
        from inr.solving import solve as solved

        if problem is not None:
            if axes or condition or parameter or exact or states is not None:
                raise UsageError(
                    "--axes, --condition, --parameter, --exact and --states are for --equation, and a file is given"
                )
            given, stem = Problem.load(problem), Path(problem).stem
        else:
            given = _of_options(equation or [], axes, condition or [], parameter or [], exact, states)
            stem = "solution"
        changed = [] if field is None else [f"field={field}"]
        changed += [_own(text) for text in settings or []]
        if given.settings.field is None and field is None and any(text.startswith("field.") for text in changed):
            raise UsageError("--set field.* needs a field", "--field gauss")
        changed += [] if time is None else [f"time_s={options.seconds(time, '--time')}"]
        changed += [] if seed is None else [f"seed={seed}"]
        chosen = override(given.settings, changed, "solve")
        if check is None and given.cells:
            check, cells = "fd", given.cells
        target = OutputTarget.of(output, f"{stem}.safetensors", force=force, suffixes=(".safetensors",))
        named = (*(export or []), *given.outputs)
        exports = [OutputTarget.of(name, "", force=force, suffixes=_EXPORTS) for name in named]
        page = None if report is None else OutputTarget.of(report, "", force=force, suffixes=(".html", ".htm"))
        _check_films(given, exports)
        given = dataclasses.replace(given, settings=chosen)
        if cells is not None:
            from inr.solving.finite_difference import check_possible

            check_possible(given, cells)

        def progress(what: str, score: float) -> None:
            if is_shown:
                out.note(f"{what}: best residual {score:.1e}")

        solution = solved(given, on_progress=progress)
        data = solution.fit.to_bytes()
        target.write(data, keep=True)
        for each in exports:
            out.notes(_export(solution, each))
        if page is not None:
            from inr.report.solution_page import solution_page

            page.write(solution_page(solution, stem if not given.name else "").encode())
        checked = None if check is None else _checked(given, solution, cells)
    out.notes(solution.notes)
    names = [target.name, *(each.name for each in exports), *([page.name] if page is not None else [])]
    document = _document(solution, names, len(data), checked)
    out.result("solve", document, _text(solution, target.name, len(data), checked), target.name)
    if solution.outcome != "done":
        errors = solution.errors
        what = "relative error of the eigenvalues" if errors.eigenvalues else "residual"
        if errors.misfit and errors.score > max(errors.residual, errors.boundary_relative):
            what = "the misfit of the data counts as a residual of"
        reason = f"{what} {solution.errors.score:.1e}, and {chosen.target:g} was wanted"
        out.note(f"{solution.outcome.replace('_', ' ')} after {human_seconds(solution.seconds)}: {reason}")
        raise typer.Exit(1)


def _refuse(why: str, given: Mapping[str, object]) -> None:
    names = [name for name, value in given.items() if value]
    if names:
        raise UsageError(f"{' and '.join(names)} cannot be used here: {why}")


def _own(text: str) -> str:
    if text.startswith("field."):
        return text
    if not text.startswith("solve."):
        raise UsageError(f"--set is {text!r}, expected solve.KEY=VALUE or field.KEY=VALUE")
    return text.removeprefix("solve.")


def _cells(text: str) -> int | None:
    """The cells of finite differences; None for another seed."""
    if text == "seeds":
        return None
    key, _, value = text.partition("=")
    if key != "fd" or not value.isascii() or not value.isdigit() or len(value) > 6:
        raise UsageError(f"--check is {text!r}, expected fd=N with a number of cells, or seeds")
    return int(value)


def _of_options(
    equations: list[str],
    axes: str | None,
    conditions: list[str],
    parameters: list[str],
    exact: str | None,
    states: int | None,
) -> Problem:
    from inr.solving import Problem

    spans: dict[str, tuple[str, str]] = {}
    for part in (axes or "").split(",") if axes else []:
        name, _, span = part.partition("=")
        low, sign, high = span.partition(":")
        if not sign:
            raise UsageError(f"--axes is {axes!r}, expected a form such as x=0:1,y=0:2*pi")
        spans[name.strip()] = (low.strip(), high.strip())
    tables: list[Mapping[str, Any]] = []
    for text in conditions:
        side, sign, rest = text.partition(":")
        if not sign:
            raise UsageError(f"--condition is {text!r}, expected SIDE: EQUATION", '--condition "boundary: u = 0"')
        tables.append({"on": [name.strip() for name in side.split(",")], "equation": rest.strip()})
    given: dict[str, Any] = {}
    for text in parameters:
        name, sign, value = text.partition("=")
        if not sign:
            raise UsageError(f"--parameter is {text!r}, expected NAME=VALUE")
        given[name.strip()] = value.strip()
    more: dict[str, Any] = {"reference": {"exact": exact}} if exact is not None else {}
    more |= {"problem": {"kind": "eigen", "states": states}} if states is not None else {}
    return Problem.of(equations if len(equations) > 1 else equations[0], spans, tables, parameters=given, **more)


def _check_films(problem: Problem, exports: Sequence[OutputTarget]) -> None:
    for each in exports:
        if each.suffix("") in _FILMS and (problem.domain.time is None or len(problem.domain.axes) > 3):
            raise UsageError(
                f"--export is {each.name!r}, and the problem has the axes {', '.join(problem.domain.axes)}, "
                "expected time t and one or two of space",
                "write .png",
            )


def _export(solution: Solution, target: OutputTarget) -> tuple[str, ...]:
    from inr.report.solution_figure import solution_figure
    from inr.solving.lattice import Sampled

    sampled, suffix = Sampled.of(solution), target.suffix(".npz")
    if suffix == ".npz":
        data = sampled.to_npz()
    elif suffix == ".vti":
        from inr.solving.vtk import vti

        data = vti(sampled)
    elif suffix == ".vtu":
        from inr.solving.vtk import vtu

        data = vtu(sampled, solution)
    elif suffix in _FILMS:
        from inr.report.solution_film import solution_film

        data, notes = solution_film(sampled, suffix)
        target.write(data)
        return notes
    else:
        data = solution_figure(sampled, solution.problem.name, suffix)
    target.write(data)
    return ()


def _checked(problem: Problem, solution: Solution, cells: int | None) -> Any:
    if cells is None:
        from inr.solving.second_seed import second_seed

        return second_seed(problem, solution)
    from inr.solving.finite_difference import check

    return check(problem, solution.field, cells)


def _text(solution: Solution, name: str, size: int, checked: Any) -> str:
    errors = solution.errors
    worst = max(errors.boundary.values(), default=0.0)
    boundary = f"boundary {worst:.1e}" if worst else "boundary 0 (built in)"
    parts = [] if errors.eigenvalues else [f"residual {errors.residual:.1e}", boundary]
    parts += [f"{key} {value:.1e} rel L2 from the exact one" for key, value in errors.exact.items()]
    parts += [f"error at most {errors.bound:.1e} (sampled bound)"] if errors.bound is not None else []
    mean = errors.bound_mean
    parts += [f"rms error at most {mean:.1e} (sampled bound)"] if mean is not None and errors.bound is None else []
    parts += [f"{key} {value:.2g} times the noise off its data" for key, value in errors.observed.items()]
    parts += [_number(solution, key, value) for key, value in solution.unknowns.items()]
    parts += [f"{solution.fit.field.n_params:,} parameters", human_bytes(size), human_seconds(solution.seconds)]
    line = f"{printable(name)}  {'  '.join(parts)}"
    return line if checked is None else f"{line}\n{checked.sentence}"


def _number(solution: Solution, key: str, value: float) -> str:
    """A number that was found; an eigenvalue with the digits that its error leaves."""
    from inr.report.solution_page import number_found

    error, deviation = solution.errors.eigenvalues.get(key), solution.unknowns_std.get(key)
    text = f"{key} = {number_found(value, error)}"
    if deviation is not None:
        return f"{text} (standard deviation {deviation:.1g})"
    return text if error is None else f"{text} (error about {error * abs(value):.1g})"


def _document(solution: Solution, names: list[str], size: int, checked: Any) -> dict[str, Any]:
    return {
        "output": names[0],
        "exports": names[1:],
        "bytes": size,
        "outcome": solution.outcome,
        "errors": solution.errors.to_json(),
        "unknowns": dict(solution.unknowns),
        "unknowns_std": dict(solution.unknowns_std),
        "check": None if checked is None else dataclasses.asdict(checked),
        "stages": [{"what": s.what, "seconds": s.seconds, "score": s.score} for s in solution.stages],
        "notes": list(solution.notes),
        "n_params": solution.fit.field.n_params,
        "seconds": solution.seconds,
    }  # fmt: skip


def _write_examples(out: Output, folder: Path, force: bool) -> None:
    from inr.core.files import check_folder
    from inr.solving.examples import EXAMPLES
    from inr.solving.pictures.examples import picture_example

    check_folder(folder)
    files = {name: text.encode() for name, text in EXAMPLES.items()} | picture_example()
    targets = {name: OutputTarget.of(str(folder / name), "", force=force) for name in files}
    for name, target in targets.items():
        target.write(files[name])
    names = [target.name for target in targets.values()]
    out.result("solve", {"examples": names}, "\n".join(map(printable, names)), "\n".join(names))
