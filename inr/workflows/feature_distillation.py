"""Distillation of features: a student's network is first fitted to what a teacher's last linear map reads."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor

from inr.core.domain import Frame, Spec
from inr.core.errors import UsageError
from inr.fields import Field, FieldConfig
from inr.fitting import Fit, FitConfig, Progress
from inr.fitting.losses.standard import Mse
from inr.fitting.observer import Observers
from inr.fitting.samplers.standard import Shuffled
from inr.fitting.teacher import Teacher
from inr.layers import Linear
from inr.layers.folding import linears_of
from inr.layers.heads.standard import LinearHeadConfig
from inr.signals import Batch, Evaluate, Pool
from inr.workflows.fit import FitPlan

_MEASURED = 2**12
"""Points over which mean and deviation of the features are measured."""


def feature_start(
    teacher: Teacher,
    config: FieldConfig,
    settings: FitConfig,
    *,
    device: torch.device | None = None,
    observers: Observers | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Fit:
    """A student whose last features predict the teacher's, as a start for `distil`.

    config, settings: of the student, resolved. With h_t the features before the teacher's last linear map W_t, the
    student's network h_s and a linear map A are fitted to the standardised h_t by mean squared error, on the points of
    the teacher's pool. The student's last map is then W_t A: it has the teacher's values as far as A h_s is h_t.

    Raises UsageError where one of the fields has no single last linear map, or where other parameters depend on the
    number of channels.
    """
    _last(config.build(teacher.spec, Generator()))
    signal = FeatureTeacher.of(teacher)
    run = FitPlan(
        signal,
        _with_linear_head(config),
        dataclasses.replace(settings, loss=Mse(), sampler=Shuffled(), target_psnr_db=None),
        device,
        observers=observers,
    ).begin()
    outcome = run.advance(on_progress)
    fitted = run.result(outcome, with_metrics=False)
    weight, bias = _dense(_last(teacher.fit.field))
    adapter, offset = _dense(_last(fitted.field))
    scaled = weight * signal.deviation
    student = _rebuilt(
        fitted.field,
        teacher.spec,
        teacher.spec.d_out,
        scaled @ adapter,
        weight @ signal.mean + bias + scaled @ offset,
        config,
    )
    return dataclasses.replace(fitted, field=student, spec=teacher.spec, frame=teacher.frame)


class FeatureTeacher(Teacher):
    """The points of another teacher, with standardised features in place of values."""

    headline = "mse"
    has_whole_lattice = False

    def __init__(self, teacher: Teacher, features: Field) -> None:
        super().__init__(teacher.fit, teacher.name)
        self._teacher, self._features = teacher, features
        x = torch.rand(_MEASURED, self.spec.d_in, generator=Generator().manual_seed(0))
        self.mean, self.deviation = torch.zeros(features.d_out), torch.ones(features.d_out)
        found = self.values(x)
        self.mean, deviation = found.mean(0), found.std(0)
        self.deviation = torch.where(deviation > 1e-6 * deviation.max(), deviation, torch.ones_like(deviation))
        n = features.d_out
        self.spec = dataclasses.replace(self.spec, d_out=n)
        self.frame = Frame(self.frame.domain, (0.0,) * n, (1.0,) * n)

    @classmethod
    def of(cls, teacher: Teacher) -> FeatureTeacher:
        """The features that a teacher's last linear map reads. Raises UsageError if it has no single one."""
        taught = teacher.fit.field.fold()
        n = _last(taught).d_in
        features = _rebuilt(taught, teacher.spec, n, torch.eye(n), torch.zeros(n))
        return cls(teacher, features.to(next(taught.parameters()).device))

    def at_stage(self, coarseness: int, *, is_lattice: bool) -> FeatureTeacher:
        return FeatureTeacher(self._teacher.at_stage(coarseness, is_lattice=is_lattice), self._features)

    def values(self, x: Tensor) -> Tensor:
        device = next(self._features.parameters()).device
        with torch.no_grad():
            return (self._features(x.to(device)).cpu() - self.mean) / self.deviation

    def pool(self, generator: Generator) -> Pool:
        return _FeaturePool(self._teacher.pool(generator), self)

    def metrics(self, evaluate: Evaluate) -> dict[str, float]:
        x = torch.rand(_MEASURED, self.spec.d_in, generator=Generator().manual_seed(1))
        return {"mse": float((evaluate(x).cpu() - self.values(x)).square().mean())}


class _FeaturePool:
    """Features at the points of another pool, evaluated batch by batch."""

    order = None

    def __init__(self, points: Pool, teacher: FeatureTeacher) -> None:
        self._points, self._teacher = points, teacher

    @property
    def size(self) -> int:
        return self._points.size

    def batch(self, index: Tensor) -> Batch:
        x = self._points.batch(index).x
        return Batch(x, self._teacher.values(x))


def _last(field: Field) -> Linear:
    found = [linear for linear in linears_of(field) if linear.role == "last"]
    if len(found) != 1:
        raise UsageError(
            f"field {field.config.type_name!r} has {len(found)} last linear maps, so that its features are not defined",
            "distil values only: leave out `features`",
        )
    return found[0]


def _dense(linear: Linear) -> tuple[Tensor, Tensor]:
    """Matrix and bias, 0 without one."""
    weight, bias = linear.effective()
    return weight.detach().cpu(), torch.zeros(linear.d_out) if bias is None else bias.detach().cpu()


def _with_linear_head(config: FieldConfig) -> FieldConfig:
    changed: Any = config
    return dataclasses.replace(changed, head=LinearHeadConfig()) if hasattr(config, "head") else config


def _rebuilt(
    field: Field, spec: Spec, n: int, weight: Tensor, bias: Tensor, config: FieldConfig | None = None
) -> Field:
    """The same network with another last linear map of n outputs. config: its settings; by default a linear head."""
    config = _with_linear_head(field.config) if config is None else config
    other = config.build(dataclasses.replace(spec, d_out=n), Generator().manual_seed(0))
    last = _last(other)
    prefix = next(name for name, module in other.named_modules() if module is last)
    kept = {name: tensor for name, tensor in field.state_dict().items() if not name.startswith(f"{prefix}.")}
    own = other.state_dict()
    unlike = [name for name, tensor in kept.items() if name not in own or own[name].shape != tensor.shape]
    if unlike:
        raise UsageError(
            f"parameters of field {config.type_name!r} depend on the number of channels, so that its features cannot "
            f"be distilled: {unlike[0]!r}",
            "distil values only: leave out `features`",
        )
    other.load_state_dict(kept, strict=False)
    with torch.no_grad():
        last.assign(weight)
        last.assign_bias(bias)
    return other
