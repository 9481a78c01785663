"""The signed distance of a fitted shape at points of space, inside and outside its box."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from inr.core.box_extension import beyond_box
from inr.core.errors import UsageError
from inr.fitting import Fit
from inr.mesh._octree_grid import Reals, Singles


class FitDistance:
    """Points [N, 3] in the units of a shape, float64 -> distances [N] in the same units, float32, negative inside.

    Outside the box of the fit they are a lower bound (`beyond_box`). low, high: corners [3] of the box.
    lipschitz: certified bound of the slope, None if the field states none.
    """

    def __init__(self, fit: Fit, what: str = "a grid of distances", *, has_unsigned: bool = False) -> None:
        """Raises UsageError for a fit of anything but distances in space, with a sign unless `has_unsigned`.

        what: needs them, in that message.
        """
        is_distance = fit.spec.traits.is_distance and (has_unsigned or not fit.spec.traits.is_unsigned)
        if not is_distance or (fit.spec.d_in, fit.spec.d_out) != (3, 1):
            raise UsageError(
                f"{what} needs a fitted shape or point cloud, this model is of kind {fit.spec.kind!r} and goes from "
                f"{fit.spec.d_in} coordinates to {fit.spec.d_out} values",
                "fit a shape (OBJ, PLY, STL, GLB, OFF) or a point cloud",
            )
        self._fit = fit
        box = fit.frame.domain
        self.low, self.high = np.array(box.low), np.array(box.high)
        bound = fit.field.lipschitz_bound()
        self.lipschitz = None if bound is None else bound * fit.frame.scale[0] / min(box.extent)

    @property
    def side(self) -> float:
        """The longest side of the box."""
        return float((self.high - self.low).max())

    def __call__(self, points: Reals) -> Singles:
        """Raises UsageError for values that are not finite."""
        box = self._fit.frame.domain
        p = torch.from_numpy(np.ascontiguousarray(points, np.float64))
        found: Singles = beyond_box(p, box.low, box.high, self._inside).numpy().astype(np.float32)
        if not np.isfinite(found).all():
            raise UsageError("the field has values that are not finite", "the fit may have diverged: fit again")
        return found

    def _inside(self, p: Tensor) -> Tensor:
        return self._fit(self._fit.frame.domain.to_unit(p).float())[:, 0].double()
