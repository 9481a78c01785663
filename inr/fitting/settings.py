"""The settings of a fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from inr.core.config import Config, param
from inr.fitting.jitters import JitterConfig
from inr.fitting.losses import LossConfig
from inr.fitting.optimizers import OptimizerConfig
from inr.fitting.optimizers.adam import Adam
from inr.fitting.residual_transforms import ResidualTransformConfig
from inr.fitting.samplers import SamplerConfig
from inr.fitting.samplers.standard import Shuffled
from inr.fitting.schedules import ScheduleConfig
from inr.fitting.schedules.standard import Exponential
from inr.kernels import Precision


@dataclass(frozen=True, kw_only=True)
class FitConfig(Config):
    """How a field is fitted. A run ends at `steps`, `time_s` or `target_psnr_db`, whichever comes first.

    With `rounds` a run that has not reached `target_psnr_db` goes on: the schedule starts again, and lasts twice as
    long as before. It ends where a round gains less than 0.1 dB. A target without steps and time has 6 rounds.

    With `base_width` B, a rate `lr` that is good at width B is good at every width H (the maximal update
    parametrisation, Yang et al. 2022, arXiv:2203.03466, for Adam): matrices of hidden and last layers have the rate
    lr B / H, and the last one starts sqrt(B / H) times as large. Biases and the first layer, whose inputs do not grow
    with H, have the rate `lr`. At H = B nothing changes. Other initial values stay: those of hidden matrices must have
    a variance proportional to 1 / H, as torch's, He's and SIREN's do. SIREN's keep the pre-activations of sines at unit
    variance for every H already, so for sines only the rates and the last layer are new. The paper: initial biases do
    not depend on the width; here: those of the family, often U(+-1/sqrt(H)).
    In benchmarks/transfer.py (64 x 64 picture, 250 steps) a SIREN of width 256 lost 5.2 dB at the best rate of width
    64, and nothing with base_width = 64; ReLU networks of widths 32 to 256 lost up to 3.3 dB, and up to 1.5 dB with it.
    """

    steps: int | None = param(2000, "optimisation steps (0: only the start); none: no limit", ge=0)
    time_s: float | None = param(None, "time limit in seconds; none: no limit", gt=0)
    target_psnr_db: float | None = param(None, "stop when the signal reaches this PSNR in dB", gt=0, lt=200)
    rounds: int = param(1, "rounds at most, while the target is not reached; each is twice as long", ge=1, le=16)
    batch: int = param(16384, "samples per step, at most", ge=1)
    lr: float = param(1e-3, "learning rate", gt=0)
    lr_encoding: float | None = param(None, "learning rate of the encoding's parameters; none: lr", gt=0)
    base_width: int | None = param(
        None, "width for which lr was chosen, to use it at other widths; none: lr as it is", ge=1
    )
    optimizer: OptimizerConfig = param(Adam(), "update rule")
    schedule: ScheduleConfig = param(Exponential(), "learning rate over the run")
    loss: LossConfig | None = param(None, "objective; none: the signal kind's own (mse, mape, eikonal)")
    sampler: SamplerConfig = param(Shuffled(), "which samples a step sees")
    jitter: JitterConfig | None = param(None, "noise on the batch's coordinates; none: none")
    residual_transform: ResidualTransformConfig | None = param(
        None, "what is done to the residual before it is back-propagated", was="transform"
    )
    ema: float | None = param(None, "decay of an average of the parameters, which is what is kept", gt=0, lt=1)
    clip: float | None = param(None, "clip the gradient to this norm", gt=0)
    track_ntk: float | None = param(
        None, "measure the tangent kernel during the fit, within this share of its time; none: never", gt=0
    )
    precision: Precision = param(
        "float32",
        "of matrix products in training; bfloat16: on CPUs with bf16 units, in the first 80 % of a run and below 46 dB",
    )
    dtype: Literal["auto", "float16", "float32"] = param(
        "auto", "of the numbers in the model file; auto: float16 where that loses at most 0.05 dB, else float32"
    )
    seed: int = param(0, "seed of everything random", ge=0)
