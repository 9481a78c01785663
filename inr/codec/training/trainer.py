"""Quantisation-aware training of any field: distortion plus weighted bits, with learned quantiser steps.

Each tensor theta of a field has a step Delta and a scale b, both learned; its symbols are u = theta / Delta. For most
of the run the field uses Delta (u + U(-1/2, 1/2)). The expected loss then contains the second-order cost of rounding,
sum_i H_ii Delta^2 / 24, and the gradient of Delta balances this cost against the bits. At the end the field uses
Delta round(u) with a straight-through gradient and fixed steps (Balle et al. 2017, arXiv:1611.01704, for the noise;
Esser et al. 2020, LSQ, arXiv:1902.08153, for learned steps). Bits are those of a Laplace distribution of scale b on the
integers; their gradient by theta is sgn(theta) / (Delta b ln 2), the L1 penalty of Struempler et al. 2022
(arXiv:2112.04267) in bits. The entropy coder needs a different number of bits, so the estimate is scaled by the size
that the coder reports at intervals during training.

The field itself is not modified: surrogate values are written into its parameters before each step, and the gradients
of its parameters are passed on to theta and Delta. So all kernels run as in a plain fit.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor

from inr.codec.entropy.quantise import ONE, Quantised, StepSize
from inr.codec.training.annealed_group import AnnealedGroup
from inr.codec.training.coded_tensors import CodedTensor, coded_tensors
from inr.codec.training.few_bits_group import FewBitsGroup
from inr.codec.training.quantised_group import LEAST_MEAN, QuantisedGroup
from inr.core.samples import Samples
from inr.fields import Field
from inr.fitting import LOSSES, LossConfig
from inr.layers.linear.dense import DenseLinear
from inr.signals import Pool, Signal

HARD_SHARE = 0.2
"""The last share of the steps, in which the field uses rounded values."""

_LOWEST_LR = 0.01
_SMOOTHING = 0.98
_LR_STEP, _LR_SCALE = 0.02, 0.05
_WARM = 0.25
_MEASURES = 20
"""How often per run the entropy coder reports the size."""

Size = Callable[[Sequence[CodedTensor], Sequence[Quantised]], int]
"""The payload's bytes for these symbols."""


@dataclasses.dataclass(frozen=True)
class RateTerm:
    """The rate term of the loss. Exactly one is given.

    lambda_: a fixed weight of bits per sample against the distortion. bits: of the payload, or of all symbols if the
    payload's size is not known during training; the weight is adjusted so that training ends there.
    """

    lambda_: float | None = None
    bits: float | None = None


@dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """Length and learning rates. lr: of networks. lr_table: of grid entries, in units of their quantiser step.

    first_step: of a grid's quantiser, in training values. is_fresh: the field is new, so its data-dependent
    initialisation runs. has_soap: networks are trained by SOAP instead of Adam; weight_decay: of SOAP. is_annealed:
    grids hold whole numbers and are trained as in SHACIRA, see `AnnealedGroup`. bits: per entry of the first and of the
    other matrices of dense layers; None: learned steps.
    """

    steps: int
    batch: int
    lr: float
    lr_table: float = 0.1
    first_step: float = 1.0 / 16
    hard_share: float = HARD_SHARE
    is_fresh: bool = True
    has_soap: bool = False
    weight_decay: float = 0.0
    is_annealed: bool = False
    bits: tuple[int, int] | None = None


@dataclasses.dataclass(frozen=True)
class TrainedField:
    """A trained field with rounded values, its quantised tensors, their values before rounding, the rate weight, and
    the training samples."""

    field: Field
    tensors: Sequence[CodedTensor]
    quantised: Sequence[Quantised]
    latent: Sequence[Tensor]
    lambda_: float
    pool: Pool


