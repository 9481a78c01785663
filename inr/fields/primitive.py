"""Simple solids with exact distances: sphere, box, cylinder, torus, half-space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Generator, Tensor, nn

from inr.core import solid_formulas as formulas
from inr.core.config import param
from inr.core.domain import Spec
from inr.core.errors import UsageError
from inr.fields._composed import ComposedField, check_composed
from inr.fields._field import FIELDS, Field, FieldConfig

Solid = Literal["sphere", "box", "cylinder", "torus", "plane"]
N_NUMBERS: dict[str, int] = {"sphere": 4, "box": 6, "cylinder": 5, "torus": 5, "plane": 4}
"""Numbers of each solid: sphere x y z radius; box x y z and its three sizes; cylinder x y z radius height, along z;
torus x y z and its two radii, around z; plane n_x n_y n_z level: the points with n . p < level are inside."""


@FIELDS.register("primitive", is_listed=False)
@dataclass(frozen=True, kw_only=True)
class Primitive(FieldConfig):
    """The exact signed distance of a sphere, box, cylinder, torus or half-space; it has no parameters."""

    paper: ClassVar[str] = "Hart 1996, doi:10.1007/s003710050084"

    solid: Solid | None = param(None, "which solid")
    numbers: tuple[float, ...] = param((), "its centre, then its sizes, in its own units")

    def resolve(self, spec: Spec) -> Primitive:
        check_composed(self, spec, self.solid)
        assert self.solid is not None
        expected = N_NUMBERS[self.solid]
        if len(self.numbers) != expected:
            raise UsageError(f"primitive.numbers has {len(self.numbers)} numbers, a {self.solid} has {expected}")
        is_plane = self.solid == "plane"
        if is_plane and not any(self.numbers[:3]):
            raise UsageError("the normal of a plane is 0, expected a direction")
        if not is_plane and min(self.numbers[3:]) <= 0:
            raise UsageError(f"a {self.solid} has a size of {min(self.numbers[3:]):g}, expected more than 0")
        return self

    def build(self, spec: Spec, generator: Generator) -> Field:
        return PrimitiveField(self)


class PrimitiveField(ComposedField):
    def __init__(self, config: Primitive) -> None:
        super().__init__()
        self.config: Primitive = config
        self.smoothness = 1.0
        self.boundary = "extend"
        self.none = nn.Parameter(torch.empty(0))  # shows the device and the type

    def forward(self, x: Tensor) -> Tensor:
        c = self.config.numbers
        if self.config.solid == "plane":
            return formulas.half_space(x, c[:3], c[3])[..., None]
        p = x - x.new_tensor(c[:3])
        if self.config.solid == "box":
            return formulas.box(p, [size / 2 for size in c[3:]])[..., None]
        if self.config.solid == "sphere":
            return formulas.sphere(p, *c[3:])[..., None]
        formula = formulas.cylinder if self.config.solid == "cylinder" else formulas.torus
        return formula(p, *c[3:])[..., None]

    def lipschitz_bound(self) -> float | None:
        return 1.0
