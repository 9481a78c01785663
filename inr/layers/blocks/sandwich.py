"""The sandwich block of Lipschitz-bounded networks.  Wang and Manchester 2023 (LBDN), arXiv:2301.11526."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from inr.core.errors import ConfigError
from inr.layers.blocks._base import BLOCKS, Block, BlockConfig, BlockSpec
from inr.layers.blocks.affine import Affine
from inr.layers.folding import linears_of, set_dense
from inr.layers.linear.cayley import Cayley, CayleyLinear


@BLOCKS.register("sandwich")
@dataclass(frozen=True, kw_only=True)
class Sandwich(BlockConfig):
    """h' = sqrt(2) A^T Psi sigma(sqrt(2) Psi^-1 B h + b), [A | B] with orthonormal rows, Psi = diag(e^psi).

    psi is trained and starts at 0. The block is 1-Lipschitz in the 2-norm if sigma' is in [0, 1]. Activations are
    therefore divided by their largest slope, and non-monotonic ones (sines) by twice that, because with slopes of both
    signs the Lipschitz constant can reach 2. B is multiplied by sqrt(gamma) in the first block. Linear layers must be
    of type "cayley", whose `gamma` bounds the network.
    """

    def build(self, spec: BlockSpec) -> Block:
        if not isinstance(spec.linear, Cayley):
            raise ConfigError(
                [f"block 'sandwich' needs linear 'cayley', not {spec.linear.type_name!r}"], "use `field.linear=cayley`"
            )
        return SandwichBlock(spec)

    def folded(self) -> BlockConfig:
        return Affine()


class SandwichBlock(Block):
    def __init__(self, spec: BlockSpec) -> None:
        super().__init__()
        self.activation = spec.activation.build(spec.role, spec.width)
        slope = self.activation.slope
        if slope is None or self.activation.arity != 1:
            raise ConfigError(
                [f"block 'sandwich' needs an activation with a known slope bound, not {spec.activation.type_name!r}"],
                "use `field.activation=relu` or `field.activation=sine`",
            )
        linear = spec.make_linear(spec.d_h + spec.width, spec.width)
        assert isinstance(linear, CayleyLinear)
        self.linear = linear
        self.psi = nn.Parameter(torch.zeros(spec.width))
        self.role = spec.role
        self.squash = 1.0 / max(slope[1], 2 * slope[1] if slope[0] < 0 else 0.0, -2 * slope[0])
        self.d_out = spec.width
        self.smoothness = self.activation.smoothness

    def effective(self) -> tuple[Tensor, Tensor | None, Tensor]:
        """W [width, d_h], b [width] and P [width, width] of h' = P sigma(W h + b)."""
        q = self.linear.orthonormal()
        a, b = q[:, : self.d_out], q[:, self.d_out :]
        before = math.sqrt(2) * self.linear.scale * torch.exp(-self.psi)[:, None] * b
        after = math.sqrt(2) * self.squash * a.T * torch.exp(self.psi)
        return before, self.linear.bias, after

    def forward(self, h: Tensor, e: Tensor, x: Tensor) -> Tensor:
        before, bias, after = self.effective()
        return nn.functional.linear(self.activation(nn.functional.linear(h, before, bias)), after)

    def fold(self, plain: Block, before: Tensor | None) -> Tensor | None:
        weight, bias, after = self.effective()
        (dense,) = linears_of(plain)
        set_dense(dense, weight if before is None else weight @ before, bias)
        return after

    def lipschitz_bound(self) -> float | None:
        return self.linear.scale
