"""From a problem to its solution: hard conditions, least squares of the last layer, Gauss-Newton or a descent."""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Generator, Tensor

from inr.core.config import parse
from inr.core.domain import Domain as Frames
from inr.core.domain import Frame, Spec
from inr.core.errors import UsageError
from inr.core.formula import text_of
from inr.core.tensor_formula import tensor_of
from inr.fields import FieldConfig
from inr.fields.solution import Solution as Config
from inr.fields.solution import SolutionField
from inr.fitting import Fit, FitConfig
from inr.solving.balance import check_balance
from inr.solving.candidates import parts_of
from inr.solving.descent import descend
from inr.solving.determination import (
    doubts_about_data,
    doubts_about_numbers,
    sensitivity,
    standard_deviations,
    undetermined,
)
from inr.solving.eigen import EigenSolver, States, pinned, with_estimates
from inr.solving.equation import TIME, streams_of
from inr.solving.errors import HELD_OUT, LEAST_POINTS, Errors, measure
from inr.solving.geometry import Polygon, sides_of
from inr.solving.hard import hard_conditions
from inr.solving.helmholtz import number_of_features, reach_of, remarks_on
from inr.solving.least_squares import solve_last_layer, with_features, with_waves
from inr.solving.loss_weights import LossWeights, check_weights
from inr.solving.nested import AnyField, NestedField, check_field, nested_field
from inr.solving.newton import gauss_newton, parameters_of
from inr.solving.points import adaptive_points, causal_weights, points_inside
from inr.solving.problem import Problem
from inr.solving.remarks import check_unknowns, check_values, front_in, rounding_floor, slow_steps, time_reached
from inr.solving.rows import Group, Streams, groups_of
from inr.solving.settings import Method
from inr.solving.state import State
from inr.solving.waves import transport_speed, wave_speed

SCALES = (8.0, 16.0, 4.0, 32.0, 2.0, 64.0, 128.0)
"""Largest frequencies of features that are tried, in radians per half box; one less with every axis."""
WIDER = (1.0, 1.5)
"""Multiples of the frequencies of waves that are tried before, for sources that vary faster."""
ROWS_PER_UNKNOWN = 2.5
ROWS_PER_PARAMETER = 3
"""Of Gauss-Newton: with fewer the equation holds at the points of a step and not between them."""
SHARE_OF_LAST_LAYER = 0.3
"""Of the time, for the last layers of a nonlinear equation in time, where Gauss-Newton follows."""
HORIZONS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Parts of the time, or of a line, that are solved before all of it, if the equation is not linear."""
STEPS_PER_HORIZON = 4
SLOW = 0.25
MOST_LATE = 20.0
"""Bound of the factor of frequencies in time."""
LATE = 1e-6
"""Weight of an equation after the horizon."""
NONLINEAR_SCALES = (8.0, 16.0, 32.0, 4.0, 64.0)
LATTICE = {1: 1024, 2: 128, 3: 48, 4: 24}
"""Samples per axis of a picture of the solution, by the number of axes."""
ENOUGH = 1e-2
"""Part of the target at which no other scale is tried."""
OVERFITTED = 4.0
UNBALANCED = 30.0
"""Relative error of a condition over that of the equation from which the condition counts for too little."""
STALLED = 1e-2
MOST_CHECKED = 8000
"""Points at which it is checked what determines a solution."""

Outcome = Literal["done", "target_not_reached", "stalled"]


@dataclass(frozen=True)
class Stage:
    """One part of the work: what it was, how long it took, and the score after it."""

    what: str
    seconds: float
    score: float


@dataclass(frozen=True)
class Solution:
    """A solved problem.

    fit: the field, to be saved, rendered and exported as any other; its values are float64 inside. errors: measured
    where nothing was trained. unknowns: numbers that were found, unknowns_std: their standard deviations from the noise
    of the measured values. stages: what was done. notes: sentences about it.
    """

    problem: Problem
    fit: Fit
    errors: Errors
    unknowns: Mapping[str, float]
    stages: Sequence[Stage]
    notes: Sequence[str]
    outcome: Outcome
    seconds: float
    unknowns_std: Mapping[str, float] = dataclasses.field(default_factory=dict)

    @property
    def field(self) -> AnyField:
        """The field with `jets` in the problem's units."""
        if isinstance(self.fit.field, SolutionField):
            return self.fit.field
        found = NestedField(self.fit.field, self.problem.domain.low, self.problem.domain.high)
        return found.in_float64() if self.problem.settings.precision == "float64" else found

    def save(self, path: str | Path) -> None:
        """Write the model file."""
        self.fit.save(path)

    @torch.no_grad()
    def values(self, points: Tensor, text: str) -> Tensor:
        """Formulas such as "u, u_x, lap(u)" [N, K] at points [N, D] in the problem's units, in float64.

        A complex formula has two columns, one with an imaginary part of 0 has one. Raises UsageError with the column
        for text that is not a formula of the problem's names.
        """
        scope, points = self.problem.scope, torch.as_tensor(points, dtype=torch.float64)
        nodes = [node for part in parts_of(text) for node in scope.residuals(part)]
        streams = Streams.of(scope.axes, {letters for node in nodes for _, letters in streams_of(node)})
        jets = self.field.jets(points, streams.plan)
        known = {axis: points[:, at] for at, axis in enumerate(scope.axes)}
        known |= {key: points.new_tensor(value) for key, value in self.unknowns.items()}
        for at, channel in enumerate(scope.channels):
            known |= {f"{channel}|{letters}": jets[s, :, at] for letters, s in streams.number.items()}
        return torch.stack([tensor_of(node, known, points[:, 0]) for node in nodes], -1)


