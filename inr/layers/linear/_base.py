"""The linear slot: an affine map and the way its matrix is parameterised."""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import torch
from torch import Generator, Tensor, nn

from inr.core.config import Config
from inr.core.registry import Registry

if TYPE_CHECKING:
    from inr.layers.activations import ActivationConfig

LINEARS: Registry[type[LinearConfig]] = Registry("linear layer", "inr.layers.linear")

Role = Literal["first", "hidden", "last", "filter", "branch"]
"""The position of a linear map in its network, used by initialisers and optimizer groups."""


class Linear(nn.Module):
    """h [*B, d_in] -> h W^T + b [*B, d_out], for W, b = `effective()`.

    is_rounded: W is a step function of the parameters, whose gradient is an estimate.
    """

    __call__: Callable[..., Tensor]
    is_rounded: ClassVar[bool] = False
    d_in: int
    d_out: int
    role: Role

    @abstractmethod
    def effective(self) -> tuple[Tensor, Tensor | None]:
        """The effective dense matrix W [d_out, d_in] and bias b [d_out], differentiable."""

    @abstractmethod
    def assign(self, weight: Tensor) -> None:
        """Set the parameters, in place and without gradient, so that W is as close to `weight` as possible."""

    def assign_bias(self, bias: Tensor) -> None:
        """Set the bias to `bias` [d_out], in place and without gradient; does nothing without a bias.

        The default sets the parameter `bias`.
        """
        own = getattr(self, "bias", None)
        if own is not None:
            with torch.no_grad():
                own.copy_(bias)

    def forward(self, h: Tensor) -> Tensor:
        weight, bias = self.effective()
        return nn.functional.linear(h, weight, bias)


class LinearConfig(Config):
    """Settings of a linear layer."""

    slot: ClassVar[Registry[type[LinearConfig]]] = LINEARS

    @property
    def trains_whole_too(self) -> bool:
        """Whether each step adds the loss of the full form to that of the form of the step."""
        return False

    @abstractmethod
    def build(self, d_in: int, d_out: int, *, has_bias: bool, role: Role, generator: Generator) -> Linear: ...

    def before(self, activation: ActivationConfig) -> Self:
        """These settings with the remaining `None` values chosen for the network's activation."""
        return self

    def penalty(self, layers: Sequence[Linear]) -> Tensor | None:
        """Scalar regularisation term added to the training loss for the linear maps of one network; None: no term."""
        return None

    def at_step(self, layers: Sequence[Linear], step: int | None) -> None:
        """Switch the linear maps of one network to their form in training step `step`; None: the full form.

        The form depends on `step` and the parameters alone, so a resumed run is exact. Evaluation uses the full form.
        """

    @contextlib.contextmanager
    def updating(self, layers: Sequence[Linear]) -> Iterator[None]:
        """A context for the optimizer's step on the linear maps of one network, which have their gradients by then.

        On entry the layers may replace parameters and gradients by others of equal shapes, on exit they make their
        parameters of the updated ones. What happens depends on parameters and gradients alone, so that a resumed run is
        exact. Values between steps are those of the layer's formula.
        """
        yield
