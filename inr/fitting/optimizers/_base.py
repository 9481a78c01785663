"""The optimizer slot: parameters by role to a torch optimizer."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from inr.core.config import Config
from inr.core.registry import Registry

OPTIMIZERS: Registry[type[OptimizerConfig]] = Registry("optimizer", "inr.fitting.optimizers")


class Residuals(Protocol):
    """What a step of least squares takes: weighted residuals r of a batch as a function of the parameters."""

    def value(self) -> Tensor:
        """r [N, C] for the present parameters."""

    def linearised(self, params: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """r [N, C] and -dr/dw [N, C, P], with the columns in the order of `params`."""


class OptimizerConfig(Config):
    """Settings of an optimizer.

    is_closed: a step evaluates the loss several times, on all samples (L-BFGS). is_least_squares: a step takes the
    `Residuals` of the batch in place of a gradient. is_adam_like: a step is Adam's, so that forecasts of Adam apply to
    it. is_capturable: a CUDA graph can capture its step.
    """

    slot: ClassVar[Registry[type[OptimizerConfig]]] = OPTIMIZERS
    is_closed: ClassVar[bool] = False
    is_least_squares: ClassVar[bool] = False
    is_adam_like: ClassVar[bool] = False

    @property
    def is_capturable(self) -> bool:
        return False

    @abstractmethod
    def build(self, groups: dict[str, list[nn.Parameter]], lr: dict[str, float]) -> torch.optim.Optimizer:
        """groups: parameters by role. lr: rate by role; the schedule multiplies every group's rate afterwards."""


class Eager(torch.optim.Optimizer):
    """A torch optimizer without the marks that torch's compiler looks for on its methods.

    The first call of a marked method imports the compiler, half again as long as all of torch; no fit here uses it.
    """

    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    state_dict = inspect.unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict = inspect.unwrap(torch.optim.Optimizer.load_state_dict)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients."""
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None


class Joint(Eager):
    """Several optimizers, each with its own parameters, as one: they share this one's groups and state."""

    def __init__(self, *members: torch.optim.Optimizer) -> None:
        self._members = members
        super().__init__([group for m in members for group in m.param_groups], {})
        self._share()

    def _share(self) -> None:
        start = 0
        for member in self._members:
            end = start + len(member.param_groups)
            member.state, member.param_groups = self.state, self.param_groups[start:end]
            start = end

    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # torch overloads it for closures
        for member in self._members:
            member.step()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self._share()
