"""The loss slot: a field and a batch to a number, with the derivatives it needs declared."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Generator, Tensor

from inr.core.config import Config
from inr.core.registry import Registry
from inr.fields import Field
from inr.signals import Batch

LOSSES: Registry[type[LossConfig]] = Registry("loss", "inr.fitting.losses")


class LossConfig(Config):
    """Settings of a loss.

    order: coordinate derivatives of the field that it takes; a field whose `smoothness` is less is refused before
    the first step. is_mse: its value is the mean squared error, so PSNR can be estimated from it while fitting. draws:
    it draws points of its own; otherwise it is a mean over the batch, which processes can share. is_capturable: it
    launches the same kernels for every batch, so a CUDA graph can capture it.
    """

    slot: ClassVar[Registry[type[LossConfig]]] = LOSSES
    order: ClassVar[int] = 0
    is_mse: ClassVar[bool] = False
    draws: ClassVar[bool] = False
    is_capturable: ClassVar[bool] = False

    def at(self, progress: float) -> LossConfig:
        """The loss at a share of the run, in [0, 1], for one whose weights change over it."""
        return self

    @abstractmethod
    def value(self, field: Field, batch: Batch, generator: Generator) -> Tensor:
        """The loss, a scalar. Extra points that it needs are drawn from `generator`."""


def predict(field: Field, batch: Batch) -> Tensor:
    """f(x) [N, C], by axes where the batch is a product of coordinates."""
    if batch.axes is None:
        return field(batch.x)
    return field.on_grid([field.rounded(axis) for axis in batch.axes]).flatten(0, -2)


def value_and_gradient(field: Field, x: Tensor) -> tuple[Tensor, Tensor]:
    """f(x) [N] and df/dx [N, D] of a one-channel field, both differentiable in the parameters."""
    x = x.detach().requires_grad_()
    f = field(x).squeeze(-1)
    (gradient,) = torch.autograd.grad(f.sum(), x, create_graph=True)
    return f, gradient
