"""Lipschitz-bounded network.  Wang and Manchester 2023, arXiv:2301.11526."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from inr.core.config import param
from inr.core.domain import Spec
from inr.encodings import EncodingConfig
from inr.encodings.frequency import Frequency
from inr.encodings.identity import Identity
from inr.fields._field import FIELDS, Deviation
from inr.fields._limits import Limits
from inr.fields._recipe import BestRecipe, cosine
from inr.fields.mlp import Mlp
from inr.layers import BlockConfig, LinearConfig
from inr.layers.blocks.sandwich import Sandwich
from inr.layers.linear.cayley import Cayley


@FIELDS.register("lbdn")
@dataclass(frozen=True, kw_only=True)
class Lbdn(Mlp):
    """ReLU network of sandwich blocks with Lipschitz constant at most `linear.gamma`: distances never overshoot.

    |f(x) - f(y)| <= gamma |x - y| in 2-norms, in training values per length of the unit box. Coordinates are centred
    and not scaled, and distances are trained in lengths of the unit box, so gamma = 1 suits distance fields in any
    unit. `Field.lipschitz_bound` is the certified bound, often slightly below gamma. An encoding multiplies it by
    its own bound.

    Default gamma: 1 for shapes and points, for which the family is intended. On lattices coordinates enter as octave
    frequencies, with gamma 4: raw ones (`encoding=identity`, then with gamma pi n / 8, a full wave over 16 samples of
    the longest side n) learn pictures more slowly and sounds not at all.
    """

    paper: ClassVar[str] = "Wang and Manchester 2023, arXiv:2301.11526"
    limits: ClassVar[Limits] = Limits(
        shapes=(
            "A distance has slope 1 almost everywhere. The network's slope is at most 1 and is less wherever one of "
            "its layers shortens a direction, so thin parts and creases are rounded."
        ),
        purpose="Its slope is bounded, which is what it is for: distances that never overshoot.",
    )
    best: ClassVar[BestRecipe] = BestRecipe(
        lattice=cosine("soap", 3e-3, 4096, 1500),
        sound=cosine("soap", 3e-3, 4096, 1500),
        shape={**cosine("soap", 3e-3, 4096, 1000), "loss": "l1"},
        rest={"lr": 5e-3},
        record="recipes",
        searched="relu_pe",
    )

    deviations: ClassVar[tuple[Deviation, ...]] = (
        Deviation("field.width", "86 in the example of a curve", "128", "distances need more units than a curve"),
        Deviation("field.depth", "9 in the example of a curve", "4", "a step takes half the time"),
        Deviation(
            "field.encoding",
            "the coordinate itself",
            "octave frequencies on lattices",
            "raw coordinates with larger bounds learn less of a picture, and nothing of a sound",
        ),
        Deviation(
            "field.linear.gamma",
            "1, 5 and 10 for a curve on [-2, 2]",
            "1 for distances; 4 behind octave frequencies; pi n / 8 for raw coordinates on lattices of n samples",
            "a full wave over 16 samples is that steep",
        ),
        Deviation(
            "fit.schedule",
            "a rate that rises linearly over 40 % of the run, then falls to 1/20 over 40 % and to 0 over 20 %",
            "a cosine that falls to 0, with a linear rise over 40 % of the run",
            "this package has no piecewise linear schedule",
        ),
    )

    encoding: EncodingConfig | None = param(  # type: ignore[assignment]  # `resolve` sets it
        None, "coordinates to features; none: frequency on lattices, identity elsewhere"
    )
    width: int = param(128, "units H per hidden layer", ge=1, le=65536)
    depth: int = param(4, "sandwich blocks", ge=0, le=1024)
    linear: LinearConfig = param(Cayley(), "parameterisation of the matrices; gamma is the Lipschitz bound")
    block: BlockConfig = param(Sandwich(), "structure of a layer", was="cell")

    def resolve(self, spec: Spec) -> Self:
        encoding, linear = self.encoding, self.linear
        if encoding is None:
            encoding = Identity() if spec.shape is None else Frequency()
        if isinstance(linear, Cayley) and linear.gamma is None and isinstance(encoding, Identity):
            gamma = 1.0 if spec.shape is None else math.pi * max(spec.shape) / 8
            linear = dataclasses.replace(linear, gamma=gamma)
        return super(Lbdn, dataclasses.replace(self, encoding=encoding, linear=linear)).resolve(spec)

    def coordinate_range(self, spec: Spec) -> float:
        """Raw coordinates are in +-1/2: centred, not scaled."""
        return 0.5

    def paper_recipe(self, spec: Spec) -> Mapping[str, Any]:
        """The authors' example of a curve, 100 epochs of 300 points; their paper has no other field."""
        schedule = {"type": "cosine", "end": 0.0, "warmup": 0.4}
        return {"optimizer": "adam", "lr": 1e-2, "schedule": schedule, "batch": 50, "steps": 600, "loss": "mse"}
