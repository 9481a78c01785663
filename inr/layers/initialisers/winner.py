"""Noise on the first two weight matrices (WINNER, SIREN^2).  Chandravamsi et al. 2025, arXiv:2509.09719."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Generator, Tensor, nn

from inr.core.config import param
from inr.core.domain import Spec
from inr.core.errors import ConfigError
from inr.core.samples import Samples
from inr.layers.activations import ActivationConfig
from inr.layers.folding import linears_of
from inr.layers.initialisers._base import INITIALISERS, InitialiserConfig
from inr.layers.initialisers.standard import Matched
from inr.layers.linear import Linear

NoiseConstants = tuple[float, float, float]
"""(top, rate, slope): s0 = top (1 - e^(-rate z)), s1 = slope z."""

WAVEFORM_CONSTANTS: NoiseConstants = (3500.0, 7.0, 3.0)
PICTURE_CONSTANTS: NoiseConstants = (50.0, 5.0, 0.4)


@INITIALISERS.register("winner")
@dataclass(frozen=True, kw_only=True)
class Winner(InitialiserConfig):
    """W_1 += N(0, (s0/omega)^2), W_2 += N(0, (s1/omega)^2) on the first map and the next, after a base initialiser.

    The scales follow the spectral centroid psi in [0, 1] of the training values (`spectral_centroid`, a mean over the C
    channels), z = psi / C^2: sound s0 = 3500 (1 - e^(-7 z)), s1 = 3 z; pictures s0 = 50 (1 - e^(-5 z)), s1 = 0.4 z.
    The constants, and both divisions by C, are those of the authors' code; the paper states others. Other kinds
    of signals need `s0` and `s1`. Raises ConfigError without them, or if the activation has no frequency factor omega.
    """

    s0: float | None = param(None, "noise of the first map; none: from the spectrum of a sound or picture", ge=0)
    s1: float | None = param(None, "noise of the second map; none: from the spectrum", ge=0)
    base: InitialiserConfig = param(Matched(), "initialiser whose weights get the noise")

    def resolve(self, spec: Spec) -> Self:
        if noise_constants_for(spec) is None and (self.s0 is None or self.s1 is None):
            raise ConfigError(
                [
                    f"init 'winner' has no rule for a signal of kind {spec.kind!r}, only for sounds and pictures: "
                    "set both s0 and s1"
                ]
            )
        return super().resolve(spec)

    def apply(self, network: nn.Module, activation: ActivationConfig, generator: Generator) -> None:
        self.base.apply(network, activation, generator)

    def initialise(
        self, network: nn.Module, activation: ActivationConfig, samples: Samples, generator: Generator
    ) -> None:
        self.base.initialise(network, activation, samples, generator)
        omega = getattr(activation, "omega", None)
        if omega is None:
            raise ConfigError(
                [f"init 'winner' needs an activation with a frequency omega (sine), not {activation.type_name!r}"]
            )
        s0, s1 = self.scales(samples)
        awaits_second = False
        for linear in linears_of(network):
            if linear.role == "first":
                _add_noise(linear, s0 / (getattr(activation, "omega_first", None) or omega), generator)
                awaits_second = True
            elif linear.role == "hidden" and awaits_second:
                _add_noise(linear, s1 / omega, generator)
                awaits_second = False

    def scales(self, samples: Samples) -> tuple[float, float]:
        """(s0, s1): as set, else from the samples' spectrum."""
        if self.s0 is not None and self.s1 is not None:
            return self.s0, self.s1
        values = samples.grid()
        constants = noise_constants_for(samples.spec)
        assert values is not None, "sounds and pictures are lattices"
        assert constants is not None, "`resolve` checks it"
        s0, s1 = noise_scales(constants, spectral_centroid(values), samples.spec.d_out)
        return s0 if self.s0 is None else self.s0, s1 if self.s1 is None else self.s1


def spectral_centroid(values: Tensor) -> float:
    """Centroid of the one-sided spectrum along the first axis of [n, ..., C], in units of the Nyquist frequency.

    psi = 2 sum f |Y(f)| / sum |Y(f)|, f in cycles per sample; the mean over all lines and channels; 0 for silence.
    """
    size = torch.fft.rfft(values.to(torch.float32), dim=0).abs()
    f = torch.arange(len(size), device=size.device) / len(values)
    total = size.sum(0)
    psi = 2.0 * torch.tensordot(f, size, dims=1) / torch.where(total > 0, total, 1.0)
    return float(psi.mean())


def noise_constants_for(spec: Spec) -> NoiseConstants | None:
    """The constants for a kind of signal; None if the authors give none."""
    if spec.traits.is_waveform:
        return WAVEFORM_CONSTANTS
    return PICTURE_CONSTANTS if spec.traits.is_picture else None


def noise_scales(constants: NoiseConstants, centroid: float, channels: int) -> tuple[float, float]:
    """(s0, s1) for a spectral centroid, a mean over the channels, and their number C: z = psi / C^2."""
    top, rate, slope = constants
    z = centroid / channels**2
    return top * (1.0 - math.exp(-rate * z)), slope * z


def _add_noise(linear: Linear, deviation: float, generator: Generator) -> None:
    weight = linear.effective()[0].detach()
    noise = torch.randn(weight.shape, generator=generator).to(weight)
    linear.assign(weight + deviation * noise)
