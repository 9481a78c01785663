"""Multi-resolution hash grid and a small network.  Mueller et al. 2022, arXiv:2201.05989."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from inr.core.config import param
from inr.core.domain import Spec
from inr.encodings import EncodingConfig
from inr.encodings.hash_grid import HashGridEncodingConfig
from inr.fields._field import FIELDS
from inr.fields.mlp import Mlp
from inr.layers import InitialiserConfig
from inr.layers.initialisers.signal import FromSignal
from inr.layers.initialisers.standard import Xavier

LATTICE: Mapping[str, Any] = {
    "steps": 550,
    "batch": 16384,
    "lr": 0.03,
    "schedule": {"type": "cosine", "end": 0.1},
}
STARTED: Mapping[str, Any] = {
    "steps": 400,
    "lr": 0.008,
    "schedule": {"type": "cosine", "end": 0.05, "warmup": 0.2},
}
WAVEFORM: Mapping[str, Any] = {**LATTICE, "steps": 2000, "batch": 8192}
DISTANCES: Mapping[str, Any] = {
    "steps": 500,
    "batch": 32768,
    "lr": 0.005,
    "schedule": {"type": "cosine", "end": 0.01},
}

LATTICE_EPOCH, WAVEFORM_EPOCH = 24, 40
"""Steps of an epoch, at most: larger signals have larger batches, so that a number of steps is a number of epochs."""

GENTLE = 1e-3
"""Adam's eps times the batch, for a table that starts from the signal. Its gradients are small, and fall as 1 / batch:
with a much smaller eps every entry would move by the learning rate at first, and away from a good start."""

MOST_DENSE = 2**26
"""Samples of a lattice up to which the default grid has a vertex on each."""

DENSE_LEVELS, DENSE_SPAN = 3, 7.7
"""Levels of that grid, and how much finer the last is than the first along an axis."""


@FIELDS.register("hash_grid")
@dataclass(frozen=True, kw_only=True)
class HashGrid(Mlp):
    """Learned features on hashed grids of many resolutions, read by a small ReLU network without biases.

    The paper's network has 2 layers of 64 and its grid 16 levels; the defaults here, one layer of 32 and the levels
    chosen by the encoding, are faster on a CPU.

    Lattices of two axes or more with more values per sample than the grid has features (colour pictures, video) have
    another default grid: 3 dense levels, the finest with a vertex on every sample, which is about 0.77 parameters per
    value. It starts from the signal (`start_from_samples`), and 400 steps refine it: 50 and 52 to 55 dB on pictures of
    0.1 to 24 million pixels (record `scaling`). The encoding's own default, of 10 hashed levels with about as many
    parameters, had 42 to 48 dB there after 550 steps; it is used with `init=xavier`, and for pictures that are read
    tile by tile.
    """

    paper: ClassVar[str] = "Mueller et al. 2022, arXiv:2201.05989"

    encoding: EncodingConfig = param(HashGridEncodingConfig(), "coordinates to features")
    width: int = param(32, "units H per hidden layer", ge=1, le=65536)
    depth: int = param(1, "hidden layers", ge=0, le=1024)
    has_bias: bool = param(False, "linear maps have a bias (tiny-cuda-nn's have none)")
    init: InitialiserConfig = param(FromSignal(), "initialiser of the linear maps, and of the grid if it is `signal`")

    def resolve(self, spec: Spec) -> Self:
        grid = self.encoding
        is_started = isinstance(self.init, FromSignal)
        if is_started and isinstance(grid, HashGridEncodingConfig) and _is_dense_by_default(grid, spec):
            assert spec.shape is not None
            n_vertices = math.prod(n + 2 for n in spec.shape)
            dense = dataclasses.replace(
                grid,
                levels=DENSE_LEVELS,
                base=max(2, round((max(spec.shape) + 1) / DENSE_SPAN)),
                log2_table=max(10, math.ceil(math.log2(n_vertices))),
            )
            return dataclasses.replace(super().resolve(spec), encoding=dense.resolve(spec))
        return super().resolve(spec)

    def started_at_random(self) -> Self:
        return dataclasses.replace(self, init=Xavier()) if isinstance(self.init, FromSignal) else self

    def recipe(self, spec: Spec) -> Mapping[str, Any]:
        adam = {"type": "adam", "beta2": 0.99, "eps": 1e-15}
        if spec.has_distances or spec.shape is None:
            return {"optimizer": adam, **(DISTANCES if spec.has_distances else LATTICE)}
        n_samples = math.prod(spec.shape)
        if spec.traits.is_waveform:
            return {
                "optimizer": adam,
                **WAVEFORM,
                "batch": max(WAVEFORM["batch"], math.ceil(n_samples / WAVEFORM_EPOCH)),
            }
        batch = max(LATTICE["batch"], math.ceil(n_samples / LATTICE_EPOCH))
        if self.starts_from_signal(spec):
            return {"optimizer": {**adam, "eps": GENTLE / batch}, **STARTED, "batch": batch}
        return {"optimizer": adam, **LATTICE, "batch": batch}


def _is_dense_by_default(grid: HashGridEncodingConfig, spec: Spec) -> bool:
    given = (grid.levels, grid.log2_table, grid.base, grid.finest, grid.growth)
    is_free = all(setting is None for setting in given)
    is_lattice = spec.shape is not None and len(spec.shape) > 1 and math.prod(spec.shape) <= MOST_DENSE
    return is_free and is_lattice and grid.features < spec.d_out
