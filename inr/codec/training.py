"""Quantisation-aware training of any field: distortion plus the weight of its bits, with learned steps.

Every tensor theta of a field has a step Delta and a scale b, both learned; its symbols are u = theta / Delta. In most of
the run the field sees Delta (u + U(-1/2, 1/2)), whose expected loss holds the second-order cost of rounding,
sum_i H_ii Delta^2 / 24, so that the gradient by Delta balances it against the bits; in the end it sees Delta round(u),
straight through, with fixed steps (Esser et al. 2020, LSQ, arXiv:1902.08153, for the gradient by theta and Delta; Balle
et al. 2017, arXiv:1611.01704, for the noise). Bits are those of a Laplace distribution of scale b on the integers,
as Struempler et al. 2022 (arXiv:2112.04267) have them through their L1 penalty: the gradient by theta is
sgn(theta) / (Delta b ln 2) bits.

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
from inr.fields import Field
from inr.fitting import LOSSES, LossConfig
from inr.signals import Pool, Signal

HARD_SHARE = 0.2
"""Of the steps, at the end, in which the field sees rounded values."""

_LOWEST_LR = 0.01
_SMOOTHING = 0.98
_LEAST_P = 2.0**-16
_LN2 = math.log(2)


@dataclasses.dataclass(frozen=True)
class Budget:
    """What the bits are worth. Exactly one is given.

    lambda_: weight of bits per sample beside the distortion. bits: of all symbols; the weight that leads there is
    found while training.
    """

    lambda_: float | None = None
    bits: float | None = None


@dataclasses.dataclass(frozen=True)
class Plan:
    """How long and how fast. lr: of networks, lr_table: of grids' entries, in steps of their quantiser.

    first_step: of a grid's quantiser, in training values. is_start: whether the field still has to look at the signal.
    """

    steps: int
    batch: int
    lr: float
    lr_table: float = 0.1
    first_step: float = 1.0 / 16
    hard_share: float = HARD_SHARE
    is_fresh: bool = True


@dataclasses.dataclass(frozen=True)
class Trained:
    """The field with rounded values in it, its symbols and steps, the values that were rounded, and the rate's weight."""

    field: Field
    pieces: Sequence[Piece]
    coded: Sequence[Quantised]
    latent: Sequence[Tensor]
    lambda_: float


