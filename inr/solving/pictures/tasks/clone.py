"""Seamless cloning: the source's differences, with the target around them.  Perez, Gangnet and Blake 2003."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from inr.solving.pictures.stencils import Stencils, differences
from inr.solving.pictures.tasks._base import TASKS, Inputs, PictureTask, Posed, with_alpha
from inr.solving.pictures.tasks._placing import placed


@TASKS.register("clone")
@dataclass(frozen=True, kw_only=True)
class Clone(PictureTask):
    """min sum over edges |f(q) - f(p) - (g(q) - g(p))|^2 where the mask selects the source g; f is the target
    elsewhere.

    Values are those of the file, without linearisation.
    """

    pictures: ClassVar[tuple[str, ...]] = ("target", "source")
    takes_mask: ClassVar[bool] = True
    has_place: ClassVar[bool] = True

    def pose(self, inputs: Inputs) -> Posed:
        on = placed(inputs)
        guess = np.where(on.free[..., None], on.source, on.target.values)
        stencils = Stencils.of_edges(*differences(on.source), guess, ~on.free)
        return Posed(stencils, on.target.meta, with_alpha(on.target), on.notes)
