"""The base class of fields: parameterised functions from the unit box to values."""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Generator, Tensor, nn

from inr.core.config import Config
from inr.core.domain import Spec
from inr.core.errors import unknown_name
from inr.core.registry import Registry
from inr.core.samples import DataDependentInit, Samples
from inr.fields._limits import Limits
from inr.fields._recipe import BestRecipe, RecipeName

FIELDS: Registry[type[FieldConfig]] = Registry("field", "inr.fields")


class Field(nn.Module):
    """x [*B, D] in [0, 1]^D -> z [*B, C] in training values (`Frame.from_field` gives signal units).

    config: its settings. smoothness: largest k for which a loss can use k-th coordinate derivatives (0: first
    derivatives are piecewise constant; math.inf: all). boundary: behaviour outside the unit box: "clamp" (the nearest
    border value), "wrap" (periodic) or "extend" (the formula continues).

    Values are the same in train and eval mode. Derivatives by autograd are exact in eval mode, and in train mode up to
    order `smoothness` (some papers train with a gradient that is not the function's).
    """

    config: FieldConfig
    d_in: int
    d_out: int
    smoothness: float
    boundary: str

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor: ...

    def __call__(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        values: Tensor = super().__call__(self.rounded(x), *args, **kwargs)
        return values

    @property
    def reads_double(self) -> bool:
        """Whether coordinates in float64 are used as they are, whatever the type of the parameters."""
        return False

    def rounded(self, x: Tensor) -> Tensor:
        """Coordinates in the type that is read: float64 is rounded to the parameters' unless `reads_double`.

        Long lattices have such coordinates (`Grid.dtype`).
        """
        if x.dtype != torch.float64 or self.reads_double:
            return x
        return x.to(next((p.dtype for p in self.parameters() if p.is_floating_point()), x.dtype))

    def on_grid(self, axes: Sequence[Tensor]) -> Tensor:
        """Values [n_1, ..., n_D, C] on the product grid of coordinate vectors; some fields have a faster method."""
        return self(torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1))

    def mean_error(self, x: Tensor, y: Tensor, weight: Tensor | None, power: Literal[1, 2]) -> Tensor:
        """Mean over points and channels of weight |f(x) - y|^power; some fields have a fused kernel.

        x [N, D], y [N, C], weight [N, C] or [N, 1], or None for ones.
        """
        error = self(x) - y
        size = error.square() if power == 2 else error.abs()
        return (size if weight is None else size * weight).mean()

    def initialise(self, samples: Samples, generator: Generator) -> None:
        """Initialise the parts that depend on the signal (centres, closed-form weights). Called once."""
        for module in self.modules():
            if isinstance(module, DataDependentInit):
                module.initialise(samples, generator)

    def fold(self) -> Field:
        """An equal field with plain dense layers: the same values within 1e-5, without reparameterisations."""
        return self

    def penalty(self) -> Tensor | None:
        """Scalar regularisation term of the training loss, with gradient; None: no term."""
        return None

    @contextlib.contextmanager
    def at_step(self, step: int) -> Iterator[None]:
        """A context in which the field has the form of training step `step` (e.g. layers with dropped ranks).

        The form depends on `step` and the parameters alone. Outside the context the field is complete.
        """
        yield

    @property
    def trains_whole_too(self) -> bool:
        """Whether each step adds the loss of the complete field to that of its form `at_step`."""
        return False

    @property
    def varies_by_step(self) -> bool:
        """Whether `at_step` changes anything."""
        return type(self).at_step is not Field.at_step

    @contextlib.contextmanager
    def updating(self) -> Iterator[None]:
        """A context for the optimizer's step, in which other numbers may replace parameters and gradients."""
        yield

    @property
    def has_own_update(self) -> bool:
        """Whether `updating` changes anything."""
        return False

    def lipschitz_bound(self) -> float | None:
        """A number L with |f(x) - f(y)| <= L |x - y| for all x, y, up to rounding; None: unknown.

        Norms are 2-norms, x in lengths of the unit box, values in training values: divide by `Frame.scale` to compare
        with slopes in the signal's units.
        """
        return None

    def param_groups(self) -> dict[str, list[nn.Parameter]]:
        """Parameters by role ("encoding", "first", "hidden", "last" ...), for optimizers; "other" without a role."""
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