class _Coder:
    """One piece in training: its values, the log2 of its step, and the log2 of its Laplace scale."""

    def __init__(self, piece: Piece, parameter: Tensor | None, plan: Plan) -> None:
        self.piece, self.parameter = piece, parameter
        self.is_table = piece.is_table
        values = piece.values.detach().clone()
        mean = 0.0 if piece.is_exact or not values.numel() else float(values.abs().mean())
        is_fixed = parameter is None  # buffers (frequencies, centres) have no gradient to learn by
        step = plan.first_step if self.is_table and not is_fixed else (mean or 2.0**-6) / (1024 if is_fixed else 16)
        self.scale = step if self.is_table else 1.0  # tables are learned in units of their first step
        self.theta = values if is_fixed else (values / self.scale).requires_grad_()
        self.log_step = torch.tensor(math.log2(step), requires_grad=not is_fixed)
        self.log_b = torch.tensor(math.log2(max(mean / step, 1.0)), requires_grad=not is_fixed)

    def surrogate(self, noise: Generator | None) -> tuple[Tensor, Tensor]:
        """(values as the field shall see them, their bits), both with gradients."""
        step = torch.exp2(self.log_step)
        u = self.theta * self.scale / step
        u = u + ((u.round() - u).detach() if noise is None else torch.rand(u.shape, generator=noise) - 0.5)
        return u * step, laplace_bits(u, torch.exp2(self.log_b)).sum()

    def fix_step(self) -> None:
        """From here on the step is one that a file can hold."""
        with torch.no_grad():
            self.log_step.fill_(math.log2(Step.near(2.0 ** float(self.log_step)).value))
        self.log_step.requires_grad_(False)

    @property
    def step(self) -> Step:
        return ONE if self.piece.is_exact else Step.near(2.0 ** float(self.log_step.detach()))

    def quantised(self) -> Quantised:
        with torch.no_grad():
            if self.parameter is not None:
                self.piece.values.copy_(self.theta * self.scale)
        return self.piece.quantise(self.step)


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
) -> Trained:
    """Train a field for its bytes.

    on_progress: hears the share of the steps done, and PSNR or loss as it stands.
    """
    generators = [Generator().manual_seed(seed * 8 + k) for k in range(4)]
    pool = signal.pool(generators[0])
    if plan.is_fresh:
        field.start(Samples(signal.spec, pool.size, lambda i: _values(pool, i), pool.order), generators[1])
    run = _Run(signal, field, pool, plan, budget, generators[2], generators[3])
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
        order: Generator,
        noise: Generator,
    ) -> None:
        self.field, self.pool, self.plan, self.order, self.noise = field, pool, plan, order, noise
        self.loss: LossConfig = LOSSES[signal.loss]()
        self.samples = math.prod(signal.spec.shape) if signal.spec.shape is not None else pool.size
        self.weight = distortion_weight(signal)
        self.budget = budget
        self.lambda_ = budget.lambda_ or 0.0
        own = {name: p for name, p in field.named_parameters() if p.requires_grad and p.is_floating_point()}
        own |= {name: p for name, p in field.named_parameters() if p.is_complex()}
        self.pieces = pieces(field)
        self.coders = [_Coder(piece, own.get(piece.name.split("[")[0]), plan) for piece in self.pieces]
        self.learned = [coder for coder in self.coders if coder.parameter is not None]
        groups = [
            {"params": [c.theta for c in self.learned if not c.is_table], "lr": plan.lr},
            {"params": [c.theta for c in self.learned if c.is_table], "lr": plan.lr_table},
            {"params": [c.log_step for c in self.learned if not c.is_table], "lr": 0.02},
            {"params": [c.log_b for c in self.learned], "lr": 0.05},
        ]
        groups = [group for group in groups if group["params"]]
        self.rates = [float(group["lr"]) for group in groups]  # type: ignore[arg-type]
        self.optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99), eps=1e-15)
        self.parameters = list(own.values())
        for coder in self.coders:
            if coder.parameter is None:
                coder.piece.assign(coder.quantised())
        self._epoch = torch.empty(0, dtype=torch.int64)
        self._mean_loss = self._n_seen = 0.0
        self.is_hard = False

    def advance(self, step: int) -> float:
        done = step / self.plan.steps
        if not self.is_hard and done >= 1 - self.plan.hard_share:
            self.is_hard = True
            for coder in self.learned:
                coder.fix_step()
        factor = _LOWEST_LR + (1 - _LOWEST_LR) * (1 + math.cos(math.pi * done)) / 2
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor
        self.optimizer.zero_grad(set_to_none=True)
        seen = [coder.surrogate(None if self.is_hard else self.noise) for coder in self.learned]
        with torch.no_grad():
            for coder, (values, _) in zip(self.learned, seen, strict=True):
                coder.piece.values.copy_(values)
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
            [*(_gradient(coder) for coder in self.learned), None],
        )
        self.optimizer.step()
        return self._mean_loss / self._n_seen

    def _draw(self) -> Tensor:
        if len(self._epoch) < min(self.plan.batch, self.pool.size):
            self._epoch = torch.randperm(self.pool.size, generator=self.order)
        index, self._epoch = self._epoch[: self.plan.batch], self._epoch[self.plan.batch :]
        return index

    def _follow(self, loss: float, bits: float, step: int) -> None:
        """Keep the weight of the rate where it leads to the budget of bits.

        On a curve of about 2 dB per doubling of the rate, dD/dR = -0.6 D / R. The first quarter of a run takes a quarter
        of that, as D will fall; the weight then moves against the excess of bits.
        """
        self._mean_loss = _SMOOTHING * self._mean_loss + (1 - _SMOOTHING) * loss
        self._n_seen = _SMOOTHING * self._n_seen + (1 - _SMOOTHING)
        if self.budget.bits is None:
            return
        natural = 0.15 * (self._mean_loss / self._n_seen) * self.samples / self.budget.bits
        warm = self.plan.steps // 4
        if step < warm:
            self.lambda_ = natural
            return
        excess = math.log(max(bits, 1.0) / self.budget.bits)
        self.lambda_ *= math.exp(max(-0.2, min(0.2, 8 * excess)) * 40 / self.plan.steps)

    def result(self) -> Trained:
        coded = [coder.quantised() for coder in self.coders]
        latent = [piece.values.detach().clone() for piece in self.pieces]
        for piece, symbols in zip(self.pieces, coded, strict=True):
            piece.assign(symbols)
        self.field.eval()
        return Trained(self.field, self.pieces, coded, latent, self.lambda_)


def _gradient(coder: _Coder) -> Tensor:
    parameter = coder.parameter
    assert parameter is not None
    grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
    grad = torch.view_as_real(grad) if grad.is_complex() else grad
    grad = grad.reshape(1) if grad.ndim == 0 else grad
    return grad[coder.piece.start : coder.piece.stop]


def distortion_weight(signal: Signal) -> float:
    """What turns the loss into the distortion that rates are weighed against: MSE over the squared peak, or itself."""
    if signal.loss != "mse" or signal.peak is None:
        return 1.0
    mean_square = sum(s * s for s in signal.frame.scale) / len(signal.frame.scale)
    return mean_square / signal.peak**2
