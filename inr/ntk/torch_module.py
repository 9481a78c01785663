"""Any torch module as a field, for its tangent kernel."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import torch
from torch import Generator, Tensor, nn

from inr.core.config import Config, param
from inr.core.domain import Spec
from inr.core.errors import UsageError
from inr.core.text import error_line
from inr.fields import Field, FieldConfig

TRIED = 3
"""Points of the call that shows whether a module fits a signal."""
SAME = 1e-4
"""Largest relative difference between the values of points alone and together."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Coordinates(Config):
    """The interval that a module expects for each coordinate, as settings."""

    low: float = param(-1.0, "coordinate of a module at the low border of the signal")
    high: float = param(1.0, "the same at the high border")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TorchModule(FieldConfig):
    """A module f: [N, D] -> [N, C] of coordinates in [low, high]^D. It is copied, never changed.

    A field is built with the parameters that the module has now; the generator draws nothing. Values are training
    values, whose range is about [-1, 1] (`Frame`). It has no name in the registry and is not written into files.
    """

    paper: ClassVar[str] = ""

    module: nn.Module
    low: float = -1.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise UsageError(
                f"the coordinates of a module are given as [{self.low:g}, {self.high:g}], expected finite low < high"
            )

    @property
    def type_name(self) -> str:
        """The class of the module."""
        return type(self.module).__name__

    def resolve(self, spec: Spec) -> Self:
        return self

    def build(self, spec: Spec, generator: Generator) -> Field:
        """Raises UsageError for a module that does not map points of the signal one by one to its channels."""
        return ModuleField(self, spec)

    def recipe(self, spec: Spec) -> Mapping[str, Any]:
        """Adam at 1e-3, for want of anything that is known about the module."""
        return {"optimizer": "adam", "lr": 1e-3}


class ModuleField(Field):
    """x [*B, D] in [0, 1]^D -> module(low + (high - low) x). Smooth as far as autograd says; outside, it continues."""

    config: TorchModule

    def __init__(self, config: TorchModule, spec: Spec) -> None:
        super().__init__()
        self.config = config
        self.d_in, self.d_out = spec.d_in, spec.d_out
        self.smoothness, self.boundary = math.inf, "extend"
        self.module = copy.deepcopy(config.module)
        self._check()

    def forward(self, x: Tensor) -> Tensor:
        """Raises UsageError if the module fails, or has values of another shape."""
        name, flat = self.config.type_name, x.reshape(-1, self.d_in)
        flat = self.config.low + (self.config.high - self.config.low) * flat
        try:
            found = self.module(flat)
        except Exception as error:  # whatever the module of a user raises
            raise UsageError(
                f"the module {name} failed on {len(flat)} points of {self.d_in} coordinates: {error_line(error)}",
                f"it must map a tensor [N, {self.d_in}] to [N, {self.d_out}]",
            ) from error
        expected = (len(flat), self.d_out)
        if not isinstance(found, Tensor) or found.shape != expected:
            shape = list(found.shape) if isinstance(found, Tensor) else f"a {type(found).__name__}"
            raise UsageError(
                f"the module {name} maps {len(flat)} points of {self.d_in} coordinates to {shape}, "
                f"expected {list(expected)}, one row per point and one column per channel of the signal"
            )
        return found.reshape(*x.shape[:-1], self.d_out)

    def _check(self) -> None:
        """Raises UsageError unless the module maps points one by one to finite values."""
        name, mode = self.config.type_name, self.module.training
        self.module.eval()
        x = torch.linspace(0.1, 0.9, TRIED * self.d_in).reshape(TRIED, self.d_in)
        p = next(self.module.parameters(), None)
        x = x if p is None else x.to(p)
        with torch.no_grad():
            found, alone = self(x), torch.cat([self(x[i : i + 1]) for i in range(TRIED)])
        self.module.train(mode)
        if not torch.isfinite(found).all():
            raise UsageError(f"the module {name} has values that are not finite")
        if (alone - found).abs().max() > SAME * found.abs().max().clamp_min(1e-30):
            raise UsageError(
                f"the values of the module {name} at a point depend on the other points of the batch",
                "the tangent kernel needs a function of one point",
            )
