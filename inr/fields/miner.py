"""Small networks of blocks at several scales.  Saragadam et al. 2022 (MINER), arXiv:2202.03532."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Generator, Tensor

from inr.core.config import param
from inr.core.domain import Spec
from inr.fields._field import FIELDS, Deviation, Field, FieldConfig
from inr.fields._full_batch import n_samples
from inr.fields._limits import Limits
from inr.fields._recipe import BestRecipe, cosine
from inr.fields.block_networks import BlockNetworks

SAMPLES_OF_A_BLOCK = {1: 256, 2: 32}
"""Along an axis, by the number of axes; with more axes 16."""

BLOCKS_OFF_LATTICE = 8


@FIELDS.register("miner")
@dataclass(frozen=True, kw_only=True)
class Miner(FieldConfig):
    """Blocks at several scales, each with a small network of sines; values are sums over scales.

    f(x) = sum_s N_{s, k}(u), where k is the block of scale s that holds x, and u in [-1, 1]^D the place of x in it. The
    finest scale has `blocks` blocks along the longest axis, every other one half as many as the next. Values jump a
    little from block to block. At the rate of the paper's recipe, 3e-2, Adam finds no picture here: 18 dB, and 42 at
    3e-3 in the same time (record recipes).
    """

    paper: ClassVar[str] = "Saragadam et al. 2022, arXiv:2202.03532"
    best: ClassVar[BestRecipe] = BestRecipe(
        lattice=cosine("adam", 3e-3, 4096, 2500),
        shape={**cosine("adam", 1e-3, 8192, 1000), "loss": "l1"},
        rest=cosine("adam", 3e-3, 8192, 1500),
        record="recipes",
    )
    deviations: ClassVar[tuple[Deviation, ...]] = (
        Deviation(
            "forward",
            "coarse scales are trained first, and a finer one on what is left of them, read by linear interpolation",
            "all scales are trained at once, and read at the point itself",
            "a field is one function, whose values do not depend on an order of training",
        ),
        Deviation(
            "size",
            "blocks with a small error get no network",
            "every block has one",
            "settings alone decide the size of a field",
        ),
        Deviation(
            "fit.optimizer", "RAdam", "Adam", "its rate rises slowly in the first steps, and is all that differs"
        ),
    )

    limits: ClassVar[Limits] = Limits(
        purpose=(
            "Values jump at the borders of blocks, and distances have no derivative there: it is for pictures, sound "
            "and arrays rather than for surfaces."
        ),
    )

    blocks: int | None = param(
        None,
        "blocks along the longest axis at the finest scale; none: one per 32 samples (sound: 256, volumes: 16)",
        ge=1,
        le=4096,
    )
    scales: int = param(4, "scales; those above a single block are left out", ge=1, le=16)
    width: int = param(20, "units per hidden layer", ge=1, le=1024)
    depth: int = param(3, "layers of sines of a network", ge=1, le=64)
    omega: float = param(30.0, "frequency factor of the sines", gt=0)

    def resolve(self, spec: Spec) -> Self:
        if self.blocks is not None:
            return self
        if spec.shape is None:
            return dataclasses.replace(self, blocks=BLOCKS_OFF_LATTICE)
        samples = SAMPLES_OF_A_BLOCK.get(spec.d_in, 16)
        return dataclasses.replace(self, blocks=min(4096, math.ceil(max(spec.shape) / samples)))

    def paper_recipe(self, spec: Spec) -> Mapping[str, Any]:
        """All samples at the rate of the authors' code (MINER_pl), whose optimizer is RAdam; the steps are ours."""
        return {"lr": 3e-2, "batch": n_samples(spec), "steps": 1000, "schedule": "constant"}

    def build(self, spec: Spec, generator: Generator) -> Field:
        return MinerField(self, spec, generator)


def partitions(blocks: int, scales: int, spec: Spec) -> list[tuple[int, ...]]:
    """Blocks along every axis, from the finest scale to the coarsest."""
    shape = spec.shape or (1,) * spec.d_in
    found = [tuple(max(1, round(blocks * n / max(shape))) for n in shape)]
    while len(found) < scales and max(found[-1]) > 1:
        found.append(tuple(math.ceil(n / 2) for n in found[-1]))
    return found


class MinerField(Field):
    """Networks of all scales, the finest first, in one stack."""

    smoothness = 0
    boundary = "extend"

    def __init__(self, config: Miner, spec: Spec, generator: Generator) -> None:
        super().__init__()
        assert config.blocks is not None
        self.config: Miner = config
        self.spec = spec
        self.d_in, self.d_out = spec.d_in, spec.d_out
        self.partitions = partitions(config.blocks, config.scales, spec)
        n_networks = sum(map(math.prod, self.partitions))
        self.networks = BlockNetworks(
            n_networks, spec.d_in, spec.d_out, config.width, config.depth, config.omega, generator
        )

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, self.d_in)
        places, networks, first = [], [], 0
        for n_blocks in self.partitions:
            n = torch.tensor(n_blocks, device=x.device)
            scaled = flat * n
            cell = torch.minimum(scaled.detach().floor().long().clamp(min=0), n - 1)
            strides = torch.tensor([math.prod(n_blocks[i + 1 :]) for i in range(self.d_in)], device=x.device)
            places.append(2 * (scaled - cell) - 1)
            networks.append(first + (cell * strides).sum(-1))
            first += math.prod(n_blocks)
        values: Tensor = self.networks(torch.cat(places), torch.cat(networks))
        return values.reshape(len(self.partitions), *x.shape[:-1], self.d_out).sum(0)
