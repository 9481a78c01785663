"""One body, the component of assemblies: an encoding, blocks, and a last linear map."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from inr.assemblies._fused import fused, has_dense_kernel
from inr.encodings import EncodingConfig, GridEncoding
from inr.layers import ActivationConfig, Block, BlockConfig, BlockSpec, LinearConfig, Role
from inr.layers.folding import set_dense, spectral_norm


@dataclass(frozen=True)
class BodyPlan:
    """Components of one body: encoding, then `depth` blocks of `width`, then a last linear map.

    has_last_bias: whether the last map has a bias where the others have one.
    """

    encoding: EncodingConfig
    linear: LinearConfig
    activation: ActivationConfig
    block: BlockConfig
    width: int
    depth: int
    has_bias: bool
    has_last_bias: bool = True


class Body(nn.Module):
    """x [*B, d_in] -> W_last block_n( ... block_1(e) ... ) + b [*B, d_out], with e = encoding(x)."""

    __call__: Callable[..., Tensor]

    def __init__(self, plan: BodyPlan, d_in: int, d_out: int, generator: Generator) -> None:
        super().__init__()
        self.encoding = plan.encoding.build(d_in, generator)
        d_e = d_h = self.encoding.d_out
        width = plan.activation.features(plan.width)
        blocks: list[Block] = []
        for i in range(plan.depth):
            role: Role = "first" if i == 0 else "hidden"
            spec = BlockSpec(
                d_h,
                d_e,
                d_in,
                width,
                plan.depth,
                role,
                plan.has_bias,
                plan.linear,
                plan.activation,
                generator,
                is_last=i == plan.depth - 1,
            )
            block = plan.block.build(spec)
            blocks.append(block)
            d_h = block.d_out
        self.blocks = nn.ModuleList(blocks)
        has_last_bias = plan.has_bias and plan.has_last_bias
        self.last = plan.linear.build(d_h, d_out, has_bias=has_last_bias, role="last", generator=generator)
        self.smoothness = min(self.encoding.smoothness, *(c.smoothness for c in blocks), float("inf"))
        self.boundary = self.encoding.boundary

    def forward(self, x: Tensor) -> Tensor:
        e = self.encoding(x)
        whole = None if self._needs_second_derivatives(x) else fused(list(self.blocks), self.last)
        if whole is not None:
            return whole(e)
        h = e
        for block in self.blocks:
            h = block(h, e, x)
        return self.last(h)

    @property
    def can_be_reduced(self) -> bool:
        """Whether the matrix products can use reduced precision on a CPU; the small networks of grids gain nothing."""
        return not isinstance(self.encoding, GridEncoding) and has_dense_kernel(list(self.blocks), self.last)

    def _needs_second_derivatives(self, x: Tensor) -> bool:
        """Whether the loss may contain coordinate derivatives; fused kernels are slower for second derivatives."""
        return x.requires_grad and torch.is_grad_enabled() and any(p.requires_grad for p in self.parameters())

    def fold(self, plain: Body) -> None:
        """Set `plain`, a body of folded blocks and dense layers, to the same function."""
        after: Tensor | None = None
        for block, plain_block in zip(self.blocks, plain.blocks, strict=True):
            assert isinstance(block, Block)
            assert isinstance(plain_block, Block)
            after = block.fold(plain_block, after)
        weight, bias = self.last.effective()
        set_dense(plain.last, weight if after is None else weight @ after, bias)

    def lipschitz_bound(self) -> float | None:
        """A bound of |y(a) - y(b)| / |a - b| in the 2-norm: the product of its parts' bounds; None: unknown."""
        bounds = [self.encoding.lipschitz, *(c.lipschitz_bound() for c in self.blocks if isinstance(c, Block))]
        known = [bound for bound in bounds if bound is not None]
        return math.prod(known) * spectral_norm(self.last) if len(known) == len(bounds) else None
