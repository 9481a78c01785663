"""The block slot: how one layer is wired from linear maps, activation, the encoding and the raw coordinate."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from torch import Generator, Tensor, nn

from inr.core.config import Config
from inr.core.errors import ConfigError
from inr.core.registry import Registry
from inr.layers.activations import Activation, ActivationConfig
from inr.layers.folding import fold_linears
from inr.layers.linear import Linear, LinearConfig, Role

BLOCKS: Registry[type[BlockConfig]] = Registry("block", "inr.layers.blocks", was="cell")


@dataclass(frozen=True)
class BlockSpec:
    """Arguments for building a block.

    d_h: features entering the block; d_e: of the encoding; d_x: coordinates D; width: requested output features.
    depth: blocks in the body. role: "first" or "hidden". is_last: no block follows.
    """

    d_h: int
    d_e: int
    d_x: int
    width: int
    depth: int
    role: Role
    has_bias: bool
    linear: LinearConfig
    activation: ActivationConfig
    generator: Generator
    is_last: bool = False

    def make_linear(self, d_in: int, d_out: int, role: Role | None = None, *, has_bias: bool | None = None) -> Linear:
        """A linear map in the chosen parameterisation; None takes the value from the settings."""
        has_bias = self.has_bias if has_bias is None else has_bias
        return self.linear.build(d_in, d_out, has_bias=has_bias, role=role or self.role, generator=self.generator)


class Block(nn.Module):
    """(h [*B, d_h], e [*B, d_e], x [*B, D]) -> [*B, d_out]."""

    __call__: Callable[..., Tensor]
    d_out: int
    smoothness: float

    @abstractmethod
    def forward(self, h: Tensor, e: Tensor, x: Tensor) -> Tensor: ...

    def fold(self, plain: Block, before: Tensor | None) -> Tensor | None:
        """Set a block of `BlockConfig.folded` and dense layers so that self(before h) = after plain(h).

        before, after (returned): matrices, None for the identity.
        """
        assert before is None
        fold_linears(self, plain)
        return None

    def lipschitz_bound(self) -> float | None:
        """A bound of |self(h) - self(g)| / |h - g| in the 2-norm; None: unknown."""
        return None


class BlockConfig(Config):
    """Settings of a block."""

    slot: ClassVar[Registry[type[BlockConfig]]] = BLOCKS

    @abstractmethod
    def build(self, spec: BlockSpec) -> Block: ...

    def folded(self) -> BlockConfig:
        """The settings of the block that this one folds into."""
        return self


def single_branch(spec: BlockSpec, name: str) -> Activation:
    """Build the spec's activation. Raises ConfigError if it needs more than one branch."""
    activation = spec.activation.build(spec.role, spec.width)
    if activation.arity != 1:
        raise ConfigError(
            [f"activation {spec.activation.type_name!r} needs {activation.arity} branches, but block {name!r} has one"],
            "use `field.activation=identity`",
        )
    return activation
