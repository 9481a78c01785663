"""Recipes: the fit settings of a family for a signal, its source's and the best that a search has found."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from inr.core.domain import Spec

RecipeName = Literal["best", "paper"]

EIKONAL: Mapping[str, Any] = {"lr": 1e-4, "steps": 800, "batch": 1400, "schedule": "constant", "clip": 1.0}
"""SIREN's settings for point clouds, whose loss uses derivatives of the field."""


@dataclasses.dataclass(frozen=True)
class BestRecipe:
    """Partial `FitConfig` documents that a search has found, by what is fitted.

    lattice: pictures, and whatever has no other entry. volume: lattices of three axes and more, videos too. sound,
    shape: waveforms and distances.
    surface: points of a surface. record: the benchmark record of the search. searched: the family of the same class
    that was searched, where this one only had a fit that confirms its recipe.
    """

    lattice: Mapping[str, Any]
    volume: Mapping[str, Any] | None = None
    sound: Mapping[str, Any] | None = None
    shape: Mapping[str, Any] | None = None
    surface: Mapping[str, Any] = dataclasses.field(default_factory=lambda: EIKONAL)
    record: str = ""
    searched: str = ""

    def settings(self, spec: Spec) -> Mapping[str, Any]:
        """The settings for a signal."""
        traits = spec.traits
        if traits.is_surface_only:
            return self.surface
        if traits.is_distance and self.shape is not None:
            return self.shape
        if traits.is_waveform and self.sound is not None:
            return self.sound
        if spec.d_in > 2 and self.volume is not None:
            return self.volume
        return self.lattice
