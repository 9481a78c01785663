"""The contract of a field: a function from the unit box to values, with parameters."""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Generator, Tensor, nn

from inr._config import Config
from inr._domain import Spec
from inr._registry import Registry
from inr._samples import Informed, Samples

FIELDS: Registry[type[FieldConfig]] = Registry("field", "inr.fields")


class Field(nn.Module):
    """x [*B, D] in [0, 1]^D -> z [*B, C] in training values (`Frame.from_field` gives signal units).

    config: the settings it was built from. smoothness: largest k for which k-th coordinate derivatives are meaningful
    to a loss (0: first derivatives are piecewise constant; math.inf: all). outside: what happens beyond the unit box:
    "clamp" (the nearest border value), "wrap" (periodic) or "extend" (the formula goes on).

    Values are the same in train and eval mode; autograd's derivatives are those of the values in eval mode, and in
    train mode up to order `smoothness` (some papers train with a gradient that is not the function's).
    """

    __call__: Callable[..., Tensor]
    config: FieldConfig
    d_in: int
    d_out: int
    smoothness: float
    outside: str

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor: ...

    def on_grid(self, axes: Sequence[Tensor]) -> Tensor:
        """Values [n_1, ..., n_D, C] on the product of coordinate vectors, for which some fields have a shorter way."""
        return self(torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1))

    def mean_error(self, x: Tensor, y: Tensor, weight: Tensor | None, power: Literal[1, 2]) -> Tensor:
        """Mean over points and channels of weight |f(x) - y|^power, for which some fields have a shorter way.

        x [N, D], y [N, C], weight [N, C] or [N, 1], or None for ones.
        """
        error = self(x) - y
        size = error.square() if power == 2 else error.abs()
        return (size if weight is None else size * weight).mean()

    def start(self, samples: Samples, generator: Generator) -> None:
        """Initialise what depends on the signal (centres, closed-form weights). Called once, on a fresh field."""
        for module in self.modules():
            if isinstance(module, Informed):
                module.start(samples, generator)

    def fold(self) -> Field:
        """An equal field of plain dense layers: the same values within 1e-5, without what only training needs."""
        return self

    def penalty(self) -> Tensor | None:
        """What training adds to the loss, a scalar with gradient; None: nothing."""
        return None

    @contextlib.contextmanager
    def at_step(self, step: int) -> Iterator[None]:
        """Inside, the field is as training step `step` sees it (layers with dropped ranks ...); outside always full.

        What it is follows from `step` alone.
        """
        yield

    @property
    def varies_by_step(self) -> bool:
        """Whether `at_step` changes anything."""
        return type(self).at_step is not Field.at_step

    def lipschitz_bound(self) -> float | None:
        """A number L with |f(x) - f(y)| <= L |x - y| for all x, y, up to rounding; None: not known.

        Norms are 2-norms, x in lengths of the unit box, values in training values: divide by `Frame.scale` to compare
        with slopes in the signal's units.
        """
        return None

    def param_groups(self) -> dict[str, list[nn.Parameter]]:
        """Parameters by role ("encoding", "first", "hidden", "last" ...), for optimizers; else "other"."""
        groups: dict[str, list[nn.Parameter]] = {}
        for module in self.modules():
            role = getattr(module, "role", "other")
            own = list(module.parameters(recurse=False))
            if own:
                groups.setdefault(role, []).extend(own)
        return groups

    @property
    def n_params(self) -> int:
        return sum(p.numel() for p in self.parameters())


class FieldConfig(Config):
    """Settings of a field family. Its docstring's first line is what `inr fields` prints.

    paper: the source, in one line.
    """

    slot: ClassVar[Registry[type[FieldConfig]]] = FIELDS
    paper: ClassVar[str]

    @abstractmethod
    def build(self, spec: Spec, generator: Generator) -> Field:
        """The field with fresh parameters. Settings must be resolved for `spec` first."""

    def recipe(self, spec: Spec) -> Mapping[str, Any]:
        """Fit settings that this family wants by default for such a signal (a partial `FitConfig` document)."""
        return {}
