"""The tangent kernel as a linear map, without its matrix."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import torch
from torch import Generator, Tensor

from inr.core.errors import UsageError
from inr.fields import Field
from inr.ntk.kernel.gram import squared_norms
from inr.ntk.kernel.units import Unit, capture, factors_of, field_as_unit, units_of

Channels = Literal["full", "mean", "sum"]
"""full: [N C, N C], index n C + c. mean: (1/C) sum_c Theta_cc [N, N]. sum: of sum_c f_c / sqrt(C), [N, N]."""

ROWS = 4096
"""Points per pass through the field; the last digits of float32 results depend on it."""


def seeds_of(field: Field, channels: Channels, dtype: torch.dtype) -> Tensor:
    """[S, C]: the combinations of channels that are differentiated."""
    if channels == "sum":
        return torch.full((1, field.d_out), field.d_out**-0.5, dtype=dtype)
    if channels in ("full", "mean"):
        return torch.eye(field.d_out, dtype=dtype)
    raise UsageError(f"`channels` is {channels!r}, expected 'full', 'mean' or 'sum'")


def prepared(field: Field, x: Tensor, dtype: torch.dtype) -> tuple[Field, Tensor]:
    """A copy of the field in eval mode and the points, both in `dtype`. Raises UsageError for other shapes."""
    if x.ndim != 2 or x.shape[1] != field.d_in or len(x) == 0:
        raise UsageError(f"points have shape {tuple(x.shape)}, expected [N, {field.d_in}] with N >= 1")
    device = next(iter(field.parameters()), x).device
    return copy.deepcopy(field).to(dtype).eval(), x.detach().to(device, dtype)


class TangentOperator:
    """Theta = J W J^T of a field f at points x, where J [N C, P] holds the derivatives of vec f(x) by the parameters.

    Products take about five passes through the field and O(N + P) memory: J^T v is one backward pass, J g two. The
    field is copied, converted to `dtype` and set to eval mode.

    field: any. x: points [N, D] in the unit box. channels: see `Channels`; `seeds` [S, C] are the combinations of
    channels that are differentiated. weights: W, a number per parameter by the parameter's name; None: 1 for all
    (see `adam_weights`). dtype: float32 halves the time, but eigenvalues below about 1e-6 of the largest are noise.

    is_copied: False uses the given field and points themselves; they must be of `dtype` and in eval mode.

    Raises UsageError for points of another dimension, and for a field without trained parameters.
    """

    def __init__(
        self,
        field: Field,
        x: Tensor,
        *,
        channels: Channels = "full",
        weights: Mapping[str, Tensor] | None = None,
        dtype: torch.dtype = torch.float64,
        is_copied: bool = True,
    ) -> None:
        self.field, self.x = prepared(field, x, dtype) if is_copied else (field, x)
        self.channels: Channels = channels
        self.dtype = dtype
        self.seeds = seeds_of(field, channels, dtype).to(self.x.device)
        self._parameters = {n: p for n, p in self.field.named_parameters() if p.requires_grad}
        if not self._parameters:
            raise UsageError("the field has no trained parameters, so it has no tangent kernel")
        self._weights = None if weights is None else flat_weights(self._parameters, weights).to(self.x)

    @property
    def has_weights(self) -> bool:
        return self._weights is not None

    @property
    def size(self) -> int:
        """Rows of Theta: N C, or N for reduced channels."""
        return len(self.x) * (len(self.seeds) if self.channels == "full" else 1)

    @property
    def n_params(self) -> int:
        return sum(self._sizes)

    @property
    def _sizes(self) -> list[int]:
        return [p.numel() for p in self._parameters.values()]

    def values(self) -> Tensor:
        """f(x) [N, C]."""
        with torch.no_grad():
            return torch.cat([self.field(part) for part in torch.split(self.x, ROWS)])

    def pull(self, v: Tensor) -> Tensor:
        """J^T v [P] for v [N C] or [N, C], parameters in the order of `named_parameters`."""
        total = torch.zeros(self.n_params, dtype=self.dtype, device=self.x.device)
        parameters = list(self._parameters.values())
        rows = v.detach().to(self.x).reshape(len(self.x), -1)
        for x, seed in zip(torch.split(self.x, ROWS), torch.split(rows, ROWS), strict=True):
            with torch.enable_grad():
                y = self.field(x)
            slopes = torch.autograd.grad(y, parameters, seed, allow_unused=True, materialize_grads=True)
            total += torch.cat([s.reshape(-1) for s in slopes])
        return total

    def push(self, g: Tensor) -> Tensor:
        """J g [N, C] for a direction g [P] of the parameters: the derivative of <J^T v, g> by v.

        Two backward passes, because the field's own kernels have no forward-mode derivatives.
        """
        parameters = list(self._parameters.values())
        direction = [
            part.reshape(p.shape) for part, p in zip(torch.split(g.to(self.x), self._sizes), parameters, strict=True)
        ]
        parts = []
        for x in torch.split(self.x, ROWS):
            with torch.enable_grad():
                y = self.field(x)
                v = torch.zeros_like(y, requires_grad=True)
                slopes = torch.autograd.grad(
                    y, parameters, v, create_graph=True, allow_unused=True, materialize_grads=True
                )
                along = torch.stack([(s * d).sum() for s, d in zip(slopes, direction, strict=True)]).sum()
            parts.append(torch.autograd.grad(along, v)[0])
        return torch.cat(parts)

    def draw(self, generator: Generator) -> Tensor:
        """J W^(1/2) g [N, C] for g ~ N(0, I): a random function whose covariance is the kernel.

        [N, 1] for channels "sum"; for "mean" the kernel is the mean of the columns' covariances.
        """
        g = torch.randn(self.n_params, generator=generator, dtype=torch.float64).to(self.x)
        drawn = self.push(g if self._weights is None else g * self._weights.sqrt())
        return drawn @ self.seeds.T if self.channels == "sum" else drawn

    def product(self, v: Tensor) -> Tensor:
        """Theta v, of the shape of v: [size] or anything with as many numbers."""
        if self.channels == "full":
            return self._through(v).reshape(v.shape)
        total = torch.zeros(len(self.x), dtype=self.dtype, device=self.x.device)
        for seed in self.seeds:
            total += self._through(v.reshape(-1, 1) * seed) @ seed
        return (total / len(self.seeds)).reshape(v.shape)

    def quadratic(self, v: Tensor) -> float:
        """v^T Theta v = |W^(1/2) J^T v|^2: one backward pass (C of them for the mean over channels)."""
        if self.channels == "full":
            return self._square(v)
        each = [self._square(v.reshape(-1, 1) * seed) for seed in self.seeds]
        return sum(each) / len(each)

    def trace(self) -> float:
        """sum_i Theta_ii exactly, from one backward pass per channel (with weights: P numbers per point)."""
        return math.fsum(self.traces().values())

    def traces(self) -> dict[str, float]:
        """The part of the trace from each layer's parameters, by the layer's name."""
        units = units_of(self.field, self.x) if self._weights is None else [field_as_unit(self.field, self._weights)]
        share = len(self.seeds) if self.channels == "mean" else 1
        found = dict.fromkeys((unit.name for unit in units), 0.0)
        for unit, norms in self._norms(units):
            found[unit] += float(norms.sum(dtype=torch.float64)) / share
        return found

    def _norms(self, units: Sequence[Unit]) -> Iterator[tuple[str, Tensor]]:
        rows = 256
        for x in torch.split(self.x, rows):
            uses, _ = capture(self.field, x, units, self.seeds)
            for unit, of_unit in zip(units, uses, strict=True):
                yield unit.name, squared_norms(factors_of(unit, of_unit))

    def _through(self, v: Tensor) -> Tensor:
        g = self.pull(v)
        return self.push(g if self._weights is None else g * self._weights)

    def _square(self, v: Tensor) -> float:
        g = self.pull(v).double()
        return float((g.square() if self._weights is None else g.square() * self._weights.double()).sum())


def flat_weights(parameters: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> Tensor:
    """One number per parameter [P]. Raises UsageError for missing names, other shapes and negative numbers."""
    for name, p in parameters.items():
        if name not in weights or weights[name].shape != p.shape:
            given = "none" if name not in weights else f"one of shape {tuple(weights[name].shape)}"
            raise UsageError(
                f"parameter {name!r} of shape {tuple(p.shape)} needs a weight of that shape, but has {given}"
            )
        if not bool((weights[name] >= 0).all()):
            raise UsageError(f"the weights of parameter {name!r} are negative, expected at least 0")
    return torch.cat([weights[name].detach().reshape(-1) for name in parameters])
