"""Quantisation-aware training of any field: distortion plus the weight of its bits, with learned steps.

Every tensor theta of a field has a step Delta and a scale b, both learned; its symbols are u = theta / Delta. In most
of the run the field sees Delta (u + U(-1/2, 1/2)), whose expected loss holds the second-order cost of rounding,
sum_i H_ii Delta^2 / 24: the gradient by Delta balances it against the bits, which is the search of steps by their
sensitivities. In the end it sees Delta round(u), straight through, with fixed steps (Balle et al. 2017,
arXiv:1611.01704, for the noise; Esser et al. 2020, LSQ, arXiv:1902.08153, for learned steps). Bits are those of a
Laplace distribution of scale b on the integers; the gradient by theta is sgn(theta) / (Delta b ln 2) bits, the L1
penalty of Struempler et al. 2022 (arXiv:2112.04267) in units of bits. What the coder then really takes is another
number; where it can be asked, it is asked on the way, and the estimate is scaled by what it says.

The field itself is not changed: surrogates are written into its parameters before each step, and the gradients that
arrive there go on to theta and Delta. So every kernel runs as it does in a plain fit.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor

from inr._samples import Samples
from inr.codec.pieces import Piece, pieces
from inr.codec.quantise import ONE, Quantised, Step
from inr.codec.soap import Soap
from inr.fields import Field
from inr.fitting import LOSSES, LossConfig
from inr.signals import Pool, Signal

HARD_SHARE = 0.2
"""Of the steps, at the end, in which the field sees rounded values."""

_LOWEST_LR = 0.01
_SMOOTHING = 0.98
_LEAST_P = 2.0**-16
_LEAST_MEAN = 2.0**-6
_LR_STEP, _LR_SCALE = 0.02, 0.05
_WARM = 0.25
_MEASURES = 20
"""Times in a run that the coder is asked."""

Size = Callable[[Sequence[Piece], Sequence[Quantised]], int]
"""Bytes that a file's payload takes for these symbols."""


@dataclasses.dataclass(frozen=True)
class Budget:
    """What the bits are worth. Exactly one is given.

    lambda_: weight of bits per sample beside the distortion. bits: of the payload, or where its size is not known while
    training, of all symbols; the weight that leads there is found while training.
    """

    lambda_: float | None = None
    bits: float | None = None


@dataclasses.dataclass(frozen=True)
class Plan:
    """How long and how fast. lr: of networks, lr_table: of grids' entries, in steps of their quantiser.

    first_step: of a grid's quantiser, in training values. is_fresh: whether the field still has to look at the signal.
    has_soap: whether networks are trained by SOAP instead of Adam; weight_decay: of it.
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


@dataclasses.dataclass(frozen=True)
class Trained:
    """The field with rounded values in it, its symbols and steps, what was rounded, and the weight of the rate."""

    field: Field
    pieces: Sequence[Piece]
    coded: Sequence[Quantised]
    latent: Sequence[Tensor]
    lambda_: float


class _Bank:
    """Learned pieces of one kind, end to end: their values, the log2 of their steps, and of their Laplace scales."""

    def __init__(self, members: Sequence[tuple[Piece, Tensor]], plan: Plan) -> None:
        self.pieces, self.parameters = [piece for piece, _ in members], [parameter for _, parameter in members]
        self.is_table = any(piece.is_table for piece in self.pieces)
        self.sizes = [piece.values.numel() for piece in self.pieces]
        means = [float(piece.values.abs().mean()) if piece.values.numel() else 0.0 for piece in self.pieces]
        steps = [plan.first_step if self.is_table else (mean or _LEAST_MEAN) / 16 for mean in means]
        self.unit = plan.first_step if self.is_table else 1.0  # tables are learned in units of their first step
        self.theta = torch.cat([piece.values.flatten() for piece in self.pieces]).to(torch.float32) / self.unit
        self.theta.requires_grad_()
        self.log_step = torch.tensor([math.log2(step) for step in steps], requires_grad=not self.is_table)
        scales = [math.log2(max(mean / step, 1.0)) for mean, step in zip(means, steps, strict=True)]
        self.log_b = torch.tensor(scales, requires_grad=True)
        self._matrices = self._views(self.theta.detach())
        self.soap = Soap(self._matrices, plan.weight_decay) if plan.has_soap and not self.is_table else None
        self._owner = torch.repeat_interleave(torch.arange(len(members)), torch.tensor(self.sizes))

    def surrogate(self, noise: Generator | None) -> tuple[Tensor, Tensor]:
        """(values as the field shall see them, their bits), both with gradients."""
        step = torch.exp2(self.log_step)[self._owner]
        u = self.theta * self.unit / step
        u = u + ((u.round() - u).detach() if noise is None else torch.rand(u.shape, generator=noise) - 0.5)
        return u * step, laplace_bits(u, torch.exp2(self.log_b)[self._owner]).sum()

    def show(self, values: Tensor) -> None:
        """Put values into the field."""
        with torch.no_grad():
            for piece, part in zip(self.pieces, self._views(values), strict=True):
                piece.values.copy_(part)

    def gradient(self) -> Tensor:
        """What arrived at the field's parameters."""
        return torch.cat([_gradient(*member).flatten() for member in zip(self.pieces, self.parameters, strict=True)])

    def step(self, learning_rate: float) -> None:
        """A step of SOAP along the gradient of theta."""
        assert self.soap is not None
        assert self.theta.grad is not None
        for matrix, gradient in zip(self._matrices, self._views(self.theta.grad), strict=True):
            matrix.grad = gradient
        self.soap.step(learning_rate)

    def _views(self, values: Tensor) -> list[Tensor]:
        parts = torch.split(values, self.sizes)
        return [part.view(piece.values.shape) for piece, part in zip(self.pieces, parts, strict=True)]

    def fix_steps(self) -> None:
        """From here on the steps are ones that a file can hold."""
        with torch.no_grad():
            self.log_step.copy_(torch.tensor([math.log2(step.value) for step in self.steps]))
        self.log_step.requires_grad_(False)

    @property
    def steps(self) -> list[Step]:
        return [Step.near(2.0**log_step) for log_step in self.log_step.tolist()]


