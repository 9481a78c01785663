"""Normal maps to heights.  Frankot and Chellappa 1988, with weights instead of a transform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from inr.core.config import param
from inr.core.errors import UsageError
from inr.solving.pictures.stencils import Stencils, curl
from inr.solving.pictures.tasks._base import TASKS, Inputs, PictureTask, Posed, Raster

LEAST_Z = 0.05
"""Normals nearer to the plane of the picture count as this steep."""
LARGE_CURL = 0.1


@TASKS.register("integrate")
@dataclass(frozen=True, kw_only=True)
class Integrate(PictureTask):
    """min sum over edges n_z^2 |h(q) - h(p) - v|^2, v = -n_x / n_z or -n_y / n_z in the middle of the edge. Heights are
    in pixels, with mean 0. A pixel's colour is (n + 1) / 2.
    """

    up: Literal["opengl", "directx"] = param("opengl", "green grows upwards (opengl) or downwards (directx)")

    def pose(self, inputs: Inputs) -> Posed:
        picture = Raster.load(inputs.sources[0])
        if picture.values.shape[2] != 3:
            raise UsageError(f"{picture.name!r} has {picture.values.shape[2]} channels, expected the 3 of a normal map")
        normal = picture.values if picture.dtype == "float32" else 2 * picture.values - 1
        if picture.dtype == "float32" and picture.values.min() >= 0 and picture.values.max() <= 1:
            normal = 2 * picture.values - 1
        length = np.linalg.norm(normal, axis=-1, keepdims=True)
        if not (length > 0.2).mean() > 0.5:
            raise UsageError(f"{picture.name!r} holds no unit vectors, expected colours (n + 1) / 2 of a normal map")
        normal = normal / np.maximum(length, 1e-6)
        z = normal[..., 2].clip(LEAST_Z)
        right, down = -normal[..., 0] / z, normal[..., 1] / z * (1 if self.up == "opengl" else -1)
        v = (right[:, 1:] + right[:, :-1]) / 2, (down[1:] + down[:-1]) / 2
        weights = ((z[:, 1:] + z[:, :-1]) / 2) ** 2, ((z[1:] + z[:-1]) / 2) ** 2
        guess = np.zeros((*z.shape, 1))
        stencils = Stencils.of_edges(v[0][..., None], v[1][..., None], guess, weights=weights, mean=np.zeros(1))
        notes = picture.notes
        part = curl(v[0], v[1])
        if part > LARGE_CURL:
            notes += (f"{100 * part:.0f} % of the slopes belong to no surface (their curl); that part is left out",)
        meta = {"dtype": "float32", "channels": 1, "icc": None}
        return Posed(stencils, meta, notes=notes, unit="pixels")
