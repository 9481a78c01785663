"""A run: the training loop from a signal and settings to a fitted field."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Generator, Tensor

from inr.core.errors import UsageError
from inr.core.samples import Samples
from inr.core.stopwatch import working_clock
from inr.fields import Field, FieldConfig
from inr.fitting.base_width import check_base_width, parameters_and_rates, scale_output
from inr.fitting.batches import Batches
from inr.fitting.distributed import ProcessGroup
from inr.fitting.half import MOST_LOST_DB, lost_db, rounded
from inr.fitting.model_file import unreadable_if_invalid
from inr.fitting.observer import Observer, Observers
from inr.fitting.progress import Progress, TrainingLoss
from inr.fitting.resolving import (
    check_least_squares,
    check_parts,
    check_precision,
    check_shareable,
    check_smoothness,
    check_update,
)
from inr.fitting.result import Fit, Outcome
from inr.fitting.rounds import Rounds
from inr.fitting.settings import FitConfig
from inr.fitting.training_step import TrainingStep
from inr.signals import Signal

_STREAMS = ("init", "pool", "order", "loss", "start")
_LAST_GOOD_EVERY = 100  # steps between copies of the parameters, for a run that diverges
_TARGET_SLACK_DB = 0.5  # the smoothed loss lags behind the field
_TARGET_CHECK_EVERY = 10  # steps between measurements once the loss is near the target
_MEASURE_EVERY = 50  # the same where no PSNR can be estimated from the loss
_LEAST_GAIN_DB = 0.1  # of a round, for another one


class Run:
    """A fit in progress: advance it, take its result, write its checkpoint (`save_checkpoint`) and continue from one.

    signal: what to fit. field, settings: as `resolve` returns them. group: the processes that share every batch, where
    there are several; each makes a Run and calls the same methods, and has the same result. observers: makes what
    watches the run (`inr.ntk.observers_of`), only for a run of one process. is_fresh: initialise the field from the
    signal; not for a run whose state is restored.
    """

    def __init__(
        self,
        signal: Signal,
        field: FieldConfig,
        settings: FitConfig,
        device: torch.device | None = None,
        *,
        is_fresh: bool = True,
        group: ProcessGroup | None = None,
        observers: Observers | None = None,
    ) -> None:
        self.signal, self.settings, self.group = signal, settings, group
        self.rounds = None if settings.steps is None else Rounds(settings.steps, settings.rounds)
        self.round_db: float | None = None
        self.observers: Sequence[Observer] = () if observers is None else observers(settings)
        self.device = device or torch.device("cpu")
        self.generators = {name: _generator(settings.seed, name) for name in _STREAMS}
        self.field: Field = field.build(signal.spec, self.generators["init"])
        check_smoothness(self.field, settings)
        check_update(self.field, settings)
        check_base_width(self.field, settings)
        scale_output(self.field, settings)  # before an initialisation from the signal, which may set it
        self.pool = signal.pool(self.generators["pool"])
        self.batches = Batches(signal, self.pool, settings, self.generators, self.device, group)
        self._check()
        initial = self.batches.initial_samples()
        if is_fresh:
            self.field.initialise(initial, self.generators["start"])
        self.field.to(self.device)
        if group is not None:
            group.broadcast_module(self.field)
        self.optimizer = settings.optimizer.build(*parameters_and_rates(self.field, settings))
        check_precision(self.field, settings, self.device)
        self.train_step = TrainingStep(
            self.field, self.optimizer, settings, self.device, self.generators["loss"], group
        )
        self.average = copy.deepcopy(self.field).requires_grad_(False) if settings.ema is not None else None
        self.step = 0
        self.seconds = 0.0
        assert settings.loss is not None
        self.loss = TrainingLoss(signal, is_mse=settings.loss.is_mse and not self.batches.sampler.is_biased)
        self.last_good: dict[str, Tensor] = {}
        self.resumed_from = ""  # a checkpoint's name, until a step has shown that its state is valid
        self.provenance: Mapping[str, Any] = {}
        seen = initial if signal.tile is not None else Samples.counted(signal.spec, self.pool)
        for observer in self.observers:
            observer.on_start(self.field, seen)

    def _check(self) -> None:
        check_parts(self.settings, self.pool.size)
        check_least_squares(self.field, self.settings, self.pool.size)
        if self.group is not None:
            check_shareable(self.settings)
        if self.settings.track_ntk is not None and not self.observers:
            raise UsageError("track_ntk is set, but the run has no observers", "pass observers=inr.ntk.observers_of")

    # -- training

    def advance(
        self,
        on_progress: Callable[[Progress], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
        on_checkpoint: Callable[[], None] | None = None,
        checkpoint_every: int | None = None,
    ) -> Outcome:
        """Train until the run ends, or `should_stop` returns true; returns how it ended.

        on_checkpoint: called every `checkpoint_every` steps. The run's clock, and so its time limit, stands still
        while kernels are compiled or loaded, and while observers work (`Observer.seconds`).
        """
        outcome = self._advance(on_progress, should_stop, on_checkpoint, checkpoint_every)
        if outcome != "interrupted":
            for observer in self.observers:
                observer.on_end(self.step, self.seconds)
        return outcome

    def _advance(
        self,
        on_progress: Callable[[Progress], None] | None,
        should_stop: Callable[[], bool] | None,
        on_checkpoint: Callable[[], None] | None,
        checkpoint_every: int | None,
    ) -> Outcome:
        clock, settings = self._clock(), self.settings
        while True:
            self.seconds = clock()
            for observer in self.observers:
                observer.on_step(self.step, self.seconds)
            is_stopped = should_stop is not None and should_stop()  # after observers, which may wait for the user
            if self.group is not None:  # clocks and signals differ: the first process decides
                self.seconds, decision = self.group.broadcast(self.seconds, is_stopped)
                is_stopped = bool(decision)
            if self.rounds is not None and self.step >= self.rounds.total:
                break
            if settings.time_s is not None and self.seconds >= settings.time_s:
                break
            if is_stopped:
                return "interrupted"
            if not math.isfinite(self.take_step()):
                if self.last_good:
                    self.field.load_state_dict(self.last_good)
                return "diverged"
            if on_progress is not None:
                loss, psnr_db = self.loss.mean(self.step), self._estimated_psnr_db()
                end = None if self.rounds is None else self.rounds.end(self.step - 1)
                on_progress(Progress(self.step, end, clock(), loss, psnr_db))
            if checkpoint_every is not None and on_checkpoint is not None and self.step % checkpoint_every == 0:
                self.seconds = clock()
                on_checkpoint()
            if self._is_target_met():
                self.seconds = clock()
                return "done"
            if self._is_stuck():
                self.seconds = clock()
                return "target_not_reached"
        is_met = settings.target_psnr_db is None or self._is_target_met(is_last=True)
        return "done" if is_met else "target_not_reached"

    def _clock(self) -> Callable[[], float]:
        """The run's seconds, continued from those so far."""

        def now() -> float:
            return working_clock() - sum(observer.seconds for observer in self.observers)

        start = now() - self.seconds
        return lambda: now() - start

    def take_step(self) -> float:
        """Train on one batch; returns its loss before the update. If it is not finite, the run has diverged."""
        with unreadable_if_invalid(self.resumed_from) if self.resumed_from else contextlib.nullcontext():
            if not self.field.training:  # a result taken on the way has put it into eval mode
                self.field.train()
            progress = self.fraction_done()
            batch = self.batches.next(self.field, self.step, progress)
            before = self._snapshot() if self.step % _LAST_GOOD_EVERY == 0 else None
            value = self.train_step(batch, self.step, progress, self.loss.mean(self.step))
        self.resumed_from = ""
        if math.isfinite(value):
            self.last_good = self.last_good if before is None else before
            self.step += 1
            self.loss.add(self.step, value, is_jittered=self._is_jittered())
            self._update_average()
        return value

    def fraction_done(self) -> float:
        """How much of the steps of this round, or of the time, is used, whichever is more, in [0, 1]."""
        parts = [0.0]
        if self.rounds is not None:
            parts.append(self.rounds.fraction(self.step))
        if self.settings.time_s is not None:
            parts.append(self.seconds / self.settings.time_s)
        return min(1.0, max(parts))

    def _snapshot(self) -> dict[str, Tensor]:
        return {k: v.detach().clone() for k, v in self.field.state_dict().items()}

    def _update_average(self) -> None:
        if self.average is None or self.settings.ema is None:
            return
        keep = min(self.settings.ema, self.step / (self.step + 1))  # a running mean until the window is full
        with torch.no_grad():
            for kept, now in zip(self.average.parameters(), self.field.parameters(), strict=True):
                kept.lerp_(now, 1 - keep)

    # -- quality

    def _is_jittered(self) -> bool:
        return self.batches.is_jittered(self.fraction_done())

    def _estimated_psnr_db(self) -> float | None:
        return self.loss.psnr_db(self.step, is_jittered=self._is_jittered())

    def _is_target_met(self, *, is_last: bool = False) -> bool:
        """Whether the whole signal, as it would be written, is at the target.

        Measured at the end, when the loss suggests it, or now and then where no PSNR can be estimated from the loss.
        The first step is one at which it may be measured, for fields that start from the signal.
        """
        target = self.settings.target_psnr_db
        if target is None:
            return False
        estimate = self._estimated_psnr_db()
        if estimate is None:
            is_due = self.step % _MEASURE_EVERY == 0
        else:
            is_checked = self.step == 1 or self.step % _TARGET_CHECK_EVERY == 0
            is_due = is_checked and estimate >= target - _TARGET_SLACK_DB
        return (is_due or is_last) and self._measured_psnr_db() >= target

    def _is_stuck(self) -> bool:
        """Whether a round has ended that gained next to nothing over the one before."""
        if self.rounds is None or self.rounds.count == 1 or not self.rounds.is_at_end(self.step):
            return False
        before, self.round_db = self.round_db, self._measured_psnr_db()
        return before is not None and self.round_db < before + _LEAST_GAIN_DB

    def _measured_psnr_db(self) -> float:
        def measured() -> float:
            return self.result("done").metrics["psnr_db"]

        if self.group is None:
            return measured()
        return self.group.broadcast(measured() if self.group.rank == 0 else 0.0)[0]

    def result(self, outcome: Outcome, *, with_metrics: bool = True) -> Fit:
        """The fitted field as it is now. With metrics it is rounded as `dtype` says; the metrics are of that field."""
        self.optimizer.zero_grad(set_to_none=True)  # the next step makes new gradients; large ones need the room here
        field = self.average if self.average is not None and outcome != "diverged" else self.field
        if with_metrics and outcome != "diverged":
            field = self._as_stored(field)
        fit = Fit(
            field=field,
            spec=self.signal.spec,
            frame=self.signal.frame,
            meta=self.signal.meta,
            settings=self.settings,
            source=self.signal.name,
            steps=self.step,
            outcome=outcome,
            seconds=self.seconds,
            notes=self.signal.notes,
            provenance=self.provenance,
            curve=self.loss.curve_at(self.step, is_jittered=self._is_jittered()),
            **{observer.key: observer.document() for observer in self.observers if observer.key},
        )
        return dataclasses.replace(fit, metrics=self.signal.metrics(fit)) if with_metrics else fit

    def _as_stored(self, field: Field) -> Field:
        """The field, or a copy with its parameters rounded to float16."""
        dtype, loss = self.settings.dtype, self.settings.loss
        assert loss is not None
        if dtype == "float32" or (dtype == "auto" and self.signal.tile is not None):
            return field
        twin = rounded(field)
        if dtype == "float16" and twin is None:
            raise UsageError("the field has parameters that float16 cannot hold", "use `fit.dtype=float32`")
        if twin is None or dtype == "float16":
            return twin or field
        step = self.signal.value_step
        step = None if step is None else step / max(self.signal.frame.scale)
        return twin if lost_db(field, twin, loss, self.pool, self.device, step) <= MOST_LOST_DB else field


def _generator(seed: int, stream: str) -> Generator:
    """One independent generator per purpose, so that drawing more for one leaves the others as they were."""
    return torch.Generator().manual_seed(seed * len(_STREAMS) + _STREAMS.index(stream))