def laplace_bits(u: Tensor, b: Tensor) -> Tensor:
    """Bits of u under a Laplace distribution of mean 0 and scale b, integrated over u +- 1/2; at most 16 each."""
    far = u.abs()
    inverse = 1 / b
    outer = torch.exp(-(far - 0.5).clamp(min=0) * inverse) * (1 - torch.exp(-inverse)) / 2
    inner = 1 - (torch.exp(-(far + 0.5) * inverse) + torch.exp((far - 0.5).clamp(max=0) * inverse)) / 2
    return -torch.log2(torch.where(far < 0.5, inner, outer).clamp(min=_LEAST_P))


def train(
    signal: Signal,
    field: Field,
    plan: Plan,
    budget: Budget,
    seed: int,
    on_progress: Callable[[float, float], None] | None = None,
    size: Size | None = None,
) -> Trained:
    """Train a field for its bytes.

    on_progress: hears the share of the steps done, and PSNR or loss as it stands. size: of the payload; without it a
    budget of bits is one of the estimate.
    """
    generators = [Generator().manual_seed(seed * 8 + k) for k in range(4)]
    pool = signal.pool(generators[0])
    if plan.is_fresh:
        field.start(Samples(signal.spec, pool.size, lambda i: _values(pool, i), pool.order), generators[1])
    run = _Run(signal, field, pool, plan, budget, size, generators[2], generators[3])
    for step in range(plan.steps):
        loss = run.advance(step)
        if on_progress is not None:
            on_progress((step + 1) / plan.steps, loss)
    return run.result()


def _values(pool: Pool, index: Tensor) -> tuple[Tensor, Tensor]:
    batch = pool.batch(index)
    return batch.x, batch.y


