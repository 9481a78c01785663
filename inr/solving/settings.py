"""Settings of a solve: the [solve] table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from inr.core.config import Config, param, parse
from inr.fields import FieldConfig

Method = Literal["auto", "least_squares", "gauss_newton", "adam", "soap"]
Balance = Literal["none", "gradient", "ntk"]
FEATURES = 800
"""Of the least squares, where none are given and the waves are not many."""
MOST_FEATURES = 5000


@dataclass(frozen=True, kw_only=True)
class SolveSettings(Config):
    """What is not given is decided for the problem."""

    method: Method = param(
        "auto", "auto: least squares of the last layer, then Gauss-Newton if needed; soap with a field"
    )
    field: FieldConfig | None = param(
        None, "family of the solution, trained by adam or soap; none: networks of sines with built-in conditions"
    )
    time_s: float = param(60.0, "seconds, about; a step that has begun is finished", gt=0, le=86400)
    target: float = param(1e-6, "relative residual between the training points at which to stop", gt=0, lt=1)
    features: int | None = param(
        None,
        "hidden units of the least squares; none: 800, and up to 2500 for lap(u) + k^2 u with many waves",
        ge=8,
        le=MOST_FEATURES,
    )
    scale: float | None = param(
        None, "largest frequency of the features, in radians per half box; none: searched", gt=0
    )
    width: int = param(20, "hidden units per layer of Gauss-Newton", ge=2, le=512)
    depth: int = param(3, "hidden layers of Gauss-Newton", ge=1, le=8)
    omega: float = param(2.0, "factor in the sines of Gauss-Newton", gt=0, le=1000)
    points: int | None = param(None, "points inside; none: by the number of unknowns", ge=16, le=200_000)
    sampler: Literal["uniform", "rad"] = param(
        "uniform", "rad: new points where the residual is large (Wu et al. 2023)"
    )
    causal: float = param(0.0, "weight of the causal order in time (Wang et al. 2022); 0: none, true: 1", ge=0)
    windows: int = param(
        1, "equal parts of the time, solved one after the other; for equations of first order in time", ge=1, le=1000
    )
    weight: float = param(100.0, "of conditions that are not built in, in the sum of squares", gt=0)
    balance: Balance = param(
        "none",
        "of Adam and SOAP: weights of equations and conditions in place of `weight`, by norms of gradients or the "
        "tangent kernel (Wang et al. 2023, 2022)",
    )
    precision: Literal["auto", "float32", "float64"] = param(
        "auto", "of a chosen field while it is trained, auto: float32; the own networks have float64"
    )
    lr: float = param(3e-3, "learning rate of Adam and SOAP at the start; it falls to 0", gt=0, le=1)
    seed: int = param(0, "of points and initial weights", ge=0)

    @classmethod
    def of_table(cls, table: Mapping[str, Any]) -> Self:
        """Read the table [solve], where `time` is another name of `time_s`. Raises ConfigError."""
        causal = table.get("causal")
        given = {**table, "causal": float(causal)} if isinstance(causal, bool) else {**table}
        if "time" in given and "time_s" not in given:
            given["time_s"] = given.pop("time")
        return parse(cls, given, "solve")