def solve(
    problem: Problem | str | Path,
    *,
    time_s: float | None = None,
    field: str | Mapping[str, Any] | FieldConfig | None = None,
    on_progress: Callable[[str, float], None] | None = None,
    **settings: Any,
) -> Solution:
    """Solve a boundary-value problem.

    Args:
        problem: a `Problem`, or the path of its TOML file.
        time_s: seconds, about, in place of those of the problem.
        field: family of the solution, in place of that of the problem; it is trained by Adam or SOAP.
        on_progress: called with the stage and the relative residual so far.
        settings: of `SolveSettings`, in place of those of the problem: `method`, `features`, `width`, `seed` ...

    Returns:
        A `Solution`: `errors` (held-out residual, boundary, bound, against a known solution), `fit`, `unknowns`.

    It writes no file: those that [output] of a problem names are written by the command `inr solve`, and are in
    `problem.outputs`. `inr.solving.lattice.Sampled.of(solution)` has the values on a lattice.

    Raises:
        UnreadableError: the file is missing. UsageError: the problem or a setting is not valid; ConfigError: settings.

    Examples:
        >>> import inr
        >>> walls = {"on": "boundary", "equation": "u = 0"}
        >>> problem = inr.Problem.of("lap(u) = -1", {"x": (0, 1), "y": (0, 1)}, [walls])
        >>> solution = inr.solve(problem, features=200)
        >>> round(float(solution.fit(torch.tensor([[0.5, 0.5]]))), 3)
        0.074
    """
    given = problem if isinstance(problem, Problem) else Problem.load(problem)
    changed = settings if time_s is None else settings | {"time_s": time_s}
    if field is not None:
        changed["field"] = field if isinstance(field, FieldConfig) else parse(FieldConfig, field, "field")
    chosen = dataclasses.replace(given.settings, **changed)
    return _Solver(dataclasses.replace(given, settings=chosen), on_progress).run()


def starting_rows(problem: Problem, n_inside: int) -> tuple[State, list[Group]]:
    """The network that Gauss-Newton and descents start from, and its rows at n_inside points."""
    if problem.settings.field is not None:
        raise UsageError("the kernel is that of the own network of inr solve, and a field is given", "leave it out")
    whole = dataclasses.replace(problem, settings=dataclasses.replace(problem.settings, windows=1))
    return _Solver(whole, None).begun(n_inside)


def _n_inside(groups: Sequence[Group]) -> int:
    """Points of the equations."""
    return max((len(group.x) for group in groups if group.kind == "equation"), default=0)


