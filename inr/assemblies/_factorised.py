"""Base of factorised assemblies: one body per axis, with outputs scaled for unit variance of the product."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from inr.assemblies._assembly import Assembly, AssemblyConfig
from inr.assemblies._body import Body, BodyPlan
from inr.core.domain import Spec
from inr.core.samples import DataDependentInit, Samples

N_PROBES = 256


class FactorisedConfig(AssemblyConfig):
    """Settings of an assembly with one body per axis."""

    def body_spec(self, spec: Spec) -> Spec:
        """A spec with one axis, the longest: all bodies share their settings."""
        return Spec(spec.kind, 1, spec.d_out, None if spec.shape is None else (max(spec.shape),))


class Factorised(Assembly, DataDependentInit):
    """Contraction of the outputs phi_i(x_i) [*B, widths[i]] of D bodies with one coordinate each.

    start_rms: before the first step, the outputs of every body are scaled to this root mean square over its axis, so
    that the contraction has unit variance for any kind of body (without scaling it would be a product of D small
    numbers).
    """

    def __init__(self, plan: BodyPlan, widths: Sequence[int], start_rms: float, generator: Generator) -> None:
        super().__init__()
        bodies = [Body(plan, 1, width, generator) for width in widths]
        self.bodies = nn.ModuleList(bodies)
        self.smoothness, self.boundary = bodies[0].smoothness, bodies[0].boundary
        self._start_rms = start_rms

    def initialise(self, samples: Samples, generator: Generator) -> None:
        with torch.no_grad():
            for body in self.bodies:
                assert isinstance(body, Body)
                weight, bias = body.last.effective()
                probes = (torch.arange(N_PROBES, dtype=weight.dtype).unsqueeze(-1) + 0.5) / N_PROBES
                factor = self._start_rms / body(probes).square().mean().sqrt()
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