def train(
    signal: Signal,
    field: Field,
    settings: TrainingSettings,
    rate_term: RateTerm,
    seed: int,
    on_progress: Callable[[float, float], None] | None = None,
    size: Size | None = None,
) -> TrainedField:
    """Train a field for a rate and a distortion.

    on_progress: called with the share of the steps that is done, and the current loss. size: bytes of the payload;
    without it `RateTerm.bits` are estimated bits.
    """
    generators = [Generator().manual_seed(seed * 8 + k) for k in range(4)]
    pool = signal.pool(generators[0])
    if settings.is_fresh:
        field.initialise(Samples(signal.spec, pool.size, lambda i: _values(pool, i), pool.order), generators[1])
    run = _Training(signal, field, pool, settings, rate_term, size, generators[2], generators[3])
    for step in range(settings.steps):
        loss = run.advance(step)
        if on_progress is not None:
            on_progress((step + 1) / settings.steps, loss)
    return run.result()


def _values(pool: Pool, index: Tensor) -> tuple[Tensor, Tensor]:
    batch = pool.batch(index)
    return batch.x, batch.y


class _Training:
    def __init__(
        self,
        signal: Signal,
        field: Field,
        pool: Pool,
        settings: TrainingSettings,
        rate_term: RateTerm,
        size: Size | None,
        order: Generator,
        noise: Generator,
    ) -> None:
        self.field, self.pool, self.settings, self.order, self.noise = field, pool, settings, order, noise
        self.loss: LossConfig = LOSSES[signal.loss]()
        self.samples = math.prod(signal.spec.shape) if signal.spec.shape is not None else pool.size
        self.weight = distortion_weight(signal)
        self.rate_term, self.size = rate_term, size if rate_term.bits is not None else None
        self.bits_per_estimate = 1.0
        self.lambda_ = rate_term.lambda_ or 0.0
        own = {name: p for name, p in field.named_parameters() if p.requires_grad}
        few = {} if settings.bits is None else _bits_of_matrices(field, settings.bits)
        self.tensors = [
            dataclasses.replace(t, largest=2 ** (few[t.name] - 1) - 1) if t.name in few else t
            for t in coded_tensors(field)
        ]
        self.steps: dict[str, StepSize] = {}
        learned = []
        for tensor in self.tensors:
            parameter = own.get(tensor.name.split("[")[0])
            if parameter is not None:
                learned.append((tensor, parameter))
            else:  # frequencies, centres, seeds: without gradients, so their steps are small and they are rounded now
                mean = 0.0 if tensor.is_exact else float(tensor.values.abs().mean())
                self.steps[tensor.name] = ONE if tensor.is_exact else StepSize.near((mean or LEAST_MEAN) / 1024)
                tensor.assign(tensor.quantise(self.steps[tensor.name]))
        soap_decay = settings.weight_decay if settings.has_soap else None
        matrices = [member for member in learned if member[0].name in few]
        learned = [member for member in learned if member[0].name not in few]
        kinds = [[member for member in learned if member[0].is_table is is_table] for is_table in (False, True)]
        self.quantised_groups = [
            AnnealedGroup(members)
            if settings.is_annealed and members[0][0].is_table
            else QuantisedGroup(members, settings.first_step, soap_decay)
            for members in kinds
            if members
        ]
        if matrices:
            self.quantised_groups.append(FewBitsGroup(matrices, soap_decay))
        groups = []
        for group in self.quantised_groups:
            if group.soap is None:
                groups.append({"params": [group.theta], "lr": settings.lr_table if group.is_table else settings.lr})
            groups.append({"params": group.of_rate, "lr": _LR_SCALE})
            if not group.is_table:
                groups.append({"params": [group.log_step], "lr": _LR_STEP})
        self.optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99), eps=1e-15)
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        self.parameters = list(own.values())
        self._epoch = torch.empty(0, dtype=torch.int64)
        self._mean_loss = self._n_seen = 0.0
        self.is_hard = False

    def advance(self, step: int) -> float:
        done = step / self.settings.steps
        if not self.is_hard and done >= 1 - self.settings.hard_share:
            self.is_hard = True
            for group in self.quantised_groups:
                group.fix_steps()
        factor = _LOWEST_LR + (1 - _LOWEST_LR) * (1 + math.cos(math.pi * done)) / 2
        for options, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            options["lr"] = rate * factor
        self.optimizer.zero_grad(set_to_none=True)
        for group in self.quantised_groups:
            group.theta.grad = None
        soft = done / (1 - self.settings.hard_share)
        seen = [group.surrogate(None if self.is_hard else self.noise, soft) for group in self.quantised_groups]
        for group, (values, _) in zip(self.quantised_groups, seen, strict=True):
            group.write(values.detach())
        for parameter in self.parameters:
            parameter.grad = None
        self.field.train()
        loss = self.loss.value(self.field, self.pool.batch(self._draw()), self.order) * self.weight
        penalty = self.field.penalty()
        torch.autograd.backward(loss if penalty is None else loss + penalty * self.weight)
        bits = torch.stack([b for _, b in seen]).sum()
        self._update_rate_weight(float(loss.detach()), float(bits.detach()), step)
        torch.autograd.backward(
            [*(values for values, _ in seen), bits * (self.lambda_ / self.samples)],
            [*(group.gradient() for group in self.quantised_groups), None],
        )
        self.optimizer.step()
        for group in self.quantised_groups:
            if group.soap is not None:
                group.step(self.settings.lr * factor)
        return self._mean_loss / self._n_seen

    def _draw(self) -> Tensor:
        if len(self._epoch) < min(self.settings.batch, self.pool.size):
            self._epoch = torch.randperm(self.pool.size, generator=self.order)
        index, self._epoch = self._epoch[: self.settings.batch], self._epoch[self.settings.batch :]
        return index

    def _update_rate_weight(self, loss: float, bits: float, step: int) -> None:
        """Adjust the rate weight so that training ends at the target bits.

        With about 2 dB per doubling of the rate, dD/dR = -0.6 D / R. During the first quarter of a run D is still
        falling, so the weight rises from 0 to a quarter of this value; then it follows the excess of bits.
        """
        self._mean_loss = _SMOOTHING * self._mean_loss + (1 - _SMOOTHING) * loss
        self._n_seen = _SMOOTHING * self._n_seen + (1 - _SMOOTHING)
        if self.rate_term.bits is None:
            return
        natural = 0.15 * (self._mean_loss / self._n_seen) * self.samples / self.rate_term.bits
        warm = int(self.settings.steps * _WARM)
        if step < warm:
            self.lambda_ = natural * (step + 1) / warm
            return
        if self.size is not None and (step - warm) % max(1, self.settings.steps // _MEASURES) == 0:
            self.bits_per_estimate = 8 * self.size(self.tensors, self._rounded()) / max(bits, 1.0)
        excess = math.log(max(bits, 1.0) * self.bits_per_estimate / self.rate_term.bits)
        self.lambda_ *= math.exp(max(-0.6, min(0.6, 8 * excess)) * 40 / self.settings.steps)

    def _rounded(self) -> list[Quantised]:
        """The current symbols. The field then holds the values before rounding."""
        steps = dict(self.steps)
        for group in self.quantised_groups:
            group.write(group.theta.detach() * group.unit)
            steps |= {tensor.name: step for tensor, step in zip(group.tensors, group.steps, strict=True)}
        return [tensor.quantise(steps[tensor.name]) for tensor in self.tensors]

    def result(self) -> TrainedField:
        quantised = self._rounded()
        latent = [tensor.values.detach().clone() for tensor in self.tensors]
        for tensor, symbols in zip(self.tensors, quantised, strict=True):
            tensor.assign(symbols)
        self.field.eval()
        return TrainedField(self.field, self.tensors, quantised, latent, self.lambda_, self.pool)


def _bits_of_matrices(field: Field, bits: tuple[int, int]) -> dict[str, int]:
    """The bits of the matrices of dense layers, by name."""
    layers = [(name, module) for name, module in field.named_modules() if isinstance(module, DenseLinear)]
    return {f"{name}.weight": bits[layer.role != "first"] for name, layer in layers}


def distortion_weight(signal: Signal) -> float:
    """The factor that turns the loss into the distortion: MSE over the squared peak, or the loss itself."""
    if signal.loss != "mse" or signal.peak is None:
        return 1.0
    mean_square = sum(s * s for s in signal.frame.scale) / len(signal.frame.scale)
    return mean_square / signal.peak**2
