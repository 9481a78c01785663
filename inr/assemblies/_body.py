"""One body: an encoding, cells, and a last linear map. What every assembly is made of."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from inr.assemblies._fused import fused, linears_between
from inr.encodings import EncodingConfig
from inr.layers import ActivationConfig, Cell, CellConfig, Kit, LinearConfig, Role
from inr.layers._folding import set_dense, spectral_norm
from inr.layers.sine import SineActivation


@dataclass(frozen=True)
class BodyPlan:
    """What one body is made of: encoding, then `depth` cells of `width`, then a last linear map."""

    encoding: EncodingConfig
    linear: LinearConfig
    activation: ActivationConfig
    cell: CellConfig
    width: int
    depth: int
    has_bias: bool


class Body(nn.Module):
    """x [*B, d_in] -> W_last cell_n( ... cell_1(e) ... ) + b [*B, d_out], with e = encoding(x)."""

    __call__: Callable[..., Tensor]

    def __init__(self, plan: BodyPlan, d_in: int, d_out: int, generator: Generator) -> None:
        super().__init__()
        self.encoding = plan.encoding.build(d_in, generator)
        d_e = d_h = self.encoding.d_out
        width = plan.activation.features(plan.width)
        cells: list[Cell] = []
        for i in range(plan.depth):
            role: Role = "first" if i == 0 else "hidden"
            kit = Kit(d_h, d_e, d_in, width, plan.depth, role, plan.has_bias, plan.linear, plan.activation, generator)
            cell = plan.cell.build(kit)
            cells.append(cell)
            d_h = cell.d_out
        self.cells = nn.ModuleList(cells)
        self.last = plan.linear.build(d_h, d_out, has_bias=plan.has_bias, role="last", generator=generator)
        self.smoothness = min(self.encoding.smoothness, *(c.smoothness for c in cells), float("inf"))
        self.outside = self.encoding.outside

    def forward(self, x: Tensor) -> Tensor:
        e = self.encoding(x)
        whole = None if self._is_twice_derived(x) else fused(list(self.cells), self.last)
        if whole is not None:
            return whole(e)
        h = e
        for cell in self.cells:
            h = cell(h, e, x)
        return self.last(h)

    @property
    def can_be_reduced(self) -> bool:
        """Whether its matrix products can be asked for in reduced precision: those of sine networks."""
        return linears_between(SineActivation, list(self.cells), self.last) is not None

    def _is_twice_derived(self, x: Tensor) -> bool:
        """Whether a gradient by coordinates may be trained on; kernels of whole bodies are slower there."""
        return x.requires_grad and torch.is_grad_enabled() and any(p.requires_grad for p in self.parameters())

    def fold(self, plain: Body) -> None:
        """Set a body of the folded cells and dense layers to the same function."""
        after: Tensor | None = None
        for cell, plain_cell in zip(self.cells, plain.cells, strict=True):
            assert isinstance(cell, Cell)
            assert isinstance(plain_cell, Cell)
            after = cell.fold(plain_cell, after)
        weight, bias = self.last.effective()
        set_dense(plain.last, weight if after is None else weight @ after, bias)

    def lipschitz_bound(self) -> float | None:
        """A bound of |y(a) - y(b)| / |a - b| in the 2-norm: the product of its parts' bounds; None: not known."""
        bounds = [self.encoding.lipschitz, *(c.lipschitz_bound() for c in self.cells if isinstance(c, Cell))]
        known = [bound for bound in bounds if bound is not None]
        return math.prod(known) * spectral_norm(self.last) if len(known) == len(bounds) else None
