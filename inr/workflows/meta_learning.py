"""Learned initialisations: parameters from which a few steps fit any signal of a class.

Tancik et al. 2021, "Learned initializations for optimizing coordinate-based neural representations", arXiv:2012.02189;
MAML: Finn et al. 2017, arXiv:1703.03400; Reptile: Nichol et al. 2018, arXiv:1803.02999.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Generator, Tensor
from torch.func import functional_call

from inr.core.config import Config, param, parse
from inr.core.errors import UsageError
from inr.core.stopwatch import working_clock
from inr.fields import Field, FieldConfig
from inr.fitting import Fit, FitConfig, Outcome, Progress, resolve
from inr.signals import Pool, Signal

PICTURE_FIELD: Mapping[str, Any] = {
    "type": "siren",
    "encoding": {"type": "identity", "low": 0.0, "high": 1.0},
    "activation": {"type": "sine", "omega": 200.0, "omega_first": 200.0},
    "head": {"type": "scaled", "gain": 2.0},
    "init": "zero_bias",
}
"""The network of Tancik et al. for pictures. It is for values in [0, 1], and adds 1/2 to its output: on our range of
[-1, 1] that is a factor of 2 on the output."""

Params = Mapping[str, Tensor]
_SMOOTHING = 0.95


@dataclass(frozen=True, kw_only=True)
class LearnConfig(Config):
    """How an initialisation is learned.

    maml: the outer gradient is that of the loss after `inner_steps` steps of SGD, through those steps.
    reptile: it is theta - mean of the parameters after them; needs first derivatives only, and needs more inner steps.

    The paper: an inner rate of 1e-2 for values in [0, 1]; here: 2.5e-3, because squared errors on [-1, 1] are four
    times as large, so that with `PICTURE_FIELD` the steps are the same. The paper: 150000 outer steps at a rate of
    1e-5; here: 2000 at 1e-4, because that is what a CPU takes in minutes. The paper: all pixels of 178 x 178 in every
    inner step; here: 4096 at random, because of the same.

    The authors reach in 2 steps what a random start needs 100 for and more. In benchmarks/claims.py (32 x 32 patches of
    a photograph, 300 outer steps; record claims-4) 10 steps from the learned start reached 25 dB, which a random one
    reached in 10 to 30 at its best rate.
    """

    method: Literal["maml", "reptile"] = param("maml", "maml (through the inner steps) or reptile")
    steps: int = param(2000, "outer steps", ge=1)
    inner_steps: int = param(2, "steps of SGD on each signal", ge=1, le=1000)
    inner_lr: float = param(2.5e-3, "their learning rate", gt=0)
    lr: float = param(1e-4, "learning rate of the outer Adam", gt=0)
    signals: int = param(3, "signals per outer step", ge=1)
    batch: int = param(4096, "samples per signal and inner step", ge=1)
    seed: int = param(0, "seed of everything random", ge=0)


def learn(
    signals: Sequence[Signal],
    field: str | Mapping[str, Any] | FieldConfig | None = None,
    settings: Mapping[str, Any] | LearnConfig | None = None,
    *,
    device: torch.device | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Fit:
    """A start for fits of signals like these, as a Fit in the frame of the first.

    field: by default `default_field` of the first signal.
    Coordinates are the unit box, so lattices may differ in size; kind, D and C must be equal. All signals train on
    values in [-1, 1] (z of each one's frame). `warm_start` begins a run there.
    Raises UsageError for no signals, mixed kinds or channel counts; ConfigError for settings.
    """
    chosen = settings if isinstance(settings, LearnConfig) else parse(LearnConfig, settings or {}, "learn")
    _check_alike(signals)
    first = signals[0]
    config, fit_settings = resolve(first, default_field(first) if field is None else field)
    generator = torch.Generator().manual_seed(chosen.seed)
    network = config.build(first.spec, generator).to(device or torch.device("cpu"))
    pools = [signal.pool(generator) for signal in signals]
    learner = Learner(network, fit_settings, chosen, pools, generator)
    outcome = learner.run(on_progress, should_stop)
    return Fit(
        field=network,
        spec=first.spec,
        frame=first.frame,
        meta=first.meta,
        settings=dataclasses.replace(fit_settings, seed=chosen.seed),
        source=first.name,
        steps=learner.step,
        outcome=outcome,
        seconds=learner.seconds,
        provenance={
            "learned": {
                **{k: v for k, v in chosen.to_json().items() if k != "type"},
                "n_signals": len(signals),
                "loss_after": learner.mean_loss,
            }
        },
    )


def default_field(signal: Signal) -> Mapping[str, Any]:
    """Tancik et al.'s network for pictures; SIREN with its own factor for the other kinds."""
    return PICTURE_FIELD if signal.spec.traits.is_picture else {"type": "siren"}


class Learner:
    """The state of learning an initialisation. `run` takes all outer steps, `outer_step` one."""

    def __init__(
        self, field: Field, fit: FitConfig, settings: LearnConfig, pools: Sequence[Pool], generator: Generator
    ) -> None:
        self.field, self.settings, self.pools, self.generator = field, settings, pools, generator
        assert fit.loss is not None
        self.loss = fit.loss
        self.optimizer = torch.optim.Adam(field.parameters(), lr=settings.lr)
        self.step, self.seconds, self.mean_loss = 0, 0.0, 0.0

    def run(self, on_progress: Callable[[Progress], None] | None, should_stop: Callable[[], bool] | None) -> Outcome:
        start = working_clock()
        settings = self.settings
        while self.step < settings.steps:
            if should_stop is not None and should_stop():
                return "interrupted"
            before = {k: v.detach().clone() for k, v in self.field.named_parameters()}
            loss = self.outer_step()
            if not math.isfinite(loss):
                self.field.load_state_dict(before, strict=False)
                return "diverged"
            self.step += 1
            keep = min(_SMOOTHING, (self.step - 1) / self.step)
            self.mean_loss = keep * self.mean_loss + (1 - keep) * loss
            self.seconds = working_clock() - start
            if on_progress is not None:
                on_progress(Progress(self.step, settings.steps, self.seconds, self.mean_loss, None))
        return "done"

    def outer_step(self) -> float:
        """One step of Adam; the loss after the inner steps, mean over the signals drawn."""
        theta: Params = dict(self.field.named_parameters())
        n = min(self.settings.signals, len(self.pools))
        drawn = torch.randperm(len(self.pools), generator=self.generator)[:n].tolist()
        self.optimizer.zero_grad(set_to_none=False)
        total = 0.0
        for index in drawn:
            if self.settings.method == "maml":
                loss = self._loss(self._adapted(theta, index, is_through=True), index)
                gradients = torch.autograd.grad(loss, list(theta.values()), allow_unused=True)
            else:
                after = self._adapted({k: v.detach() for k, v in theta.items()}, index, is_through=False)
                with torch.no_grad():
                    loss = self._loss(after, index)
                gradients = tuple(v.detach() - after[k].detach() for k, v in theta.items())
            for p, g in zip(theta.values(), gradients, strict=True):
                if g is not None:
                    p.grad = g / n if p.grad is None else p.grad + g / n
            total += float(loss.detach()) / n
        if math.isfinite(total):
            self.optimizer.step()
        return total

    def _adapted(self, theta: Params, index: int, *, is_through: bool) -> Params:
        """The parameters after the inner steps on one signal; is_through: as a function of theta."""
        params = theta
        for _ in range(self.settings.inner_steps):
            if not is_through:
                params = {k: v.detach().requires_grad_() for k, v in params.items()}
            loss = self._loss(params, index)
            gradients = torch.autograd.grad(loss, list(params.values()), create_graph=is_through, allow_unused=True)
            lr = self.settings.inner_lr
            params = {k: v if g is None else v - lr * g for (k, v), g in zip(params.items(), gradients, strict=True)}
        return params

    def _loss(self, params: Params, index: int) -> Tensor:
        pool = self.pools[index]
        drawn = torch.randint(pool.size, (min(self.settings.batch, pool.size),), generator=self.generator)
        if pool.size <= self.settings.batch:
            drawn = torch.arange(pool.size)
        batch = pool.batch(drawn).to(next(self.field.parameters()).device)
        return self.loss.value(_At(self.field, params), batch, self.generator)


class _At(Field):
    """A field at other parameters."""

    def __init__(self, field: Field, params: Params) -> None:
        super().__init__()
        self.field, self._values = field, dict(params)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = functional_call(self.field, self._values, (x,))
        return result


def _check_alike(signals: Sequence[Signal]) -> None:
    if not signals:
        raise UsageError("there are no signals to learn from", "give files of one kind")
    first = signals[0]
    for signal in signals[1:]:
        for what, here, there in (
            ("kind", signal.spec.kind, first.spec.kind),
            ("number of coordinates", signal.spec.d_in, first.spec.d_in),
            ("number of channels", signal.spec.d_out, first.spec.d_out),
        ):
            if here != there:
                raise UsageError(
                    f"{signal.name!r} has {what} {here}, but {first.name!r} has {there}",
                    "a start is learned from signals of one kind, with as many channels",
                )
