"""One body over all coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Generator, Tensor

from inr.assemblies._assembly import ASSEMBLIES, Assembly, AssemblyConfig
from inr.assemblies._body import Body, BodyPlan
from inr.assemblies._fused import fused_error, has_hooks, layers, linears_between
from inr.encodings import GridEncoding
from inr.kernels.grid_mlp_loss import grid_mlp_loss
from inr.layers.activations.relu import ReluActivation


@ASSEMBLIES.register("single")
@dataclass(frozen=True, kw_only=True)
class SingleConfig(AssemblyConfig):
    """y = W_last block_n( ... block_1(e) ... ) + b, with e = encoding(x)."""

    def build(self, plan: BodyPlan, d_in: int, d_out: int, generator: Generator) -> Assembly:
        return Single(plan, d_in, d_out, generator)


class Single(Body, Assembly):
    """The body itself."""

    def mean_error(self, x: Tensor, y: Tensor, weight: Tensor | None, power: Literal[1, 2]) -> Tensor | None:
        grid = self.encoding
        if isinstance(grid, GridEncoding) and x.dtype != grid.table.dtype:
            return None
        if not isinstance(grid, GridEncoding) and (error := fused_error(list(self.blocks), self.last)) is not None:
            return error(grid(x), y, weight, power)
        linears = linears_between(ReluActivation, list(self.blocks), self.last)
        if linears is None or not isinstance(grid, GridEncoding) or has_hooks(grid):
            return None
        return grid_mlp_loss(x, y, weight, power, grid.table, grid.geometry, grid.interpolation, *layers(linears))
