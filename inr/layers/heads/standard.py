"""Heads: the output unchanged, or limited to the training range by tanh."""

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
    """tanh(y): the counterpart, for our training range [-1, 1], of a sigmoid on [0, 1]."""

    def build(self) -> Head:
        return TanhHead()


class TanhHead(Head):
    smoothness = math.inf
    lipschitz = 1.0

    def forward(self, y: Tensor) -> Tensor:
        return torch.tanh(y)
