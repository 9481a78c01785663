"""Filling holes: harmonic (edges of difference 0) or biharmonic (Laplacians of 0), which continues slopes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from inr.core.config import param
from inr.core.errors import UsageError
from inr.solving.pictures.stencils import Stencils
from inr.solving.pictures.tasks._base import TASKS, Inputs, PictureTask, Posed, Raster, mask_of, with_alpha


@TASKS.register("inpaint")
@dataclass(frozen=True, kw_only=True)
class Inpaint(PictureTask):
    """min sum |f(q) - f(p)|^2 over edges, or sum |Lf|^2 over pixels, L the 5-point Laplacian, in the white part."""

    takes_mask: ClassVar[bool] = True
    needs_mask: ClassVar[bool] = True

    fill: Literal["harmonic", "biharmonic"] = param("biharmonic", "biharmonic continues slopes into the hole")

    def pose(self, inputs: Inputs) -> Posed:
        picture = Raster.load(inputs.sources[0])
        assert inputs.mask is not None
        height, width, channels = picture.values.shape
        hole = mask_of(inputs.mask, (height, width), picture)
        if hole.all():
            raise UsageError("the mask covers all of the picture, so no pixel is known", "a smaller mask")
        known = picture.values[~hole].mean(0)
        guess = np.where(hole[..., None], known, picture.values)
        if self.fill == "harmonic":
            right, down = np.zeros((height, width - 1, channels)), np.zeros((height - 1, width, channels))
            stencils = Stencils.of_edges(right, down, guess, ~hole)
        else:
            stencils = Stencils.of_laplacian(np.zeros_like(guess), guess, ~hole)
        return Posed(stencils, picture.meta, with_alpha(picture), picture.notes)