@dataclass(frozen=True)
class Deviation:
    """A difference between a family and its source, which is kept on purpose; its page states it.

    subject: what differs: the path of a setting (`field.width`, `fit.lr`), `initial.<tensor>` (or a pattern
    of tensors), or `forward`.
    paper, here: what the source has, and what this package has. because: the reason, with its record if measured.
    for_distances, for_pictures: the source's number, of a setting that differs only where samples are distances
    (`Spec.has_distances`), or only for pictures; the page says how to set it.
    """

    subject: str
    paper: str
    here: str
    because: str
    for_distances: float | None = None
    for_pictures: float | None = None

    def applies_to(self, spec: Spec) -> bool:
        return (self.for_distances is None or spec.has_distances) and (
            self.for_pictures is None or spec.traits.is_picture
        )


class FieldConfig(Config):
    """Settings of a field family. Its docstring's first line is what `inr fields` prints.

    paper: the source, in one line. deviations: where the family differs from it on purpose. best: the recipe that a
    search has found; None: `recipe` states one. limits: why the quality on its page is low, and what the family is
    good for nevertheless.
    """

    slot: ClassVar[Registry[type[FieldConfig]]] = FIELDS
    paper: ClassVar[str]
    deviations: ClassVar[tuple[Deviation, ...]] = ()
    best: ClassVar[BestRecipe | None] = None
    limits: ClassVar[Limits] = Limits()

    @abstractmethod
    def build(self, spec: Spec, generator: Generator) -> Field:
        """A new, initialised field. Settings must be resolved for `spec` first."""

    def starts_from_signal(self, spec: Spec) -> bool:
        """Whether the parameters of these resolved settings start from the samples of a signal."""
        return False

    def started_at_random(self) -> Self:
        """These settings without a start that needs all samples of a signal, for signals that do not give them."""
        return self

    def adapted_to(self, spec: Spec, samples: Callable[[], Samples], tolerance: float) -> Self:
        """These settings, not resolved, with sizes that follow from the content of a signal, where none are given.

        samples: returns all samples of the signal's lattice. tolerance: root mean square error, in training units, that
        the field should have at most.
        """
        return self

    def recipe(self, spec: Spec) -> Mapping[str, Any]:
        """The best fit settings that are known for this family and a signal (a partial `FitConfig` document)."""
        return {} if self.best is None else self.best.settings(spec)

    @classmethod
    def deviations_for(cls, spec: Spec) -> tuple[Deviation, ...]:
        """Those of a signal (`Deviation.applies_to`)."""
        return tuple(d for d in cls.deviations if d.applies_to(spec))

    @classmethod
    def searched_recipe(cls) -> BestRecipe | None:
        """`best`, of this class or inherited; None where a class below it states another recipe."""
        for each in cls.__mro__:
            if vars(each).get("best") is not None:
                return cls.best
            if "recipe" in vars(each):
                return None
        return None

    def paper_recipe(self, spec: Spec) -> Mapping[str, Any]:
        """Fit settings of the family's source: its optimizer, rates, schedule, batch and steps, without a change."""
        return self.recipe(spec)

    def named_recipe(self, name: RecipeName, spec: Spec) -> Mapping[str, Any]:
        """`recipe` (best) or `paper_recipe` (paper). Raises UsageError for another name."""
        recipes = {"best": self.recipe, "paper": self.paper_recipe}
        if name not in recipes:
            raise unknown_name("recipe", name, recipes)
        return recipes[name](spec)
