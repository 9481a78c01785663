"""Fitting: the training loop and its parts, checkpoints, and the result."""

from inr.core.document import CHECKPOINT_NAME
from inr.fitting.checkpoint import (
    fingerprint,
    is_unfinished,
    resume,
    save_checkpoint,
    unfinished_fit,
    write_checkpoint,
)
from inr.fitting.curve import Curve
from inr.fitting.jitters import JITTERS, JitterConfig
from inr.fitting.losses import LOSSES, LossConfig
from inr.fitting.observer import Observer, Observers
from inr.fitting.optimizers import OPTIMIZERS, OptimizerConfig
from inr.fitting.progress import Progress
from inr.fitting.residual_transforms import RESIDUAL_TRANSFORMS, ResidualTransformConfig
from inr.fitting.resolving import resolve
from inr.fitting.result import Fit, Outcome
from inr.fitting.run import Run
from inr.fitting.samplers import SAMPLERS, SamplerConfig
from inr.fitting.schedules import SCHEDULES, ScheduleConfig
from inr.fitting.settings import FitConfig

__all__ = [
    "CHECKPOINT_NAME",
    "JITTERS",
    "LOSSES",
    "OPTIMIZERS",
    "RESIDUAL_TRANSFORMS",
    "SAMPLERS",
    "SCHEDULES",
    "Curve",
    "Fit",
    "FitConfig",
    "JitterConfig",
    "LossConfig",
    "Observer",
    "Observers",
    "OptimizerConfig",
    "Outcome",
    "Progress",
    "ResidualTransformConfig",
    "Run",
    "SamplerConfig",
    "ScheduleConfig",
    "fingerprint",
    "is_unfinished",
    "resolve",
    "resume",
    "save_checkpoint",
    "unfinished_fit",
    "write_checkpoint",
]
