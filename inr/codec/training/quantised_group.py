"""Tensors that are learned together with their quantiser steps; `trainer` says how."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from inr.codec.entropy.quantise import StepSize
from inr.codec.training.coded_tensors import CodedTensor
from inr.fitting.optimizers.soap import SoapOptimizer

_LEAST_P = 2.0**-16
LEAST_MEAN = 2.0**-6
"""Of magnitudes from which a first step is derived."""


class QuantisedGroup:
    """Learned tensors of one kind, concatenated: their values, the log2 of their steps, and of their Laplace scales.

    first_step: of a grid's quantiser, in training values. soap_decay: SOAP's weight decay, if it trains networks.
    """

    def __init__(
        self, members: Sequence[tuple[CodedTensor, Tensor]], first_step: float, soap_decay: float | None = None
    ) -> None:
        self.tensors, self.parameters = [tensor for tensor, _ in members], [parameter for _, parameter in members]
        self.is_table = any(tensor.is_table for tensor in self.tensors)
        self.sizes = [tensor.values.numel() for tensor in self.tensors]
        means = [float(tensor.values.abs().mean()) if tensor.values.numel() else 0.0 for tensor in self.tensors]
        steps = [first_step if self.is_table else (mean or LEAST_MEAN) / 16 for mean in means]
        self.unit = first_step if self.is_table else 1.0  # tables are learned in units of their first step
        self.theta = torch.cat([tensor.values.flatten() for tensor in self.tensors]).to(torch.float32) / self.unit
        self.theta.requires_grad_()
        self.log_step = torch.tensor([math.log2(step) for step in steps], requires_grad=not self.is_table)
        scales = [math.log2(max(mean / step, 1.0)) for mean, step in zip(means, steps, strict=True)]
        self.log_b = torch.tensor(scales, requires_grad=True)
        self._matrices = self._views(self.theta.detach())
        self.soap = None
        if soap_decay is not None and not self.is_table:
            self.soap = SoapOptimizer(self._matrices, weight_decay=soap_decay)
        self._owner = torch.repeat_interleave(torch.arange(len(members)), torch.tensor(self.sizes))

    @property
    def of_rate(self) -> list[Tensor]:
        """The parameters of the distributions."""
        return [self.log_b]

    def surrogate(self, noise: Generator | None, done: float) -> tuple[Tensor, Tensor]:
        """(values for the field, their bits), both with gradients. noise: None for rounded values. done: the share of
        the steps with noise that is behind."""
        step = torch.exp2(self.log_step)[self._owner]
        u = self.theta * self.unit / step
        u = u + ((u.round() - u).detach() if noise is None else torch.rand(u.shape, generator=noise) - 0.5)
        return u * step, laplace_bits(u, torch.exp2(self.log_b)[self._owner]).sum()

    def write(self, values: Tensor) -> None:
        """Write values into the field."""
        with torch.no_grad():
            for tensor, part in zip(self.tensors, self._views(values), strict=True):
                tensor.values.copy_(part)

    def gradient(self) -> Tensor:
        """The gradient of the field's parameters."""
        return torch.cat([_gradient(*member).flatten() for member in zip(self.tensors, self.parameters, strict=True)])

    def step(self, learning_rate: float) -> None:
        """A step of SOAP along the gradient of theta."""
        assert self.soap is not None
        assert self.theta.grad is not None
        for matrix, gradient in zip(self._matrices, self._views(self.theta.grad), strict=True):
            matrix.grad = gradient
        self.soap.param_groups[0]["lr"] = learning_rate
        self.soap.step()

    def _views(self, values: Tensor) -> list[Tensor]:
        parts = torch.split(values, self.sizes)
        return [part.view(tensor.values.shape) for tensor, part in zip(self.tensors, parts, strict=True)]

    def fix_steps(self) -> None:
        """Round the steps to ones that a file can hold, and stop training them."""
        with torch.no_grad():
            self.log_step.copy_(torch.tensor([math.log2(step.value) for step in self.steps]))
        self.log_step.requires_grad_(False)

    @property
    def steps(self) -> list[StepSize]:
        return [StepSize.near(2.0**log_step) for log_step in self.log_step.tolist()]


def laplace_bits(u: Tensor, b: Tensor) -> Tensor:
    """Bits of u under a Laplace distribution of mean 0 and scale b, integrated over u +- 1/2; at most 16 each."""
    far = u.abs()
    inverse = 1 / b
    outer = torch.exp(-(far - 0.5).clamp(min=0) * inverse) * (1 - torch.exp(-inverse)) / 2
    inner = 1 - (torch.exp(-(far + 0.5) * inverse) + torch.exp((far - 0.5).clamp(max=0) * inverse)) / 2
    return -torch.log2(torch.where(far < 0.5, inner, outer).clamp(min=_LEAST_P))


def _gradient(tensor: CodedTensor, parameter: Tensor) -> Tensor:
    grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
    grad = torch.view_as_real(grad) if grad.is_complex() else grad
    grad = grad.reshape(1) if grad.ndim == 0 else grad
    return grad[tensor.start : tensor.stop].to(torch.float32)
