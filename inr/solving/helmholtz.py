"""Equations k lap(u) + c u = f with numbers k and c: what is known of them before they are solved."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from inr.solving.equation import TIME, by_name, is_linear, streams_of
from inr.solving.geometry import Box
from inr.solving.problem import Problem
from inr.solving.settings import FEATURES, MOST_FEATURES

NEAR = 1e-3
"""Relative distance of c / k from an eigenvalue at which a note is given."""
ALONE = 0.05
"""The same, as a part of the mean distance of neighbouring eigenvalues."""
MANY = 4.0
"""Wavelengths across a domain from which features have the frequencies of its waves."""
MOST_AXES = 2
"""Of problems with such features: with more axes too few features are left for each frequency."""
BEYOND = 6.5
"""Radians per half box by which the frequencies of features exceed those of the waves."""
PER_MODE = 1.8
"""Features per mode of a box whose waves have `EDGE` radians per half box more. Plane waves across a square have
residuals of 2e-5 with them at 6 wavelengths and 5e-7 at 12; with 1.6, errors of 2e-4 and less (the record
solve-per-mode in benchmarks/)."""
EDGE = 12.0
MOST_EIGENVALUES = 10**6
MOST_CHOSEN = 2500
"""Features that are chosen where none are given."""


@dataclass(frozen=True)
class Helmholtz:
    """The numbers of k lap(u) + c u = f. laplacian: k; value: c."""

    laplacian: float
    value: float

    @property
    def wavenumber(self) -> float:
        """Of the waves that solve the equation without a source; 0 if none do."""
        return math.sqrt(max(0.0, self.value / self.laplacian))


def helmholtz_of(problem: Problem) -> Helmholtz | None:
    """The numbers of a problem without time and unknown numbers that has this form in every field; else None."""
    if problem.domain.time is not None or problem.unknowns or TIME in problem.scope.axes:
        return None
    found = set()
    for node, channel in zip(problem.residuals, problem.scope.channels, strict=False):
        slopes = {letters: by_name(node, f"{channel}|{letters}") for _, letters in streams_of(node)}
        if not is_linear(node) or {key for key, _ in streams_of(node)} != {channel}:
            return None
        if any(slope.op != "number" for slope in slopes.values()):
            return None
        seconds = {slopes.pop(axis * 2).value if axis * 2 in slopes else 0.0 for axis in problem.scope.axes}
        value = slopes.pop("").value if "" in slopes else 0.0
        if len(seconds) != 1 or slopes or 0.0 in seconds:
            return None
        found.add(Helmholtz(seconds.pop(), value))
    return found.pop() if len(found) == 1 else None


def reach_of(problem: Problem) -> tuple[float, ...]:
    """Largest frequencies by axis for features, in radians per half box; empty where waves are few or unknown."""
    numbers = _many_waves(problem)
    if numbers is None:
        return ()
    return tuple(numbers.wavenumber * length / 2 + BEYOND for length in _lengths(problem))


def number_of_features(problem: Problem) -> int:
    """Those of the settings; or the default, and more for many waves."""
    if problem.settings.features is not None:
        return problem.settings.features
    numbers = _many_waves(problem)
    if numbers is None:
        return FEATURES
    return max(FEATURES, min(_needed(_lengths(problem), numbers.wavenumber), MOST_CHOSEN))


def _many_waves(problem: Problem) -> Helmholtz | None:
    """The numbers of an equation in one or two coordinates with many waves; else None."""
    numbers = None if problem.states else helmholtz_of(problem)
    if numbers is None or len(problem.scope.axes) > MOST_AXES or _waves(problem, numbers) < MANY:
        return None
    return numbers


def _lengths(problem: Problem) -> list[float]:
    shape = problem.domain.shape
    return [high - low for low, high in zip(shape.low, shape.high, strict=True)]


def _waves(problem: Problem, numbers: Helmholtz) -> float:
    """Wavelengths along the longest side of the box."""
    return numbers.wavenumber * max(_lengths(problem)) / (2 * math.pi)


def _needed(lengths: Sequence[float], wavenumber: float) -> int:
    """Features for waves of k radians per length in a box, rounded up to hundreds."""
    return 100 * math.ceil(PER_MODE * _modes(lengths, wavenumber, EDGE) / 100)


def _modes(lengths: Sequence[float], wavenumber: float, beyond: float = 0.0) -> float:
    """Modes of a box up to k, by Weyl's law: V_d prod_i (k L_i / 2 + beyond) / pi with the volume V_d of the unit
    ball."""
    d = len(lengths)
    ball: float = math.pi ** (d / 2) / math.gamma(d / 2 + 1)
    return ball * math.prod((wavenumber * length / 2 + beyond) / math.pi for length in lengths)


def _too_many(problem: Problem, numbers: Helmholtz) -> str | None:
    """A note about waves that are more than the features resolve."""
    lengths, features = _lengths(problem), number_of_features(problem)
    needed, waves = _needed(lengths, numbers.wavenumber), _waves(problem, numbers)
    if needed <= features or waves < MANY:
        return None
    parts = range(int(waves), 0, -1)
    most = next((n for n in parts if _needed(lengths, numbers.wavenumber * n / waves) <= features), 0)
    advice = f"Set solve.features to {needed}, or solve" if needed <= MOST_FEATURES else "Solve"
    return f"about {waves:.0f} wavelengths across: {features} features resolve {most}. {advice} a smaller part."


def remarks_on(problem: Problem) -> list[str]:
    """Notes about waves that are many for the features, and about a wavenumber near an eigenvalue of a box."""
    numbers = helmholtz_of(problem)
    if numbers is None or not numbers.wavenumber or problem.states:
        return []
    k, shape, lengths = numbers.wavenumber, problem.domain.shape, _lengths(problem)
    note = _too_many(problem, numbers)
    found = [] if note is None else [note]
    is_zero_outside = all({s for _, s in streams_of(r)} == {""} for c in problem.conditions for r in c.residuals)
    if isinstance(shape, Box) and not problem.domain.periodic and is_zero_outside:
        square = k**2
        nearest = nearest_eigenvalue(lengths, square)
        between = 2 * square / (len(lengths) * max(_modes(lengths, k), 1))
        if nearest is not None and abs(nearest - square) < min(NEAR * square, ALONE * between):
            found.append(
                f"k^2 = {square:.5g} is within {100 * NEAR:g} % of an eigenvalue of this box ({nearest:.5g}): the "
                "solution depends on small changes of k."
            )
    return found


def nearest_eigenvalue(lengths: Sequence[float], square: float) -> float | None:
    """The eigenvalue pi^2 sum (m_i / L_i)^2 of a box with zero values on its boundary that is nearest to k^2.

    None where more than a million are below it.
    """
    counts = [range(1, 2 + int(math.sqrt(square) * length / math.pi)) for length in lengths]
    if math.prod(map(len, counts)) > MOST_EIGENVALUES:
        return None
    values = (
        sum((math.pi * m / length) ** 2 for m, length in zip(ms, lengths, strict=True))
        for ms in itertools.product(*counts)
    )
    return min(values, key=lambda value: abs(value - square))
