"""Base of the families with periodic activations: raw coordinates, and a scaled first layer for sound."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from inr.core.config import param
from inr.core.domain import Spec
from inr.encodings import EncodingConfig
from inr.encodings.identity import Identity
from inr.fields._full_batch import n_samples
from inr.fields._recipe import EIKONAL
from inr.fields.mlp import Mlp

AUDIO_OMEGA_FIRST = 3000.0
"""The SIREN paper feeds sound as t in [-100, 100] with omega 30; on [-1, 1] that is omega 3000 in the first layer."""


@dataclass(frozen=True, kw_only=True)
class Periodic(Mlp):
    """Default `omega_first` of the activation: 3000 for sound, else its `omega`."""

    encoding: EncodingConfig = param(Identity(), "coordinates to features")
    depth: int = param(4, "layers before the last linear map: the first and 3 hidden", ge=1, le=1024)

    def resolve(self, spec: Spec) -> Self:
        config = super().resolve(spec)
        activation: Any = config.activation
        if getattr(activation, "omega_first", 0.0) is not None:
            return config
        omega_first = AUDIO_OMEGA_FIRST if spec.traits.is_waveform else activation.omega
        return dataclasses.replace(config, activation=dataclasses.replace(activation, omega_first=omega_first))


def lattice_or_points(spec: Spec, lattice: Mapping[str, Any]) -> Mapping[str, Any]:
    """A recipe: the given one for lattices and distances, SIREN's for point clouds (its loss uses derivatives)."""
    if spec.traits.is_surface_only:
        return EIKONAL
    return {"steps": 1000, "batch": 16384, **lattice}


def all_samples(spec: Spec, steps: int, lattice: Mapping[str, Any]) -> Mapping[str, Any]:
    """A paper's recipe with all samples of a lattice in every step; for point clouds SIREN's."""
    return lattice_or_points(spec, {"steps": steps, "batch": n_samples(spec), **lattice})
