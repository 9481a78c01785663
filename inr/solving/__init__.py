"""Boundary-value problems: declared as text, solved by networks of sines in float64, with measured errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from inr.solving.errors import Errors as Errors
    from inr.solving.many_dimensions import Ball as Ball
    from inr.solving.many_dimensions import BallSolution as BallSolution
    from inr.solving.many_dimensions import solve_ball as solve_ball
    from inr.solving.problem import Problem as Problem
    from inr.solving.settings import SolveSettings as SolveSettings
    from inr.solving.solver import Solution as Solution
    from inr.solving.solver import solve as solve

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "errors": ["Errors"],
        "many_dimensions": ["Ball", "BallSolution", "solve_ball"],
        "problem": ["Problem"],
        "settings": ["SolveSettings"],
        "solver": ["Solution", "solve"],
    },
)