class _Run:
    def __init__(
        self,
        signal: Signal,
        field: Field,
        pool: Pool,
        plan: Plan,
        budget: Budget,
        size: Size | None,
        order: Generator,
        noise: Generator,
    ) -> None:
        self.field, self.pool, self.plan, self.order, self.noise = field, pool, plan, order, noise
        self.loss: LossConfig = LOSSES[signal.loss]()
        self.samples = math.prod(signal.spec.shape) if signal.spec.shape is not None else pool.size
        self.weight = distortion_weight(signal)
        self.budget, self.size = budget, size if budget.bits is not None else None
        self.bits_per_estimate = 1.0
        self.lambda_ = budget.lambda_ or 0.0
        own = {name: p for name, p in field.named_parameters() if p.requires_grad}
        self.pieces = pieces(field)
        self.steps: dict[str, Step] = {}
        learned = []
        for piece in self.pieces:
            parameter = own.get(piece.name.split("[")[0])
            if parameter is not None:
                learned.append((piece, parameter))
            else:  # frequencies, centres, seeds: no gradient to learn by, so they are fine, and rounded at once
                mean = 0.0 if piece.is_exact else float(piece.values.abs().mean())
                self.steps[piece.name] = ONE if piece.is_exact else Step.near((mean or _LEAST_MEAN) / 1024)
                piece.assign(piece.quantise(self.steps[piece.name]))
        kinds = [[member for member in learned if member[0].is_table is is_table] for is_table in (False, True)]
        self.banks = [_Bank(members, plan) for members in kinds if members]
        groups = []
        for bank in self.banks:
            if bank.soap is None:
                groups.append({"params": [bank.theta], "lr": plan.lr_table if bank.is_table else plan.lr})
            groups.append({"params": [bank.log_b], "lr": _LR_SCALE})
            if not bank.is_table:
                groups.append({"params": [bank.log_step], "lr": _LR_STEP})
        self.optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99), eps=1e-15)
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        self.parameters = list(own.values())
        self._epoch = torch.empty(0, dtype=torch.int64)
        self._mean_loss = self._n_seen = 0.0
        self.is_hard = False

    def advance(self, step: int) -> float:
        done = step / self.plan.steps
        if not self.is_hard and done >= 1 - self.plan.hard_share:
            self.is_hard = True
            for bank in self.banks:
                bank.fix_steps()
        factor = _LOWEST_LR + (1 - _LOWEST_LR) * (1 + math.cos(math.pi * done)) / 2
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor
        self.optimizer.zero_grad(set_to_none=True)
        for bank in self.banks:
            bank.theta.grad = None
        seen = [bank.surrogate(None if self.is_hard else self.noise) for bank in self.banks]
        for bank, (values, _) in zip(self.banks, seen, strict=True):
            bank.show(values.detach())
        for parameter in self.parameters:
            parameter.grad = None
        self.field.train()
        loss = self.loss.value(self.field, self.pool.batch(self._draw()), self.order) * self.weight
        penalty = self.field.penalty()
        torch.autograd.backward(loss if penalty is None else loss + penalty * self.weight)
        bits = torch.stack([b for _, b in seen]).sum()
        self._follow(float(loss.detach()), float(bits.detach()), step)
        torch.autograd.backward(
            [*(values for values, _ in seen), bits * (self.lambda_ / self.samples)],
            [*(bank.gradient() for bank in self.banks), None],
        )
        self.optimizer.step()
        for bank in self.banks:
            if bank.soap is not None:
                bank.step(self.plan.lr * factor)
        return self._mean_loss / self._n_seen

    def _draw(self) -> Tensor:
        if len(self._epoch) < min(self.plan.batch, self.pool.size):
            self._epoch = torch.randperm(self.pool.size, generator=self.order)
        index, self._epoch = self._epoch[: self.plan.batch], self._epoch[self.plan.batch :]
        return index

    def _follow(self, loss: float, bits: float, step: int) -> None:
        """Keep the weight of the rate where it leads to the budget of bits.

        On a curve of about 2 dB per doubling of the rate, dD/dR = -0.6 D / R. The first quarter of a run takes less, as
        D will fall, and rises to a quarter of that; the weight then moves against the excess of bits.
        """
        self._mean_loss = _SMOOTHING * self._mean_loss + (1 - _SMOOTHING) * loss
        self._n_seen = _SMOOTHING * self._n_seen + (1 - _SMOOTHING)
        if self.budget.bits is None:
            return
        natural = 0.15 * (self._mean_loss / self._n_seen) * self.samples / self.budget.bits
        warm = int(self.plan.steps * _WARM)
        if step < warm:
            self.lambda_ = natural * (step + 1) / warm
            return
        if self.size is not None and (step - warm) % max(1, self.plan.steps // _MEASURES) == 0:
            self.bits_per_estimate = 8 * self.size(self.pieces, self._rounded()) / max(bits, 1.0)
        excess = math.log(max(bits, 1.0) * self.bits_per_estimate / self.budget.bits)
        self.lambda_ *= math.exp(max(-0.6, min(0.6, 8 * excess)) * 40 / self.plan.steps)

    def _rounded(self) -> list[Quantised]:
        """The symbols as they stand; the field then holds the values before rounding."""
        steps = dict(self.steps)
        for bank in self.banks:
            bank.show(bank.theta.detach() * bank.unit)
            steps |= {piece.name: step for piece, step in zip(bank.pieces, bank.steps, strict=True)}
        return [piece.quantise(steps[piece.name]) for piece in self.pieces]

    def result(self) -> Trained:
        coded = self._rounded()
        latent = [piece.values.detach().clone() for piece in self.pieces]
        for piece, symbols in zip(self.pieces, coded, strict=True):
            piece.assign(symbols)
        self.field.eval()
        return Trained(self.field, self.pieces, coded, latent, self.lambda_)


def _gradient(piece: Piece, parameter: Tensor) -> Tensor:
    grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
    grad = torch.view_as_real(grad) if grad.is_complex() else grad
    grad = grad.reshape(1) if grad.ndim == 0 else grad
    return grad[piece.start : piece.stop].to(torch.float32)


def distortion_weight(signal: Signal) -> float:
    """What turns the loss into the distortion that rates are weighed against: MSE over the squared peak, or itself."""
    if signal.loss != "mse" or signal.peak is None:
        return 1.0
    mean_square = sum(s * s for s in signal.frame.scale) / len(signal.frame.scale)
    return mean_square / signal.peak**2
