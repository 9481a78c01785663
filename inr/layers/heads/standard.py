"""Heads: the output unchanged, or limited to the training range by a sigmoid or tanh."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from inr.layers.heads._base import HEADS, Head, HeadConfig


@HEADS.register("linear")
@dataclass(frozen=True, kw_only=True)
class LinearHeadConfig(HeadConfig):
    """y unchanged."""

    def build(self) -> Head:
        return LinearHead()


class LinearHead(Head):
    smoothness = math.inf
    lipschitz = 1.0

    def forward(self, y: Tensor) -> Tensor:
        return y


@HEADS.register("tanh")
@dataclass(frozen=True, kw_only=True)
class TanhHeadConfig(HeadConfig):
    """tanh(y): values in (-1, 1). It is twice as steep as `sigmoid`."""

    def build(self) -> Head:
        return TanhHead()


class TanhHead(Head):
    smoothness = math.inf
    lipschitz = 1.0

    def forward(self, y: Tensor) -> Tensor:
        return torch.tanh(y)


@HEADS.register("sigmoid")
@dataclass(frozen=True, kw_only=True)
class SigmoidHeadConfig(HeadConfig):
    """2 sigmoid(y) - 1 = tanh(y / 2): a sigmoid of values in [0, 1], on the training range [-1, 1]."""

    def build(self) -> Head:
        return SigmoidHead()


class SigmoidHead(Head):
    smoothness = math.inf
    lipschitz = 0.5

    def forward(self, y: Tensor) -> Tensor:
        return torch.tanh(0.5 * y)
