"""The HTML page of a solved problem: fields, residual, errors, and the course of the work."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from inr.report._panel import Panel, PanelRow, document, escape
from inr.report._svg import TEXT, draw, inline
from inr.report.solution_figure import solution_figure
from inr.report.style import COLOURS, matplotlib
from inr.solving.lattice import Sampled
from inr.solving.regions import REGIONS
from inr.solving.solver import Solution


def solution_page(solution: Solution, title: str = "") -> str:
    """One self-contained page. The residual that is drawn is absolute, on a lattice; numbers are those of `errors`."""
    heading = title or solution.problem.name or "solution"
    sampled = Sampled.of(solution)
    mpl = matplotlib()
    with mpl.rc_context(TEXT):
        figure = inline(solution_figure(sampled, "", ".svg"), "the solution and its residual", is_themed=False)
    seconds = f"{solution.seconds:.1f} s"
    lead = f"{solution.outcome.replace('_', ' ')} in {seconds}, {solution.fit.field.n_params:,} parameters"
    middle = "The middle of the other axes is shown." if len(sampled.axes) > 2 else ""
    body = [f"<h1>{escape(heading)}</h1>", f"<p class=lead>{escape(lead)}</p>"]
    body += [f"<p class=note>{escape(note)}</p>" for note in solution.notes]
    body += [_tiles(solution), "<h2>Solution and residual</h2>"]
    body += [f'<figure class="wide light">{figure}<figcaption>{escape(middle)}</figcaption></figure>']
    body += [f"<h2>Errors, at {solution.errors.n_points:,} points that were not trained on</h2>", _table(solution)]
    curves = [each for each in (_stages(solution),) if each is not None]
    body += ["<h2>Course</h2>", PanelRow("", curves, "plots").html()] if curves else []
    body += ["<h2>Problem</h2>", f"<pre>{_text(solution.problem.text)}</pre>"]
    return document(heading, body)


def _text(text: str) -> str:
    return "\n".join(escape(line) for line in text.splitlines())


def _tiles(solution: Solution) -> str:
    errors = solution.errors
    facts = [("residual, relative", f"{errors.residual:.2g}"), ("boundary, relative", _zero(errors.boundary_relative))]
    facts += [(f"{key} against exact", f"{value:.2g}") for key, value in errors.exact.items()]
    facts += [("error at most", f"{errors.bound:.2g}")] if errors.bound is not None else []
    facts += [("rms error at most", f"{errors.bound_mean:.2g}")] if errors.bound_mean is not None else []
    facts += [(key, number_found(value, errors.eigenvalues.get(key))) for key, value in solution.unknowns.items()]
    return f"<dl class=facts>{''.join(f'<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>' for k, v in facts)}</dl>"


def number_found(value: float, error: float | None = None) -> str:
    """A number of a solution, with the digits that its relative error leaves; six without one."""
    digits = 6 if error is None else min(12, max(2, 2 - math.floor(math.log10(max(error, 1e-300)))))
    return f"{value:.{digits}g}"


def _zero(value: float) -> str:
    return f"{value:.2g}" if value else "0 (built in)"


def _table(solution: Solution) -> str:
    errors = solution.errors
    where = "in its units" + (f", at ({_numbers(errors.worst_at)})" if errors.worst_at else "")
    rows = [
        ("equation", f"{errors.residual:.2g}", "root mean square, as a part of its largest term"),
        *((f"equation, {key}", f"{value:.2g}", f"the same, {REGIONS[key]}") for key, value in errors.regions.items()),
        ("equation, largest", f"{errors.residual_max:.2g}", where),
        ("held out / trained", f"{errors.ratio:.2g}", "residual between the training points over that at them"),
    ]
    for key, part in errors.eigenvalues.items():
        rows.append((f"eigenvalue {key}", f"{part:.2g}", "an estimate of its error, as a part of it"))
    unit = "root mean square, in its units"
    rows += [(f"condition {side}", _zero(value), unit) for side, value in errors.boundary.items()]
    for key, value in errors.exact.items():
        most = f"against the given solution; at most {errors.exact_max[key]:.2g}"
        rows.append((f"{key}, relative L2", f"{value:.2g}", most))
    for key, value in solution.unknowns_std.items():
        rows.append((f"{key}, deviation", f"{value:.2g}", "standard deviation, from the noise of the measured values"))
    for key, value in errors.observed.items():
        rows.append((f"measured {key}", f"{value:.2g}", "root mean square of what they are off, over their noise"))
    if errors.bound is not None:
        rows.append(("bound", f"{errors.bound:.2g}", "on the largest error; its maxima are sampled"))
    if errors.bound_mean is not None:
        rows.append(("bound", f"{errors.bound_mean:.2g}", "on the root mean square of the error, which is sampled"))
    if errors.bound is None and errors.bound_mean is None and not errors.eigenvalues:
        rows.append(("bound", "none", "none is known for this equation with these conditions"))
    cells = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<div class=card><table><tr><th>error</th><th>value</th><th>what it is</th></tr>{cells}</table></div>"


def _numbers(place: Sequence[float]) -> str:
    return ", ".join(f"{value:.3g}" for value in place)


def _stages(solution: Solution) -> Panel | None:
    """The score after each stage, over time."""
    stages = [stage for stage in solution.stages if math.isfinite(stage.score) and stage.score > 0]
    if not stages:
        return None
    ends = [sum(stage.seconds for stage in solution.stages[: at + 1]) for at in range(len(solution.stages))]
    x = [end for end, stage in zip(ends, solution.stages, strict=True) if stage in stages]

    def paint(figure: Any) -> None:
        axes = figure.add_subplot()
        axes.plot(x, [stage.score for stage in stages], "o-", color=COLOURS[0])
        axes.axhline(solution.problem.settings.target, color=COLOURS[1], linestyle="--")
        axes.set_yscale("log")
        axes.set_xlabel("seconds")

    names = "; ".join(f"{stage.what}: {stage.score:.1e}" for stage in solution.stages)
    what = "Largest relative error of an eigenvalue" if solution.errors.eigenvalues else "Residual"
    return Panel(f"{what} after each stage", draw((5, 3.2), paint, f"{what} by time"), f"{names}. Dashed: the target.")
