"""Multi-resolution hash grid and a small network.  Mueller et al. 2022, arXiv:2201.05989."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from inr.core.config import param
from inr.core.domain import Spec
from inr.core.samples import Samples
from inr.encodings import EncodingConfig, GridConfig
from inr.encodings.grid_detail import mean_square_left
from inr.encodings.hash_grid import MOST_FEATURES, HashGridEncodingConfig
from inr.fields._field import FIELDS, Deviation
from inr.fields._instant_ngp import papers
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
MOST_OF_WAVEFORM = 2**28
"""Samples of a sound over all steps, so that some minutes of sound take minutes and not an hour."""
FEWEST_OF_WAVEFORM = 300
"""Steps of the longest sounds."""
DISTANCES: Mapping[str, Any] = {
    "steps": 500,
    "batch": 32768,
    "lr": 0.005,
    "schedule": {"type": "cosine", "end": 0.01},
}

STARTED_DISTANCES: Mapping[str, Any] = {**DISTANCES, "steps": 300, "lr": 0.001, "lr_encoding": 0.005}

LATTICE_EPOCH, WAVEFORM_EPOCH = 24, 40
"""Steps of an epoch, at most: larger signals have larger batches, so that a number of steps is a number of epochs."""

GENTLE = 1e-3
"""Adam's eps times the batch, for a table that starts from the signal. Its gradients are small, and fall as 1 / batch:
with a much smaller eps every entry would move by the learning rate at first, and away from a good start."""

MOST_DENSE = 2**26
"""Samples of a lattice up to which the default grid has a vertex on each."""

FEWEST_CELLS = 8
"""Of such a grid along an axis of more than one sample."""

DENSE_LEVELS, DENSE_SPAN = 3, 7.7
"""Levels of that grid, and how much finer the last is than the first along an axis."""


SOLID_LEVELS, SOLID_BASE, SOLID_LOG2_TABLE = 6, 40, 17
"""Levels of a grid of distances that starts from them, vertices along an axis of the first, and log2 of the table's
entries. With another table the first level has as many vertices as it holds densely, and at most these."""

RATIOS = (1 / 8, 1 / 4, 1 / 2, 3 / 4)
"""Cells per sample along an axis that are tried for a lattice with few values per sample, before a vertex on each."""


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

    Other lattices (sounds, grey pictures, volumes) have one dense level, with as many features as values.
    How fine it is follows from the content (`adapted_to`): the fewest vertices that keep an error, or one on every
    sample, which is exact. It is fitted in the least mean square, without a step.

    Signed distances have 6 levels from 40 to 256 vertices along an axis and 2^17 entries in the table. The
    first level is dense and starts from the distances at its vertices (`start_from_vertices`); units that do not read
    it start with a small share. 300 steps then end higher than 500 from random entries on 13 levels, of shapes that
    were tried; there is no benchmark record of them.
    """

    paper: ClassVar[str] = "Mueller et al. 2022, arXiv:2201.05989"

    deviations: ClassVar[tuple[Deviation, ...]] = (
        Deviation(
            "initial.body.last.weight",
            "uniform for 16 outputs, because tiny-cuda-nn pads them",
            "uniform for the outputs that there are",
            "nothing is padded",
        ),
    )

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
            dense = dataclasses.replace(
                grid,
                levels=DENSE_LEVELS,
                base=max(2, round((max(spec.shape) + 1) / DENSE_SPAN)),
                log2_table=_log2_table([n + 1 for n in spec.shape]),
            )
            return dataclasses.replace(super().resolve(spec), encoding=dense.resolve(spec))
        if (
            is_started
            and isinstance(grid, HashGridEncodingConfig)
            and _has_free_levels(grid)
            and spec.has_signed_distances
        ):
            log2_table = SOLID_LOG2_TABLE if grid.log2_table is None else grid.log2_table
            base = max(2, min(SOLID_BASE, int(0.8 * 2 ** (log2_table / spec.d_in))))
            layout = dataclasses.replace(grid, levels=SOLID_LEVELS, base=base, log2_table=log2_table)
            return dataclasses.replace(super().resolve(spec), encoding=layout.resolve(spec))
        return super().resolve(spec)

    def adapted_to(self, spec: Spec, samples: Callable[[], Samples], tolerance: float) -> Self:
        grid = self.encoding
        if not (isinstance(self.init, FromSignal) and isinstance(grid, HashGridEncodingConfig)):
            return self
        if grid != HashGridEncodingConfig(interpolation=grid.interpolation, init_range=grid.init_range):
            return self
        if not (_is_small_lattice(spec) and _has_few_values(grid, spec)):
            return self
        assert spec.shape is not None
        seen, sides = samples(), spec.shape
        least = min((n for n in sides if n > 1), default=1)
        ratios = [r for r in RATIOS if least * r >= FEWEST_CELLS]
        *coarser, finest = (_dense(grid, spec, r) for r in (*ratios, 1.0))
        fitting = (dense for dense in coarser if mean_square_left(seen, dense.geometry()) <= tolerance**2)
        return dataclasses.replace(self, encoding=next(fitting, finest))

    def started_at_random(self) -> Self:
        return dataclasses.replace(self, init=Xavier()) if isinstance(self.init, FromSignal) else self

    def recipe(self, spec: Spec) -> Mapping[str, Any]:
        adam = {"type": "adam", "beta2": 0.99, "eps": 1e-15}
        if spec.has_distances:
            return {"optimizer": adam, **(STARTED_DISTANCES if self.starts_from_signal(spec) else DISTANCES)}
        if spec.shape is None:
            return {"optimizer": adam, **LATTICE}
        n_samples = math.prod(spec.shape)
        batch = max(LATTICE["batch"], math.ceil(n_samples / LATTICE_EPOCH))
        if self.starts_from_signal(spec):
            assert isinstance(self.encoding, GridConfig)
            if self.encoding.is_solved_by(spec):
                return {"steps": 0}
            return {"optimizer": {**adam, "eps": GENTLE / batch}, **STARTED, "batch": batch}
        if spec.traits.is_waveform:
            batch = max(WAVEFORM["batch"], math.ceil(n_samples / WAVEFORM_EPOCH))
            steps = max(FEWEST_OF_WAVEFORM, min(WAVEFORM["steps"], MOST_OF_WAVEFORM // batch))
            return {"optimizer": adam, **WAVEFORM, "steps": steps, "batch": batch}
        return {"optimizer": adam, **LATTICE, "batch": batch}

    def paper_recipe(self, spec: Spec) -> Mapping[str, Any]:
        """Instant-NGP's: on lattices 35,000 steps, and a third of the rate every 10,000 from step 20,000 on.

        For distances the rate is 1e-4 for 20,000 steps, a third every 5,000 from 10,000 on, of averaged parameters.
        """
        return papers(spec)


def _is_dense_by_default(grid: HashGridEncodingConfig, spec: Spec) -> bool:
    is_free = _has_free_levels(grid) and grid.log2_table is None
    return is_free and _is_small_lattice(spec) and not _has_few_values(grid, spec)


def _has_free_levels(grid: HashGridEncodingConfig) -> bool:
    """Whether no number and resolution of levels is given."""
    return all(setting is None for setting in (grid.levels, grid.base, grid.finest, grid.growth))


def _has_few_values(grid: HashGridEncodingConfig, spec: Spec) -> bool:
    """Whether one level can hold a lattice's values. One of a single axis may have more than the default features."""
    is_sequence = spec.shape is not None and len(spec.shape) == 1
    return spec.d_out <= (MOST_FEATURES if is_sequence else grid.features)


def _dense(grid: HashGridEncodingConfig, spec: Spec, ratio: float) -> HashGridEncodingConfig:
    """A dense grid for a lattice with `ratio` cells per sample along an axis, and as many features as values."""
    assert spec.shape is not None
    is_exact = ratio == 1
    finest = tuple(round(n * ratio) + (1 if is_exact else 2) for n in spec.shape)
    return dataclasses.replace(
        grid,
        levels=1,
        features=spec.d_out,
        base=max(finest),
        finest=finest,
        log2_table=_log2_table(finest),
        is_inset=not is_exact,
    )


def _is_small_lattice(spec: Spec) -> bool:
    """Whether it is a lattice with few enough samples for a vertex on each."""
    return spec.shape is not None and math.prod(spec.shape) <= MOST_DENSE


def _log2_table(finest: Sequence[int]) -> int:
    """Of a table that holds a level with `finest` vertices per axis, or one more, densely."""
    return max(10, math.ceil(math.log2(math.prod(n + 1 for n in finest))))
