"""Base of the families with periodic activations: raw coordinates, in a wider range for sines of sound."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from inr.core.config import param
from inr.core.domain import Spec
from inr.encodings import EncodingConfig
from inr.encodings.identity import Identity
from inr.fields._full_batch import n_samples
from inr.fields._recipe import EIKONAL
from inr.fields.mlp import Mlp


@dataclass(frozen=True, kw_only=True)
class Periodic(Mlp):
    """Coordinates are in [-1, 1]."""

    encoding: EncodingConfig = param(Identity(), "coordinates to features")
    depth: int = param(4, "layers before the last linear map: the first and 3 hidden", ge=1, le=1024)


@dataclass(frozen=True, kw_only=True)
class Sines(Periodic):
    """`encoding.low` and `.high` are -1 and 1; for sound -100 and 100 as in SIREN's script, for `finer` -10 and 10."""

    sound_range: ClassVar[float | None] = 100.0

    def resolve(self, spec: Spec) -> Self:
        """Activations with an `omega_first` get `first_factor` omega for none."""
        config = super().resolve(spec)
        activation: Any = config.activation
        if not hasattr(activation, "omega_first") or activation.omega_first is not None:
            return config
        first = self.first_factor(spec) * activation.omega
        return dataclasses.replace(config, activation=dataclasses.replace(activation, omega_first=first))

    def first_factor(self, spec: Spec) -> float:
        """What `omega_first` is for none, as a multiple of omega."""
        return 1.0

    def coordinate_range(self, spec: Spec) -> float:
        return super().coordinate_range(spec) if hasattr(self.activation, "omega_first") else 1.0


def lattice_or_points(spec: Spec, lattice: Mapping[str, Any]) -> Mapping[str, Any]:
    """A recipe: the given one for lattices and distances, SIREN's for point clouds (its loss uses derivatives)."""
    if spec.traits.is_surface_only:
        return EIKONAL
    return {"steps": 1000, "batch": 16384, **lattice}


def all_samples(spec: Spec, steps: int, lattice: Mapping[str, Any]) -> Mapping[str, Any]:
    """A paper's recipe with all samples of a lattice in every step; for point clouds SIREN's."""
    return lattice_or_points(spec, {"steps": steps, "batch": n_samples(spec), **lattice})
