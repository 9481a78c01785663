"""Equations k lap(u) + c u = f with numbers k and c: what is known of them before they are solved."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from inr.solving.equation import TIME, by_name, is_linear, streams_of
from inr.solving.geometry import Box
from inr.solving.problem import Problem

NEAR = 1e-3
"""Relative distance of c / k from an eigenvalue at which a note is given."""
ALONE = 0.05
"""The same, as a part of the mean distance of neighbouring eigenvalues."""
PER_MODE = 1.5
"""Features that a mode of the domain needs."""


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


def remarks_on(problem: Problem) -> list[str]:
    """Notes about waves that are many for the features, and about a wavenumber near an eigenvalue of a box."""
    numbers = helmholtz_of(problem)
    if numbers is None or not numbers.wavenumber or problem.states:
        return []
    k, shape = numbers.wavenumber, problem.domain.shape
    lengths = [high - low for low, high in zip(shape.low, shape.high, strict=True)]
    found = []
    d = len(lengths)
    ball = math.pi ** (d / 2) / math.gamma(d / 2 + 1)
    modes = ball * math.prod(k * length / (2 * math.pi) for length in lengths)  # Weyl's law
    if PER_MODE * modes > problem.settings.features:
        waves = k * max(lengths) / (2 * math.pi)
        most = waves * (problem.settings.features / (PER_MODE * modes)) ** (1 / d)
        found.append(
            f"about {waves:.0f} wavelengths across: {problem.settings.features} features resolve {most:.0f}. "
            f"Set solve.features to {math.ceil(PER_MODE * modes / 100) * 100}, or solve a smaller part."
        )
    is_zero_outside = all({s for _, s in streams_of(r)} == {""} for c in problem.conditions for r in c.residuals)
    if isinstance(shape, Box) and not problem.domain.periodic and is_zero_outside:
        counts = [range(1, 2 + int(k * length / math.pi)) for length in lengths]
        if math.prod(map(len, counts)) > 10**6:
            return found
        square = k**2
        nearest = min(
            (sum((math.pi * m / length) ** 2 for m, length in zip(ms, lengths, strict=True))
             for ms in itertools.product(*counts)), key=lambda value: abs(value - square)
        )  # fmt: skip
        between = 2 * square / (d * max(modes, 1))
        if abs(nearest - square) < min(NEAR * square, ALONE * between):
            found.append(
                f"k^2 = {square:.5g} is within {100 * NEAR:g} % of an eigenvalue of this box ({nearest:.5g}): the "
                "solution depends on small changes of k."
            )
    return found
