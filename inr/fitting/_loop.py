"""The fit: from a signal and settings to a fitted field."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

from inr._config import parse
from inr._errors import UsageError
from inr._files import atomic
from inr._preparation import working_clock
from inr._samples import Samples
from inr.assemblies import Body
from inr.fields import Field, FieldConfig
from inr.fitting._captured import CapturedStep, capture_on_device
from inr.fitting._curve import Curve, is_on_curve
from inr.fitting._file import load_into, read, to_bytes
from inr.fitting._loss import LOSSES, LossConfig, predict
from inr.fitting._result import (
    Fit,
    Outcome,
    build_field,
    check_format,
    fingerprint,
    parse_model,
    understanding,
)
from inr.fitting._sampler import Draw, Look, SamplerConfig
from inr.fitting._settings import FitConfig
from inr.fitting.adam import FusedAdam
from inr.fitting.samplers import Shuffled
from inr.fitting.team import Team
from inr.fitting.tiles import TilesConfig
from inr.fitting.tracking import NtkTracker
from inr.kernels import Precision, use_precision
from inr.signals import Batch, Signal, Source

CHECKPOINT_FORMAT = "inr-checkpoint"
CHECKPOINT_NAME = "checkpoint.safetensors"

_STREAMS = ("init", "pool", "order", "loss", "start")
_CHUNK = 2**16
_SMOOTHING = 0.95
_LAST_GOOD_EVERY = 100
_START_TILES = 64  # of a signal on disk, which a start that looks at the signal sees
_START_SAMPLES = 2**18
_TARGET_SLACK_DB = 0.5  # the smoothed loss lags behind the field
_FINE_FROM = 0.8  # share of a run from which on no product is rounded on the CPU
_FINE_LOSS = 1e-3  # mean squared error below which none is: 36 dB of a picture
_CAPTURED_LOSSES = ("mse", "l1", "mape")  # they draw nothing
_LOOK_EVERY = 50  # steps between looks at the whole signal where the loss tells nothing of its PSNR


@dataclasses.dataclass(frozen=True)
class Progress:
    """What a callback hears about a running fit.

    step of steps (None: no limit), seconds since its start (less those in which kernels were compiled or loaded, or
    the tangent kernel was looked at), a smoothed loss, and PSNR in dB told from it (None where
    the loss is not the mean squared error of the signal: another loss, a biased sampler, coordinates under jitter).
    """

    step: int
    steps: int | None
    seconds: float
    loss: float
    psnr_db: float | None


def resolve(
    signal: Signal,
    field: str | Mapping[str, Any] | FieldConfig | None = None,
    settings: Mapping[str, Any] | FitConfig | None = None,
) -> tuple[FieldConfig, FitConfig]:
    """The complete settings for a signal: what is given, over what the family wants, over the defaults.

    Raises ConfigError listing everything that is wrong, UsageError when the loss needs derivatives that the field
    does not have.
    """
    chosen = signal.default_field if field is None else field
    config = chosen if isinstance(chosen, FieldConfig) else parse(FieldConfig, chosen, "field")
    config = config.resolve(signal.spec)
    if not isinstance(settings, FitConfig):
        recipe = parse(FitConfig, config.recipe(signal.spec), "fit")
        settings = parse(FitConfig, settings or {}, "fit", recipe)
    if settings.target_psnr_db is not None and signal.peak is None:
        raise UsageError(
            f"PSNR has no meaning for a signal of kind {signal.kind!r}", "stop it by steps or time instead"
        )
    loss = settings.loss or LOSSES[signal.loss]()
    return config, dataclasses.replace(settings, loss=loss, sampler=_sampler_for(signal, settings.sampler))


def _sampler_for(signal: Signal, chosen: SamplerConfig) -> SamplerConfig:
    """The chosen sampler; `tiles` in place of `shuffled` where the signal is read from disk."""
    if signal.tile is None or chosen.reads_tiles:
        return chosen
    if chosen == Shuffled():
        return TilesConfig()
    raise UsageError(
        f"sampler {chosen.type_name!r} needs the whole signal in memory, but {signal.name!r} is read tile by tile",
        "use --set fit.sampler=tiles, or --set signal.read=memory where the memory is large enough",
    )


class Run:
    """A fit in progress: it can be advanced, checkpointed, resumed and finished.

    signal: what to fit. field, settings: as `resolve` returns them. team: the processes that share every batch, where
    there are several; each makes a Run and calls the same methods, and has the same result.
    """

    def __init__(
        self,
        signal: Signal,
        field: FieldConfig,
        settings: FitConfig,
        device: torch.device | None = None,
        *,
        is_fresh: bool = True,
        team: Team | None = None,
    ) -> None:
        self.signal, self.settings, self.team = signal, settings, team
        self._fraction = 1.0  # of the batch, that is ours
        self.device = device or torch.device("cpu")
        self.generators = {name: _generator(settings.seed, name) for name in _STREAMS}
        self.field: Field = field.build(signal.spec, self.generators["init"])
        assert settings.loss is not None
        self.loss: LossConfig = settings.loss
        if self.loss.order > self.field.smoothness:
            raise UsageError(
                f"loss {self.loss.type_name!r} takes {self.loss.order} coordinate derivative(s), "
                f"but this {field.type_name!r} field is smooth to order {self.field.smoothness:g} only",
                "choose another field, or a smoother form (hash_grid: --set field.encoding.interpolation=smoothstep)",
            )
        self.pool = signal.pool(self.generators["pool"])
        samples = Samples(signal.spec, self.pool.size, self._values_at, self.pool.order, signal.tile)
        self.sampler = settings.sampler.build(samples, settings.batch, self.generators["order"])
        self.sampler.to(self.device)
        self._ahead: tuple[Tensor, Batch] | None = None  # a stretch of draws and its samples
        self._check_parts()
        self.transform = None if settings.transform is None else settings.transform.build()
        if signal.tile is not None:
            samples = samples.seen_from(_START_TILES, _START_SAMPLES, self.generators["pool"])
        if is_fresh:
            self.field.start(samples, self.generators["start"])
        self.field.to(self.device)
        if team is not None:
            team.copy_first(self.field)
        groups = self.field.param_groups()
        lr_encoding = settings.lr if settings.lr_encoding is None else settings.lr_encoding
        self._base_lr = {role: lr_encoding if role == "encoding" else settings.lr for role in groups}
        self.optimizer = settings.optimizer.build(groups, self._base_lr)
        self._group_lr = [float(group["lr"]) for group in self.optimizer.param_groups]
        self._check_precision()
        self._captured = self._capturable_step()
        self.average = copy.deepcopy(self.field).requires_grad_(False) if settings.ema is not None else None
        self.step = 0
        self.seconds = 0.0
        self._smooth_loss = 0.0
        self._curve = Curve()
        self._last_good: dict[str, Tensor] = {}
        self.provenance: Mapping[str, Any] = {}
        share = settings.track_ntk
        self.tracker = None if share is None else NtkTracker(self.field, samples, share, settings.seed)

    def _check_parts(self) -> None:
        optimizer, transform = self.settings.optimizer, self.settings.transform
        if transform is not None and self.loss.type_name != "mse":
            raise UsageError(
                f"transform {transform.type_name!r} changes the residual of loss 'mse', "
                f"but the loss is {self.loss.type_name!r}",
                "use --set fit.loss=mse, or --set fit.transform=none",
            )
        if optimizer.is_closed and transform is not None:
            raise UsageError(
                f"optimizer {optimizer.type_name!r} follows a loss, "
                f"but transform {transform.type_name!r} leaves none whose gradient it would be",
                "use --set fit.transform=none, or --set fit.optimizer=adam",
            )
        if optimizer.is_closed and self.settings.batch < self.pool.size:
            raise UsageError(
                f"optimizer {optimizer.type_name!r} needs every sample in every step, "
                f"but batch is {self.settings.batch} of {self.pool.size}",
                f"use --set fit.batch={self.pool.size}, or --set fit.optimizer=adam",
            )
        if self.team is not None:
            self._check_team()

    def _check_team(self) -> None:
        settings = self.settings
        parts = {
            "fit.loss": self.loss.type_name if self.loss.draws else None,
            "fit.jitter": None if settings.jitter is None else settings.jitter.type_name,
            "fit.transform": None if settings.transform is None else settings.transform.type_name,
            "fit.track_ntk": settings.track_ntk,
        }
        for name, value in parts.items():
            if value is not None:
                raise UsageError(
                    f"{name}={value} is not a sum over the batch's samples, so processes can not share it",
                    "run it on one process",
                )

    def _check_precision(self) -> None:
        chosen = self.settings.precision
        if chosen == "float32":
            return
        with use_precision(chosen, self.device.type):  # raises where the machine has no such units
            pass
        bodies = [part for part in self.field.modules() if isinstance(part, Body)]
        if self.device.type == "cuda" and self.loss.order == 0:
            return  # the kernels of networks refuse what they can not do
        if self.device.type != "cpu" or not self.loss.is_mse or not any(body.can_be_reduced for body in bodies):
            raise UsageError(
                f"precision {chosen!r} is for networks of sines (siren) on the CPU, and loss 'mse'",
                "use --set fit.precision=float32",
            )

    def _capturable_step(self) -> CapturedStep | None:
        """A step that is one CUDA graph; None where a step does more than run the same kernels on another batch."""
        settings = self.settings
        if self.device.type != "cuda" or self.team is not None or type(self.optimizer) is not FusedAdam:
            return None
        if self.loss.type_name not in _CAPTURED_LOSSES or settings.transform is not None or settings.jitter is not None:
            return None
        if self.field.varies_by_step or self.field.penalty() is not None:
            return None
        for group in self.optimizer.param_groups:
            group["capturable"] = True
            group["lr"] = torch.tensor(group["lr"], device=self.device)
        return CapturedStep(self._whole_step, capture_on_device)

    def _whole_step(self, batch: Batch) -> Tensor:
        """One update from a batch, without a look at what comes out of it."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = self._objective(batch, None)
        self._backward(loss)
        self.optimizer.step()
        return loss.detach()

    # -- training

    def advance(
        self,
        on_progress: Callable[[Progress], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
        on_checkpoint: Callable[[], None] | None = None,
        checkpoint_every: int | None = None,
    ) -> Outcome:
        """Train until the run ends; returns how. `on_checkpoint` is called every so many steps.

        The run's clock, and so its limit of time, stands still while kernels are compiled or loaded, and while the
        tangent kernel is looked at (`tracker.seconds` has that time).
        """
        outcome = self._advance(on_progress, should_stop, on_checkpoint, checkpoint_every)
        if self.tracker is not None and outcome != "interrupted":
            self.tracker.finish(self.step, self.seconds)
        return outcome

    def _advance(
        self,
        on_progress: Callable[[Progress], None] | None,
        should_stop: Callable[[], bool] | None,
        on_checkpoint: Callable[[], None] | None,
        checkpoint_every: int | None,
    ) -> Outcome:
        clock = self._clock()
        settings = self.settings
        while True:
            self.seconds = clock()
            is_stopped = should_stop is not None and should_stop()
            if self.team is not None:  # clocks and signals differ: the first process decides
                self.seconds, is_stopped = (said := self.team.told(self.seconds, is_stopped))[0], bool(said[1])
            if self.tracker is not None:
                self.tracker.see(self.step, self.seconds)
            if settings.steps is not None and self.step >= settings.steps:
                break
            if settings.time_s is not None and self.seconds >= settings.time_s:
                break
            if is_stopped:
                return "interrupted"
            loss = self._train_step()
            if not math.isfinite(loss):
                if self._last_good:
                    self.field.load_state_dict(self._last_good)
                return "diverged"
            if on_progress is not None:
                on_progress(Progress(self.step, settings.steps, clock(), self._mean_loss, self._psnr()))
            if checkpoint_every is not None and on_checkpoint is not None and self.step % checkpoint_every == 0:
                self.seconds = clock()
                on_checkpoint()
            if self._target_is_met():
                self.seconds = clock()
                return "done"
        return "done" if settings.target_psnr_db is None or self._target_is_met(surely=True) else "target_not_reached"

    def _clock(self) -> Callable[[], float]:
        """The run's seconds, going on from those so far."""

        def now() -> float:
            return working_clock() - (0.0 if self.tracker is None else self.tracker.seconds)

        start = now() - self.seconds
        return lambda: now() - start

    def _train_step(self) -> float:
        factor = self.settings.schedule.factor(self.fraction_done())
        for group, lr in zip(self.optimizer.param_groups, self._group_lr, strict=True):
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(lr * factor)
            else:
                group["lr"] = lr * factor
        if not self.field.training:  # a result taken on the way has put it into eval mode
            self.field.train()
        draw = self.sampler.draw(Look(self.step, self.fraction_done(), self._residuals, self._slopes))
        if self.team is not None:
            draw, self._fraction = self.team.share(draw)
        batch = self._jittered(self._batch(draw))
        if self._captured is not None and batch.axes is None:
            return self._captured_step(self._captured, batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss = self._objective(batch, draw.groups)
        value = self._whole(loss)
        if not math.isfinite(value):
            return value
        if self.step % _LAST_GOOD_EVERY == 0:
            self._last_good = self._snapshot()
        self._backward(self._penalised(loss))
        if self.settings.optimizer.is_closed:
            self.optimizer.step(lambda: self._evaluate(batch, draw.groups))
        else:
            self.optimizer.step()
        self._end_step(value)
        return value

    def _captured_step(self, step: CapturedStep, batch: Batch) -> float:
        before = self._snapshot() if self.step % _LAST_GOOD_EVERY == 0 else None
        value = float(step(batch))
        if math.isfinite(value):
            self._last_good = self._last_good if before is None else before
            self._end_step(value)
        return value

    def _end_step(self, value: float) -> None:
        self.step += 1
        self._smooth_loss = _SMOOTHING * self._smooth_loss + (1 - _SMOOTHING) * value
        if is_on_curve(self.step):
            self._curve = self._curve_so_far()
        self._update_average()

    def _snapshot(self) -> dict[str, Tensor]:
        return {k: v.detach().clone() for k, v in self.field.state_dict().items()}

    def _objective(self, batch: Batch, groups: tuple[int, int] | None) -> Tensor:
        with self.field.at_step(self.step), use_precision(self._precision(), self.device.type):
            if self.transform is not None:
                return self.transform.objective(self.field, batch, groups, self.step)
            return self.loss.value(self.field, batch, self.generators["loss"])

    def _precision(self) -> Precision:
        """The chosen one, but float32 where rounding would show on the CPU: in a run's last part, and in good fits."""
        is_coarse = self.fraction_done() < _FINE_FROM and not self._mean_loss < _FINE_LOSS
        return self.settings.precision if self.device.type == "cuda" or is_coarse else "float32"

    def _penalised(self, loss: Tensor) -> Tensor:
        penalty = self.field.penalty()
        return loss if penalty is None else loss + penalty

    def _whole(self, loss: Tensor) -> float:
        """The loss of the whole batch, of which `loss` is our share's."""
        value = float(loss.detach())
        return value if self.team is None else self.team.add(value * self._fraction)

    def _backward(self, loss: Tensor) -> None:
        torch.autograd.backward(loss)
        if self.team is not None:
            self.team.add_gradients(self.field.parameters(), self._fraction)
        if self.settings.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.field.parameters(), self.settings.clip)

    def _evaluate(self, batch: Batch, groups: tuple[int, int] | None) -> float:
        """The loss with fresh gradients, for optimizers that ask several times per step."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = self._penalised(self._objective(batch, groups))
        self._backward(loss)
        return self._whole(loss)

    # -- batches

    def _batch(self, draw: Draw) -> Batch:
        batch = self._fetched(draw)
        if draw.weight is not None:
            weight = draw.weight.to(self.device).unsqueeze(-1)
            batch = dataclasses.replace(batch, weight=weight if batch.weight is None else batch.weight * weight)
        if draw.grid is not None:
            x = batch.x.reshape(*draw.grid, -1)
            axes = tuple(x[..., d].movedim(d, 0).reshape(n, -1)[:, 0] for d, n in enumerate(draw.grid))
            batch = dataclasses.replace(batch, axes=axes)
        return batch

    def _fetched(self, draw: Draw) -> Batch:
        stretch = draw.stretch
        if stretch is None:
            return self._samples_at(draw.index)
        if self._ahead is None or self._ahead[0] is not stretch:
            self._ahead = stretch, self._samples_at(stretch)
        return self._ahead[1][draw.start : draw.start + len(draw.index)]

    def _samples_at(self, index: Tensor) -> Batch:
        return self.pool.batch(index.to(self.device)).to(self.device)

    def _values_at(self, index: Tensor) -> tuple[Tensor, Tensor]:
        batch = self.pool.batch(index)
        return batch.x, batch.y

    def _jittered(self, batch: Batch) -> Batch:
        if not self._is_jittered:
            return batch
        assert self.settings.jitter is not None
        x = self.settings.jitter.apply(batch.x, self.fraction_done(), self.generators["loss"])
        return dataclasses.replace(batch, x=x, axes=None)

    @property
    def _is_jittered(self) -> bool:
        return self.settings.jitter is not None and self.settings.jitter.is_active(self.fraction_done())

    def _residuals(self, index: Tensor) -> Tensor:
        with torch.no_grad():
            parts = [
                (predict(self.field, batch) - batch.y).cpu()
                for part in torch.split(index, _CHUNK)
                for batch in [self.pool.batch(part).to(self.device)]
            ]
        return torch.cat(parts)

    def _slopes(self, index: Tensor) -> tuple[Tensor, Tensor]:
        errors, slopes = [], []
        for part in torch.split(index, _CHUNK):
            batch = self.pool.batch(part).to(self.device)
            x = batch.x.detach().requires_grad_()
            error = (self.field(x) - batch.y).square().mean(-1)
            (slope,) = torch.autograd.grad(error.sum(), x)
            errors.append(error.detach().cpu())
            slopes.append(slope.cpu())
        return torch.cat(errors), torch.cat(slopes)

    def fraction_done(self) -> float:
        """How much of the budget of steps or time is used, whichever is further, in [0, 1]."""
        parts = [0.0]
        if self.settings.steps is not None:
            parts.append(self.step / self.settings.steps)
        if self.settings.time_s is not None:
            parts.append(self.seconds / self.settings.time_s)
        return min(1.0, max(parts))

    def _update_average(self) -> None:
        if self.average is None or self.settings.ema is None:
            return
        keep = min(self.settings.ema, self.step / (self.step + 1))  # a running mean until the window is full
        with torch.no_grad():
            for kept, now in zip(self.average.parameters(), self.field.parameters(), strict=True):
                kept.lerp_(now, 1 - keep)

    # -- quality while training

    @property
    def _mean_loss(self) -> float:
        return self._smooth_loss / (1 - _SMOOTHING**self.step) if self.step else math.nan

    def _psnr(self) -> float | None:
        """PSNR told from the smoothed training loss: exact for equal channel scales, before clipping and rounding."""
        peak = self.signal.peak
        is_told = self.loss.is_mse and not self.sampler.is_biased and not self._is_jittered
        if peak is None or not is_told or not self._mean_loss > 0:
            return None
        mean_square_scale = sum(s * s for s in self.signal.frame.scale) / len(self.signal.frame.scale)
        return 10 * math.log10(peak * peak / (self._mean_loss * mean_square_scale))

    def _curve_so_far(self) -> Curve:
        return self._curve.followed_by(self.step, self._mean_loss, self._psnr())

    def _target_is_met(self, *, surely: bool = False) -> bool:
        """Whether the whole signal, as it would be written, is at the target.

        Asked only when the loss suggests so, or now and then where the loss says nothing.
        """
        target = self.settings.target_psnr_db
        if target is None:
            return False
        estimate = self._psnr()
        if estimate is None:
            is_time_to_look = surely or self.step % _LOOK_EVERY == 0
        else:
            is_time_to_look = surely or (estimate >= target - _TARGET_SLACK_DB and self.step % 10 == 0)
        if not is_time_to_look:
            return False
        if self.team is None:
            return self._reached() >= target
        return self.team.told(self._reached() if self.team.rank == 0 else 0.0)[0] >= target

    def _reached(self) -> float:
        return self.signal.metrics(self.result("done", with_metrics=False))["psnr_db"]

    # -- the end

    def result(self, outcome: Outcome, *, with_metrics: bool = True) -> Fit:
        """The fitted field as it stands."""
        field = self.average if self.average is not None and outcome != "diverged" else self.field
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
            ntk_track=None if self.tracker is None else self.tracker.document(),
            curve=self._curve_so_far(),
        )
        return dataclasses.replace(fit, metrics=self.signal.metrics(fit)) if with_metrics else fit

    # -- checkpoints

    def save_checkpoint(self, folder: Path) -> None:
        """Write everything that the rest of the run depends on, atomically, as one file in `folder`."""
        folder.mkdir(exist_ok=True)
        tensors = {f"field.{k}": v for k, v in self.field.state_dict().items()}
        if self.average is not None:
            tensors |= {f"average.{k}": v for k, v in self.average.state_dict().items()}
        tensors |= {f"sampler.{k}": v for k, v in self.sampler.state().items()}
        if self.transform is not None:
            tensors |= {f"transform.{k}": v for k, v in self.transform.state().items()}
        if self.tracker is not None:
            tensors |= {f"tracker.{k}": v for k, v in self.tracker.state().items()}
        tensors |= {f"generator.{k}": g.get_state() for k, g in self.generators.items()}
        tensors |= {f"last_good.{k}": v for k, v in self._last_good.items()}
        optimizer: dict[str, Tensor] = {}
        structure = _flatten(self.optimizer.state_dict()["state"], "optimizer", optimizer)
        tensors |= optimizer
        document = self.result("interrupted", with_metrics=False).document() | {
            "format": CHECKPOINT_FORMAT,
            "step": self.step,
            "seconds": self.seconds,
            "smooth_loss": self._smooth_loss,
            "optimizer": json.dumps([structure, _counters(self.optimizer)]),
            "signal": fingerprint(self.signal),
            "curve": self._curve.document(),
        }
        data = to_bytes(tensors, document)
        with atomic(folder / CHECKPOINT_NAME) as temporary:
            temporary.write_bytes(data)

    @classmethod
    def resume(
        cls, folder: Path, signal: Signal, device: torch.device | None = None, *, team: Team | None = None
    ) -> Run:
        """Continue the run that a checkpoint holds, as if it had never stopped (on the CPU: bit for bit).

        Raises UnreadableError when there is no readable checkpoint, UsageError when the signal is another one.
        """
        source = Source.of(folder / CHECKPOINT_NAME)
        document, tensors = read(source)
        check_format(document, CHECKPOINT_FORMAT, source.name)
        with understanding(source.name):
            spec, frame, config = parse_model(document)
            settings = parse(FitConfig, document["fit"], "fit")
        if (spec, frame) != (signal.spec, signal.frame) or document["signal"] != fingerprint(signal):
            raise UsageError(
                f"checkpoint {source.name!r} belongs to another signal ({document['source']!r})",
                "give the file that the run was started with",
            )
        with understanding(source.name):
            groups = _by_prefix(tensors)
            build_field(config, spec, groups["field"], source.name)
            run = cls(signal, config, settings, device, is_fresh=False, team=team)
            run._restore(document, groups, source.name)
        return run

    def _restore(self, document: Mapping[str, Any], groups: Mapping[str, Mapping[str, Tensor]], name: str) -> None:
        load_into(self.field, groups["field"], name)
        if self.average is not None:
            load_into(self.average, groups["average"], name)
        self.sampler.restore(groups.get("sampler", {}))
        if self.transform is not None:
            self.transform.restore(groups.get("transform", {}))
        if self.tracker is not None:
            self.tracker.restore(document["ntk_track"], groups.get("tracker", {}))
        for stream, generator in self.generators.items():
            generator.set_state(groups["generator"][stream])
        state = self.optimizer.state_dict()
        structure, counters = json.loads(document["optimizer"])
        entries = _unflatten(structure, {f"optimizer.{k}": v for k, v in groups.get("optimizer", {}).items()})
        state["state"] = {int(i): entry for i, entry in entries.items()}
        self.optimizer.load_state_dict(state)
        for group, counted in zip(self.optimizer.param_groups, counters, strict=True):
            group.update(counted)
        self.step, self.seconds = int(document["step"]), float(document["seconds"])
        self.provenance = dict(document.get("provenance", {}))
        self._smooth_loss = float(document["smooth_loss"])
        self._curve = Curve.of_document(document["curve"]) if "curve" in document else Curve()
        self._last_good = dict(groups.get("last_good", {}))


def fit(
    signal: Signal,
    field: str | Mapping[str, Any] | FieldConfig | None = None,
    settings: Mapping[str, Any] | FitConfig | None = None,
    *,
    device: torch.device | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Fit:
    """Fit a field to a signal.

    field: a family's name, a document of its settings, or a config; by default the signal kind's own.
    settings: of the fit (steps, lr, seed ...).
    Returns the Fit; its `outcome` says whether it ended well. Raises ConfigError or UsageError for settings that can
    not be.
    """
    run = Run(signal, *resolve(signal, field, settings), device)
    return run.result(run.advance(on_progress))


def _generator(seed: int, stream: str) -> Generator:
    """One independent generator per purpose, so that drawing more for one leaves the others as they were."""
    return torch.Generator().manual_seed(seed * len(_STREAMS) + _STREAMS.index(stream))


def _flatten(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """An optimizer's state as JSON, its tensors moved to `tensors` and named in their place."""
    if isinstance(value, Tensor):
        # How a matrix lies in memory decides the last bit of its products.
        axes = sorted(range(value.ndim), key=value.stride, reverse=True)
        tensors[path] = value.permute(axes).clone(memory_format=torch.contiguous_format)
        return {"tensor": path, "axes": axes}
    if isinstance(value, Mapping):
        return {str(k): _flatten(v, f"{path}.{k}", tensors) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_flatten(v, f"{path}.{i}", tensors) for i, v in enumerate(value)]
    return value


def _unflatten(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, dict):
        if "axes" in value:
            axes = value["axes"]
            return tensors[value["tensor"]].permute([axes.index(axis) for axis in range(len(axes))])
        return {k: _unflatten(v, tensors) for k, v in value.items()}
    return [_unflatten(v, tensors) for v in value] if isinstance(value, list) else value


def _counters(optimizer: torch.optim.Optimizer) -> list[dict[str, float]]:
    """What groups hold beside parameters and fixed settings: some optimizers count their steps there."""
    return [{k: v for k, v in g.items() if k == "step"} for g in optimizer.param_groups]


def _by_prefix(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    groups: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        prefix, _, rest = name.partition(".")
        groups.setdefault(prefix, {})[rest] = tensor
    return groups
