"""Cloning with mixed gradients: of source and target, whichever differs more.  Perez, Gangnet and Blake 2003."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from inr.solving.pictures.stencils import Stencils, chosen, differences
from inr.solving.pictures.tasks._base import TASKS, Inputs, PictureTask, Posed, with_alpha
from inr.solving.pictures.tasks._placing import placed


@TASKS.register("mixed")
@dataclass(frozen=True, kw_only=True)
class Mixed(PictureTask):
    """As `clone`; the wanted difference along an edge is the source's or the target's, whichever is larger.

    The choice is made per edge, for all channels together.
    """

    pictures: ClassVar[tuple[str, ...]] = ("target", "source")
    takes_mask: ClassVar[bool] = True
    has_place: ClassVar[bool] = True

    def pose(self, inputs: Inputs) -> Posed:
        on = placed(inputs)
        wanted = [
            chosen(np.square(new).sum(-1) > np.square(old).sum(-1), (new, old))
            for new, old in zip(differences(on.source), differences(on.target.values), strict=True)
        ]
        stencils = Stencils.of_edges(wanted[0], wanted[1], on.target.values, ~on.free)
        return Posed(stencils, on.target.meta, with_alpha(on.target), on.notes)
