"""Stochastic preconditioning: noise on coordinates that fades, which blurs the field from coarse to fine."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from inr.core.config import param
from inr.core.errors import ConfigError
from inr.fitting.jitters._base import JITTERS, JitterConfig


@JITTERS.register("stochastic_preconditioning")
@dataclass(frozen=True, kw_only=True)
class StochasticPreconditioning(JitterConfig):
    """x + a N(0, I), reflected into the unit box; targets stay those of x.  Ling et al. 2025 (SIGGRAPH).

    a = alpha until `start`, alpha decay^((p - start) / (end - start)) until `end`, then 0, for the fraction p of the
    run that is done. `decay` is 1/8 in the authors' code, and 1/1.38 for hash grids.

    The paper: steps, start 2000 and end 5000 (hash grids and Fourier features: both 2000; FINER: both 300); here:
    fractions, because runs differ in length.
    """

    alpha: float = param(0.02, "standard deviation at the start, in unit-box lengths", gt=0)
    start: float = param(0.2, "fraction of the run until which it is constant", ge=0, le=1)
    end: float = param(0.5, "fraction of the run after which there is none", ge=0, le=1)
    decay: float = param(0.125, "what is left of it just before the end", gt=0, le=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.end < self.start:
            raise ConfigError([f"end is {self.end:g}, expected at least start ({self.start:g})"])

    def scale(self, progress: float) -> float:
        """The standard deviation a at `progress`."""
        if progress >= self.end:
            return 0.0
        faded = (progress - self.start) / (self.end - self.start) if progress > self.start else 0.0
        return self.alpha * math.pow(self.decay, faded)

    def is_active(self, progress: float) -> bool:
        return self.scale(progress) > 0

    def apply(self, x: Tensor, progress: float, generator: Generator) -> Tensor:
        noise = torch.randn(x.shape, generator=generator, dtype=x.dtype).to(x.device)
        moved = x + self.scale(progress) * noise
        return 1 - (1 - moved.remainder(2)).abs()
