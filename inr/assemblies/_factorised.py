"""Base of factorised assemblies: one body per axis, with outputs scaled for unit variance of the product."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Generator, Tensor, nn

from inr.assemblies._assembly import Assembly, AssemblyConfig
from inr.assemblies._body import Body, BodyPlan
from inr.core.config import param
from inr.core.domain import Spec
from inr.core.samples import DataDependentInit, Samples

N_PROBES = 256


@dataclass(frozen=True, kw_only=True)
class FactorisedConfig(AssemblyConfig):
    """Settings of an assembly with one body per axis.

    is_scaled: before the first step every body is scaled, so that their contraction starts with unit variance. It is
    for lattices of three axes and more, where a product of small outputs would start very near 0. Distances are
    learned better without.
    """

    is_scaled: bool | None = param(
        None,
        "bodies are scaled so that the field starts with unit variance; none: on lattices of three axes or more",
        absent=True,
    )

    def resolve(self, spec: Spec) -> Self:
        config = super().resolve(spec)
        return (
            dataclasses.replace(config, is_scaled=spec.d_in > 2 and spec.shape is not None)
            if config.is_scaled is None
            else config
        )

    def started(self, assembly: Factorised) -> Factorised:
        """The assembly, which will not be scaled if it should not be."""
        if self.is_scaled is False:
            assembly.start_rms = None
        return assembly

    def body_spec(self, spec: Spec) -> Spec:
        """A spec with one axis, the longest: all bodies share their settings."""
        return Spec(spec.kind, 1, spec.d_out, None if spec.shape is None else (max(spec.shape),))


class Factorised(Assembly, DataDependentInit):
    """Contraction of the outputs phi_i(x_i) [*B, widths[i]] of D bodies with one coordinate each.

    start_rms: the root mean square over its axis to which the outputs of every body are scaled before the first step,
    so that the contraction has unit variance for any kind of body; None: they are not scaled.
    """

    def __init__(self, plan: BodyPlan, widths: Sequence[int], start_rms: float | None, generator: Generator) -> None:
        super().__init__()
        bodies = [Body(plan, 1, width, generator) for width in widths]
        self.bodies = nn.ModuleList(bodies)
        self.smoothness, self.boundary = bodies[0].smoothness, bodies[0].boundary
        self.start_rms = start_rms

    def initialise(self, samples: Samples, generator: Generator) -> None:
        if self.start_rms is None:
            return
        with torch.no_grad():
            for body in self.bodies:
                assert isinstance(body, Body)
                weight, bias = body.last.effective()
                probes = (torch.arange(N_PROBES, dtype=weight.dtype).unsqueeze(-1) + 0.5) / N_PROBES
                factor = self.start_rms / body(probes).square().mean().sqrt()
                body.last.assign(factor * weight)
                if bias is not None:
                    bias.mul_(factor)

    def forward(self, x: Tensor) -> Tensor:
        return self.at_points([body(t) for body, t in zip(self.bodies, torch.split(x, 1, -1), strict=True)])

    def on_grid(self, axes: Sequence[Tensor]) -> Tensor:
        return self.at_products([body(t.unsqueeze(-1)) for body, t in zip(self.bodies, axes, strict=True)])

    @abstractmethod
    def at_points(self, factors: Sequence[Tensor]) -> Tensor:
        """Values [*B, C] from the factors [*B, widths[i]] of the same points."""

    @abstractmethod
    def at_products(self, factors: Sequence[Tensor]) -> Tensor:
        """Values [n_1, ..., n_D, C] on the product grid from the factors [n_i, widths[i]] of the axes."""


def unflattened(f: Tensor, shape: tuple[int, int]) -> Tensor:
    """[*B, a b] to [*B, a, b]."""
    return f.reshape(*f.shape[:-1], *shape)