def _numbers(place: Sequence[float]) -> str:
    return ", ".join(f"{value:.3g}" for value in place)


class _Solver:
    """window, earlier: of a part of the time, which `problem` is limited to; config: of the whole time."""

    def __init__(
        self,
        problem: Problem,
        on_progress: Callable[[str, float], None] | None,
        config: Config | None = None,
        window: int = 0,
        earlier: SolutionField | None = None,
    ) -> None:
        self._whole, self._window, self._earlier = config, window, earlier
        check_field(problem)
        check_balance(problem)
        check_unknowns(problem)
        check_weights(problem)
        self.problem, self.settings = problem, problem.settings
        self.on_progress = on_progress
        self.generator = Generator().manual_seed(problem.settings.seed)
        self.hard = hard_conditions(problem)
        check_values(problem, self.hard)
        self.notes = [*self.hard.notes]
        self.remarks: list[str] = []
        self.n_trained = 0
        self.start = time.perf_counter()
        self.stages: list[Stage] = []
        self.best: tuple[State, Errors] | None = None
        self.trained: Sequence[Group] = ()
        self.is_stalled = False
        self.found: dict[str, float] = {}
        shape = problem.domain.shape
        corners = shape.corner_functions if isinstance(shape, Polygon) else {}
        self._corners = [*corners.values(), *(spot.input_of(problem.domain.space) for spot in problem.spots)]
        for place in corners if self.settings.field is None else ():
            self.notes.append(
                f"the corner at ({_numbers(place)}) points inwards, and derivatives are infinite there: an input of "
                "the network has the form of solutions at such a corner."
            )
        self.notes += remarks_on(problem)
        if problem.unknowns and not problem.observed:
            self.notes.append(
                f"there are no [[observed]] data: {', '.join(problem.unknowns)} means something only if the conditions "
                "determine it."
            )
        for channel in problem.floating:
            self.notes.append(
                f"{channel} is only determined up to a constant. Add [[condition]] equation = "
                f'"mean({channel.partition(".")[0]}) = 0" or one value; continuing with a mean of 0.'
            )

    def run(self) -> Solution:
        if self.problem.states:
            self._eigenvalues()
            return self._result()
        if self.settings.windows > 1:
            self._march()
            return self._result()
        self._work()
        return self._result()

    def _work(self) -> None:
        method = self.settings.method
        if self.settings.field is not None and method == "auto":
            method = "soap"
        if method in ("auto", "least_squares"):
            self._least_squares()
        is_enough = self.best is not None and self.best[1].score <= self.settings.target
        if (method == "auto" and not is_enough and self._left > 1) or method == "gauss_newton":
            self._gauss_newton()
        if method in ("adam", "soap"):
            self._descend(method)

    def _march(self) -> None:
        """One window of the time after the other; the way that is best for the first one solves the others."""
        domain, n = self.problem.domain, self.settings.windows
        self._check_windows()
        assert domain.time is not None
        config, (low, high), field = self._config(), domain.time, None
        n_trained = 0
        for at in range(n):
            part = dataclasses.replace(domain, time=(low + (high - low) * at / n, low + (high - low) * (at + 1) / n))
            settings = dataclasses.replace(
                self.settings, windows=1, seed=self.settings.seed + at, time_s=max(1.0, self._left / (n - at))
            )
            if field is not None:
                method: Method = "least_squares" if field.config.depth == 1 else "gauss_newton"
                settings = dataclasses.replace(
                    settings, method=method if settings.method == "auto" else settings.method
                )
            problem = dataclasses.replace(self.problem, domain=part, settings=settings)
            solver = _Solver(problem, self.on_progress, config, at, field)
            solver._work()
            assert solver.best is not None
            self.stages += [dataclasses.replace(s, what=f"window {at + 1}, {s.what}") for s in solver.stages]
            self.is_stalled |= solver.is_stalled
            field = solver.best[0].network
            n_trained += _n_inside(solver.trained)
        assert field is not None
        state = State.start(field, self.problem)
        generator = Generator().manual_seed(self.settings.seed + 1)
        n = max(LEAST_POINTS, HELD_OUT * n_trained)
        self.best = (state, measure(self.problem, state, self.hard, generator, n=n))

    def _check_windows(self) -> None:
        """Refuse windows for problems whose formula does not begin with given values in every field."""
        problem, settings = self.problem, self.settings
        if problem.domain.time is None or problem.order_of(TIME) != 1 or problem.unknowns or problem.observed:
            raise UsageError(
                f"windows is {settings.windows}, expected 1 for an equation that is not of first order in time t, and "
                "for unknown numbers and measured values"
            )
        start = (problem.domain.on("start", 100, Generator().manual_seed(0))).x
        names = {axis: start[:, a] for a, axis in enumerate(problem.domain.axes)}
        for channel in problem.scope.channels:
            if float(tensor_of(self.hard.factor[channel], names, start[:, 0]).abs().max()) > 0:
                raise UsageError(
                    f"windows is {settings.windows}, and the values of {channel} at the start are not built in",
                    f'a condition on "start" that gives {channel} and agrees with those on the walls',
                )

    @property
    def _spec(self) -> Spec:
        d = len(self.problem.scope.axes)
        return Spec("array", d, len(self.problem.scope.channels), (LATTICE[d],) * d)

    @property
    def _left(self) -> float:
        return self.start + self.settings.time_s - time.perf_counter()

    @property
    def _last_layer_until(self) -> float:
        """When the last layers end; a nonlinear equation in time leaves most of the time to Gauss-Newton."""
        is_followed = self.settings.method == "auto" and not self.problem.is_linear_in_fields
        share = SHARE_OF_LAST_LAYER if is_followed and self.problem.domain.time is not None else 1.0
        return self.start + share * self.settings.time_s

    def _config(self) -> Config:
        if self._whole is not None:
            return self._whole
        scope, domain = self.problem.scope, self.problem.domain
        return Config(
            axes=scope.axes,
            low=domain.low,
            high=domain.high,
            periodic=domain.periodic,
            lift=tuple(text_of(self.hard.lift[channel]) for channel in scope.channels),
            factor=tuple(text_of(self.hard.factor[channel]) for channel in scope.channels),
            width=self.settings.width,
            depth=self.settings.depth,
            omega=self.settings.omega,
            corners=tuple(text_of(node) for node in self._corners),
            windows=self.settings.windows,
        )

    def _network(self) -> State:
        """What Gauss-Newton and descents start from: the network of the window before, or a random one; or a field of
        the chosen family."""
        if self.settings.field is not None:
            return State.start(nested_field(self.problem, self._spec, self.generator), self.problem)
        field = SolutionField(self._config(), self.generator, self._window, self._earlier)
        if self._earlier is not None:
            field.load_weights(self._earlier)
        return State.start(field, self.problem)

    def _groups(self, state: State, n_inside: int, inside: Any = None) -> list[Group]:
        d = len(self.problem.scope.axes)
        n_side = max(50, n_inside // (6 if d > 1 else 20))
        x = points_inside(self.problem, n_inside, self.generator) if inside is None else inside
        groups = groups_of(self.problem, self.hard, len(x), n_side, self.generator, x)
        for group in groups:
            group.prepare(state.field)
            group.scale = group.unit_size(self.problem.domain, state.numbers)
        return groups

    def _keep(self, what: str, state: State, trained: Sequence[Group], began: float, n: int = 4000) -> Errors:
        errors = measure(self.problem, state, self.hard, Generator().manual_seed(self.settings.seed + 1), trained, n)
        score = errors.score if math.isfinite(errors.score) else math.inf
        self.n_trained = _n_inside(trained)
        self.stages.append(Stage(what, time.perf_counter() - began, score))
        if self.best is None or not self.best[1].score <= score:
            self.best, self.trained = (state, errors), trained
        if self.on_progress is not None:
            self.on_progress(what, self.best[1].score)
        return errors

    # -- stages

    def _eigenvalues(self) -> None:
        if self.settings.method not in ("auto", "least_squares"):
            raise UsageError(
                f"method is {self.settings.method!r}, and eigenvalues are found by least_squares",
                "leave out solve.method",
            )
        solver, config = EigenSolver(self.problem), self._config()
        found: dict[float, States] = {}
        for scale in self._scales():
            began = time.perf_counter()
            found[scale] = solver.solve(config, scale, self.generator)
            for above in (scale, 2 * scale):
                if above in found and above / 2 in found:
                    found[above] = with_estimates(found[above], found[above / 2])
            score = min(states.score for states in found.values())
            self.stages.append(Stage(f"Rayleigh-Ritz, scale {scale:.3g}", time.perf_counter() - began, score))
            if self.on_progress is not None:
                self.on_progress(self.stages[-1].what, score)
            if self._left < 0 or score <= ENOUGH * self.settings.target:
                break
        best = min(found.values(), key=lambda states: states.score)
        self.problem = pinned(self.problem, best)
        self.hard = hard_conditions(self.problem)
        state = State.start(best.field, self.problem)
        errors = measure(self.problem, state, self.hard, Generator().manual_seed(self.settings.seed + 1))
        self.found = dict(zip(best.names, best.values, strict=True))
        self.best = (state, dataclasses.replace(errors, eigenvalues=best.relative))

    def _least_squares(self) -> None:
        n = number_of_features(self.problem)
        n_fields = len(self.problem.scope.channels)
        n_inside = self.settings.points or int(ROWS_PER_UNKNOWN * n * n_fields / len(self.problem.residuals))
        least = math.inf
        began = time.perf_counter()
        for what, enough, field in self._random_sines(n):
            state = State.start(field, self.problem)
            groups = self._groups(state, n_inside)
            self._solve(state, groups)
            errors = self._keep(f"least squares, {what}", state, groups, began)
            least = min(least, errors.score) if math.isfinite(errors.score) else least
            if time.perf_counter() > self._last_layer_until or least <= enough * self.settings.target:
                break
            began = time.perf_counter()

    def _random_sines(self, n: int) -> Iterator[tuple[str, float, SolutionField]]:
        """Fields of n random sines to try, with words for each, and the part of the target that is enough."""
        config, reach = self._config(), reach_of(self.problem) if self.settings.scale is None else ()
        for factor in WIDER if reach else ():
            sizes = [factor * size for size in reach]
            yield f"waves, scale {max(sizes):.3g}", 1.0, with_waves(config, n, sizes, self.generator)
        for scale in self._scales():
            field = with_features(config, n, scale, self.generator, self._late, self._window, self._earlier)
            yield f"scale {scale:.3g}", ENOUGH, field

    @property
    def _late(self) -> float:
        """Factor of the features' frequencies in time: solutions of diffusion vary slower in time than in space, and
        waves, or what is carried along, at speed c that have k radians per length have c k per time."""
        domain = self.problem.domain
        order = 0 if domain.time is None else self.problem.order_of(TIME)
        is_smoothed = order == 1 and any(self.problem.order_of(axis) > 1 for axis in domain.space)
        speeds = {1: transport_speed, 2: wave_speed}
        speed = speeds[order](self.problem) if order in speeds else None
        if speed is None or domain.time is None:
            return SLOW if is_smoothed else 1.0
        shortest = min(high - low for low, high in zip(domain.shape.low, domain.shape.high, strict=True))
        duration = domain.time[1] - domain.time[0]
        return min(max(speed * duration / shortest, SLOW if is_smoothed else 1 / MOST_LATE), MOST_LATE)

    def _solve(self, state: State, groups: Sequence[Group]) -> None:
        """The last layer of all rows; of a nonlinear equation that starts from one end, near that end first."""
        until = self._last_layer_until
        start = self._start_of()
        if not self.problem.is_linear_in_fields and start is not None:
            axis, end = start
            length = self.problem.domain.high[axis] - self.problem.domain.low[axis]
            for share in HORIZONS:
                for group in groups:
                    if group.kind == "equation":
                        late = (group.x[:, axis] - end).abs() > share * length
                        group.row_weights = torch.where(late, LATE, 1.0).double()
                solve_last_layer(state, groups, is_linear=False, most_steps=STEPS_PER_HORIZON, until=until)
            for group in groups:
                group.row_weights = None
        solve_last_layer(state, groups, is_linear=self.problem.is_linear, until=until)

    def _start_of(self) -> tuple[int, float] | None:
        """The axis and the end that a solution starts from: of time, or of a single axis with conditions at one end."""
        domain = self.problem.domain
        if domain.time is not None:
            return domain.axes.index(TIME), domain.time[0]
        low, high = sides_of(domain.axes[0])
        given = {side for condition in self.problem.conditions for side in condition.sides}
        if len(domain.axes) > 1 or given not in ({low}, {high}):
            return None
        return 0, (domain.low if given == {low} else domain.high)[0]

    def _scales(self) -> Iterator[float]:
        if self.settings.scale is not None:
            yield self.settings.scale
            return
        if not self.problem.is_linear:
            yield from NONLINEAR_SCALES
            return
        yield from SCALES[: len(SCALES) + 1 - len(self.problem.scope.axes)]

    def begun(self, n_inside: int) -> tuple[State, list[Group]]:
        """See `starting_rows`."""
        state = self._network()
        return state, self._groups(state, n_inside)

    def _gauss_newton(self) -> None:
        began = time.perf_counter()
        state = self._network()
        n_params = sum(p.numel() for p in parameters_of(state))
        n_inside = self.settings.points or max(1000, ROWS_PER_PARAMETER * n_params // len(self.problem.residuals))
        until = began + max(1.0, self._left)
        seen: list[Sequence[Group]] = []

        def groups(round_: int) -> Sequence[Group]:
            seen[:] = [self._round(state, n_inside, round_)]
            return seen[0]

        def is_enough() -> bool:
            errors = measure(self.problem, state, self.hard, Generator().manual_seed(self.settings.seed + 1), n=1000)
            if self.on_progress is not None:
                self.on_progress("Gauss-Newton", errors.score)
            return errors.score <= self.settings.target

        steps, self.is_stalled = gauss_newton(state, groups, until, is_enough)
        self._keep(f"Gauss-Newton, {steps} steps", copy.deepcopy(state), seen[0], began)
        self._remark(slow_steps(steps, time.perf_counter() - began, n_params))
        self._note_time(state, seen[0])
        began = time.perf_counter()
        solve_last_layer(state, seen[0], is_linear=self.problem.is_linear)
        self._keep("least squares of its last layer", state, seen[0], began)

    def _round(self, state: State, n: int, round_: int) -> list[Group]:
        groups = self._groups(state, n, self._adapted(state, n) if round_ else None)
        if self.settings.causal and self.problem.domain.time is not None:
            for group in groups:
                if group.kind == "equation":
                    group.row_weights = causal_weights(self.problem, state, group, self.settings.causal)
        return groups

    def _adapted(self, state: State, n: int) -> Any:
        if self.settings.sampler == "uniform":
            return None
        candidates = [g for g in self._groups(state, 10 * n) if g.kind == "equation"]
        return adaptive_points(state, candidates, n, self.generator)

    def _descend(self, name: str) -> None:
        began = time.perf_counter()
        state = self._network()
        n_inside = self.settings.points or 1000
        seen: list[Sequence[Group]] = []

        def groups(round_: int) -> Sequence[Group]:
            seen[:] = [self._round(state, n_inside, round_ % 100)]
            return seen[0]

        weights = LossWeights(self.settings.balance)
        steps = descend(state, groups, name, self.settings.lr, began + self._left, self._left, weights)
        if isinstance(state.field, NestedField):
            state.field.round_parameters()
        errors = self._keep(f"{name}, {steps} steps", state, seen[0], began)
        self._remark(rounding_floor(state, seen[0], errors.residual))
        found = weights.by_title()
        if len(found) > 1:
            shown = ", ".join(f"{title} {weight:.2g}" for title, weight in found.items())
            self.notes.append(f"the weights that balance = {self.settings.balance!r} found last: {shown}.")
        self._note_time(state, seen[0])

    def _note_time(self, state: State, groups: Sequence[Group]) -> None:
        if not self.settings.causal:
            return
        for group in groups:
            if group.kind == "equation":
                weights = causal_weights(self.problem, state, group, self.settings.causal)
                self._remark(time_reached(self.problem, state, group, weights))

    def _remark(self, note: str | None) -> None:
        """Keep a note for a solution that misses its target."""
        if note is not None:
            self.remarks.append(note)

    # -- result

    def _result(self) -> Solution:
        assert self.best is not None
        state, errors = self.best
        n = HELD_OUT * _n_inside(self.trained)
        if n > LEAST_POINTS:
            generator = Generator().manual_seed(self.settings.seed + 1)
            errors = measure(self.problem, state, self.hard, generator, self.trained, n)
        settings, notes = self.settings, self.notes
        outcome: Outcome = "done" if errors.score <= settings.target else "target_not_reached"
        if self.is_stalled and errors.score > STALLED:
            outcome = "stalled"
        if outcome == "stalled":
            notes.append("no step of Gauss-Newton lowers the residual any more: a wider network (solve.width).")
        if errors.ratio > OVERFITTED and outcome != "done":
            notes.append(
                "the equation holds at the training points but not between them "
                f"({errors.ratio:.1f} times worse), least of all near ({_numbers(errors.worst_at)}): more points, "
                "or a solution that is singular there."
            )
        if outcome != "done" and errors.boundary_relative > UNBALANCED * errors.residual:
            worst = max(errors.boundary, key=lambda side: errors.boundary[side])
            notes.append(
                f'the condition on "{worst}" is off by {errors.boundary[worst]:.2g} although the equation holds '
                f"({errors.residual:.1e}): give it a larger weight, or set hard = true."
            )
        if outcome != "done":
            if self.n_trained:
                self._remark(front_in(self.problem, state, self.n_trained))
            notes += self.remarks
        deviations = self._doubts(state, errors)
        seconds = time.perf_counter() - self.start
        numbers = state.numbers | self.found
        fit = self._fit(state, errors, seconds)
        return Solution(
            self.problem, fit, errors, numbers, self.stages, notes, outcome, seconds, unknowns_std=deviations
        )

    def _doubts(self, state: State, errors: Errors) -> dict[str, float]:
        """Add notes about what small residuals do not show; the standard deviations of unknown numbers."""
        problem, field = self.problem, state.field
        if not math.isfinite(errors.residual):
            self.notes.append(f"the equation has no finite value at ({_numbers(errors.worst_at)}) with this solution.")
            return {}
        deviations: dict[str, float] = {}
        is_plain = isinstance(field, SolutionField) and field.earlier is None and not problem.states
        if is_plain and (problem.unknowns or len(state.network.weights) == 2):
            n = ROWS_PER_PARAMETER * sum(p.numel() for p in state.network.weights) if problem.unknowns else 1000
            groups = self._groups(state, min(max(n, 1000), MOST_CHECKED))
            if len(state.network.weights) == 2 and not problem.observed:
                note = undetermined(sensitivity(state, groups), errors.score)
                self.notes += [] if note is None else [note]
            deviations = {} if errors.misfit else standard_deviations(problem, state, groups)
        self.notes += doubts_about_numbers(problem, state.numbers, deviations)
        self.notes += doubts_about_data(problem, errors.observed)
        return deviations

    def _fit(self, state: State, errors: Errors, seconds: float) -> Fit:
        domain, scope = self.problem.domain, self.problem.scope
        channels = len(scope.channels)
        frame = Frame(Frames(domain.low, domain.high, scope.axes, "units"), (0.0,) * channels, (1.0,) * channels)
        size = errors.size if math.isfinite(errors.size) and errors.size > 0 else 1.0
        meta = {"dtype": "float32", "channels": "last" if channels > 1 else "none", "range": [-size, size]}
        found = {"problem": self.problem.text, "errors": errors.to_json(), "unknowns": state.numbers | self.found}
        field = state.field.family if isinstance(state.field, NestedField) else state.field
        if isinstance(state.field, NestedField) and not state.field.is_float32:
            field = copy.deepcopy(field).float()
        return Fit(
            field, self._spec, frame, meta, FitConfig(), source=self.problem.name,
            steps=len(self.stages), seconds=seconds, provenance={"solved": found},
        )  # fmt: skip
