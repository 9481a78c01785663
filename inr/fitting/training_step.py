"""One training step: the loss of a batch, its gradient, and the optimizer's update."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor

from inr.fields import Field
from inr.fitting.batches import TrainingBatch
from inr.fitting.cuda_graph import Capture, CapturedStep, capture_on_device
from inr.fitting.distributed import ProcessGroup
from inr.fitting.least_squares import BatchResiduals
from inr.fitting.settings import FitConfig
from inr.kernels import Precision, use_precision
from inr.signals import Batch

FULL_PRECISION_FROM = 0.8  # share of a run from which no product is rounded on the CPU
FULL_PRECISION_LOSS = 1e-4  # mean squared error below which none is: 46 dB of a picture


class TrainingStep:
    """Updates a field from one batch after the other.

    settings: resolved. generator: of the points that a loss draws. group: the processes that share every batch.
    """

    def __init__(
        self,
        field: Field,
        optimizer: torch.optim.Optimizer,
        settings: FitConfig,
        device: torch.device,
        generator: Generator,
        group: ProcessGroup | None,
    ) -> None:
        assert settings.loss is not None
        self._field, self._optimizer, self._settings = field, optimizer, settings
        self._loss, self._device, self._generator, self._group = settings.loss, device, generator, group
        self.residual_transform = None if settings.residual_transform is None else settings.residual_transform.build()
        self._rates = [float(group["lr"]) for group in optimizer.param_groups]
        self._number, self._precision, self._fraction = 0, settings.precision, 1.0  # of the step in progress
        self._captured: CapturedStep | None = None
        if self._can_be_captured():
            for group_ in optimizer.param_groups:
                group_["capturable"] = True
                group_["lr"] = torch.tensor(group_["lr"], device=device)
            self.capture_with(capture_on_device)

    @property
    def is_captured(self) -> bool:
        """Whether steps are captured in a CUDA graph."""
        return self._captured is not None

    def capture_with(self, capture: Capture | None) -> None:
        """Capture later steps by `capture`, or not at all."""
        self._captured = None if capture is None else CapturedStep(self._whole_step, capture)

    def __call__(self, drawn: TrainingBatch, step: int, progress: float, mean_loss: float) -> float:
        """Do step number `step`, at `progress` in [0, 1] of the run; returns the loss of the whole batch before it.

        mean_loss: of the steps before. Where the loss is not finite the run has diverged, and the parameters may be
        damaged.
        """
        self._number, self._fraction = step, drawn.fraction
        assert self._settings.loss is not None
        self._loss = self._settings.loss.at(progress)
        self._precision = self._precision_at(progress, mean_loss)
        self._set_rates(self._settings.schedule.factor(progress))
        if self._settings.optimizer.is_least_squares:
            return self._solve(drawn.batch)
        if self._captured is not None and drawn.batch.axes is None:
            return float(self._captured(drawn.batch))
        self._optimizer.zero_grad(set_to_none=True)
        loss = self._objective(drawn.batch, drawn.groups)
        value = self._total(loss)
        if not math.isfinite(value):
            return value
        self._backward(self._penalised(loss, drawn.batch))
        if self._settings.optimizer.is_closed:
            self._optimizer.step(self._closure(drawn))
        else:
            with self._field.updating():
                self._optimizer.step()
        return value

    def _solve(self, batch: Batch) -> float:
        """One update from the residuals of a batch; returns their mean square before it."""
        with self._field.at_step(self._number):
            residuals = BatchResiduals(self._field, batch)
            value = float(residuals.value().square().mean())
            if math.isfinite(value):
                self._optimizer.step(residuals)  # type: ignore[call-overload]  # torch's closure returns a loss
        return value

    def _can_be_captured(self) -> bool:
        """Whether a step is nothing but the same kernels on another batch, on a CUDA device."""
        settings = self._settings
        return (
            self._device.type == "cuda"
            and self._group is None
            and settings.optimizer.is_capturable
            and settings.loss is not None
            and settings.loss.is_capturable
            and settings.residual_transform is None
            and settings.jitter is None
            and not self._field.varies_by_step
            and not self._field.has_own_update
            and self._field.penalty() is None
        )

    def _whole_step(self, batch: Batch) -> Tensor:
        """One update from a batch, without reading anything back from the device."""
        self._optimizer.zero_grad(set_to_none=True)
        loss = self._objective(batch, None)
        self._backward(loss)
        self._optimizer.step()
        return loss.detach()

    def _set_rates(self, factor: float) -> None:
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate * factor)
            else:
                group["lr"] = rate * factor

    def _precision_at(self, progress: float, mean_loss: float) -> Precision:
        """The chosen one, but float32 where rounding would show on the CPU: late in a run, and in good fits."""
        is_coarse = progress < FULL_PRECISION_FROM and not mean_loss < FULL_PRECISION_LOSS
        return self._settings.precision if self._device.type == "cuda" or is_coarse else "float32"

    def _objective(self, batch: Batch, groups: tuple[int, int] | None) -> Tensor:
        form = contextlib.nullcontext() if self._field.trains_whole_too else self._field.at_step(self._number)
        with form, use_precision(self._precision, self._device.type):
            if self.residual_transform is not None:
                return self.residual_transform.objective(self._field, batch, groups, self._number)
            return self._loss.value(self._field, batch, self._generator)

    def _penalised(self, loss: Tensor, batch: Batch) -> Tensor:
        """The loss with what is minimised besides: that of the step's form, where `loss` is the whole field's."""
        if self._field.trains_whole_too:
            with self._field.at_step(self._number), use_precision(self._precision, self._device.type):
                loss = loss + self._loss.value(self._field, batch, self._generator)
        penalty = self._field.penalty()
        return loss if penalty is None else loss + penalty

    def _total(self, loss: Tensor) -> float:
        """The loss of the whole batch, from that of this process's part."""
        value = float(loss.detach())
        return value if self._group is None else self._group.all_reduce(value * self._fraction)

    def _backward(self, loss: Tensor) -> None:
        torch.autograd.backward(loss)
        if self._group is not None:
            self._group.all_reduce_gradients(self._field.parameters(), self._fraction)
        if self._settings.clip is not None:
            torch.nn.utils.clip_grad_norm_(self._field.parameters(), self._settings.clip)

    def _closure(self, drawn: TrainingBatch) -> Callable[[], float]:
        """The loss with new gradients, for optimizers that evaluate it several times per step."""

        def evaluate() -> float:
            self._optimizer.zero_grad(set_to_none=True)
            loss = self._penalised(self._objective(drawn.batch, drawn.groups), drawn.batch)
            self._backward(loss)
            return self._total(loss)

        return evaluate
