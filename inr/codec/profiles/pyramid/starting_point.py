"""Networks and filters trained on other photographs: where training starts if it has to be quick."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
import torch
from torch import Tensor

from inr.codec.profiles.pyramid.analysis import SWEEPS, Analysis
from inr.codec.profiles.pyramid.architecture import QUICK, Architecture, Array
from inr.codec.profiles.pyramid.groups import shapes_of

FILE = "starting_points.npz"
CHANNELS = 3
"""Only colour pictures have a starting point."""


@dataclass(frozen=True)
class StartingPoint:
    """values: tensors of the networks by name. analysis: filters for the latents of these networks."""

    values: dict[str, Tensor]
    analysis: Analysis

    @classmethod
    def of(cls, architecture: Architecture, rate_weight: float) -> StartingPoint | None:
        """That of the nearest rate weight; None for architectures other than QUICK and pictures without colour."""
        if architecture.counts != QUICK or architecture.channels != CHANNELS:
            return None
        weights, networks, filters = _stored()
        nearest = int(np.argmin(np.abs(np.log(weights / rate_weight))))
        shapes = shapes_of(architecture)
        stored = torch.from_numpy(networks[nearest].astype(np.float32))
        flat = torch.split(stored, [math.prod(shape) for shape in shapes.values()])
        values = {name: part.view(shape) for part, (name, shape) in zip(flat, shapes.items(), strict=True)}
        stored = torch.from_numpy(filters[nearest].astype(np.float32))
        parts = torch.split(stored, SWEEPS * Analysis.sizes(CHANNELS))
        n_levels = len(parts) // SWEEPS
        return cls(values, Analysis([parts[i : i + n_levels] for i in range(0, len(parts), n_levels)]))


def packed(points: Sequence[tuple[float, StartingPoint]]) -> bytes:
    """The bytes of FILE for rate weights and their starting points."""
    out = io.BytesIO()
    networks = [torch.cat([value.flatten() for value in point.values.values()]) for _, point in points]
    filters = [torch.cat([part for sweep in point.analysis.filters for part in sweep]) for _, point in points]
    np.savez(
        out,
        rate_weights=np.array([weight for weight, _ in points]),
        networks=torch.stack(networks).numpy().astype(np.float16),
        filters=torch.stack(filters).numpy().astype(np.float16),
    )
    return out.getvalue()


@cache
def _stored() -> tuple[Array, Array, Array]:
    data = resources.files(__package__).joinpath(FILE).read_bytes()
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        return stored["rate_weights"], stored["networks"], stored["filters"]
