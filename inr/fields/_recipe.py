"""Recipes: the fit settings of a family for a signal, its source's and the best that a search has found."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from inr.core.domain import Spec

RecipeName = Literal["best", "paper"]

EIKONAL: Mapping[str, Any] = {"lr": 1e-4, "steps": 800, "batch": 1400, "schedule": "constant", "clip": 1.0}
"""SIREN's settings for point clouds, whose loss uses derivatives of the field."""


def cosine(optimizer: str, lr: float, batch: int, steps: int) -> Mapping[str, Any]:
    """Settings with a rate that falls along a cosine."""
    return {"optimizer": optimizer, "lr": lr, "schedule": "cosine", "batch": batch, "steps": steps}


@dataclasses.dataclass(frozen=True)
class BestRecipe:
    """Partial `FitConfig` documents that a search has found, by what is fitted.

    lattice: pictures, and whatever has no other entry. volume: lattices of three axes and more, videos too. sound:
    waveforms. shape: distances. surface: points of a surface; None: SIREN's. rest: for the last three where no search
    had them. record: the benchmark record. searched: the family of the same class that was searched, where this one
    only had fits that confirm its recipe.
    """

    lattice: Mapping[str, Any]
    volume: Mapping[str, Any] | None = None
    sound: Mapping[str, Any] | None = None
    shape: Mapping[str, Any] | None = None
    surface: Mapping[str, Any] | None = None
    rest: Mapping[str, Any] | None = None
    record: str = ""
    searched: str = ""

    def settings(self, spec: Spec) -> Mapping[str, Any]:
        """The settings for a signal."""
        traits = spec.traits
        if traits.is_surface_only:
            return self.surface or self.rest or EIKONAL
        if traits.is_distance:
            return self.shape or self.rest or self.lattice
        if traits.is_waveform:
            return self.sound or self.rest or self.lattice
        return self.volume if spec.d_in > 2 and self.volume is not None else self.lattice
