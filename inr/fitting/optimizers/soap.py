"""SOAP: Adam in the eigenbasis of Shampoo.  Vyas et al. 2024, arXiv:2409.11321."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from inr.core.config import param
from inr.core.errors import UsageError
from inr.fitting.optimizers._base import OPTIMIZERS, Eager, OptimizerConfig


@OPTIMIZERS.register("soap")
@dataclass(frozen=True, kw_only=True)
class Soap(OptimizerConfig):
    """L <- b2 L + (1-b2) G G^T, R <- b2 R + (1-b2) G^T G;  Adam on Q_L^T G Q_R, its step taken back by Q_L . Q_R^T.

    Q_L, Q_R are the eigenvectors of L and R, followed by a QR power iteration every `every` steps; vectors, and sides
    longer than `max_side` (a grid's table), have none. The first step only builds the statistics. The paper's rate is
    3e-3; its weight decay of 0.01 is left out, because a fit has nothing to regularise.
    """

    beta1: float = param(0.95, "decay of the first moment", ge=0, lt=1)
    beta2: float = param(0.95, "decay of the second moment and of L and R", ge=0, lt=1)
    eps: float = param(1e-8, "added to the root of the second moment", gt=0)
    every: int = param(10, "steps between updates of the eigenbasis", ge=1)
    max_side: int = param(10000, "longest side of a matrix that gets an eigenbasis", ge=1)

    def build(self, groups: dict[str, list[nn.Parameter]], lr: dict[str, float]) -> torch.optim.Optimizer:
        if any(p.is_complex() for params in groups.values() for p in params):
            raise UsageError(
                "optimizer 'soap' needs real parameters, this field has complex ones", "use `fit.optimizer=adam`"
            )
        entries = [{"params": params, "lr": lr[role]} for role, params in groups.items()]
        return SoapOptimizer(entries, (self.beta1, self.beta2), self.eps, self.every, self.max_side)


class SoapOptimizer(Eager):
    """SOAP for real tensors. Tensors of more than two axes are matrices with a row for each entry of the first axis.

    weight_decay: each step takes this part, times the learning rate, from every matrix, and nothing from vectors.
    """

    def __init__(
        self,
        params: Iterable[Any],
        betas: tuple[float, float] = (0.95, 0.95),
        eps: float = 1e-8,
        every: int = 10,
        max_side: int = 10000,
        weight_decay: float = 0.0,
        lr: float = 3e-3,
    ) -> None:
        super().__init__(params, {"lr": lr})
        self.betas, self.eps, self.every, self.max_side, self.weight_decay = betas, eps, every, max_side, weight_decay

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # torch overloads it for closures
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, parameter.grad, group["lr"])

    step.hooked = True  # type: ignore[attr-defined]  # torch's sign that its profiler has no marks to add

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Raises ValueError if the state is not one of SOAP for these parameters."""
        super().load_state_dict(state_dict)
        for group in self.param_groups:
            for parameter in group["params"]:
                state = self.state.get(parameter, {})
                if state and state.keys() != {"n", "exp_avg", "exp_avg_sq", *self._sides(parameter)}:
                    raise ValueError("the optimizer's state is not one of SOAP")
                if any(state and len(state[name]) != side for name, side in self._sides(parameter).items()):
                    raise ValueError("the optimizer's state does not fit its parameters")

    def _sides(self, parameter: Tensor) -> dict[str, int]:
        """The square matrices in a parameter's state, and their sides."""
        axes = self._axes(parameter)
        return {f"{name}{axis}": side for axis, side in axes.items() for name in ("statistic", "basis")}

    def _axes(self, parameter: Tensor) -> dict[int, int]:
        """The axes with an eigenbasis, of the parameter as a matrix, and their lengths."""
        if parameter.dim() < 2:
            return {}
        shape = parameter.shape[0], parameter.numel() // max(1, parameter.shape[0])
        return {axis: side for axis, side in enumerate(shape) if 1 < side <= self.max_side}

    def _move(self, parameter: Tensor, gradient: Tensor, lr: float) -> None:
        is_matrix = parameter.dim() > 1
        if self.weight_decay and is_matrix:
            parameter.mul_(1 - lr * self.weight_decay)
        g = gradient.reshape((parameter.shape[0], -1) if is_matrix else (1, -1))
        axes = list(self._axes(parameter))
        outer = {axis: g @ g.T if axis == 0 else g.T @ g for axis in axes}
        beta1, beta2 = self.betas
        state = self.state[parameter]
        if not state:
            state["n"] = 0
            for name in ("exp_avg", "exp_avg_sq"):
                state[name] = torch.zeros(parameter.shape, dtype=parameter.dtype, device=parameter.device)
            for axis, product in outer.items():
                state[f"statistic{axis}"] = (1 - beta2) * product
                state[f"basis{axis}"] = torch.linalg.eigh(state[f"statistic{axis}"]).eigenvectors.flip(1)
            return
        state["n"] += 1
        mean, square = (state[name].view(g.shape) for name in ("exp_avg", "exp_avg_sq"))
        mean.lerp_(g, 1 - beta1)
        rotated = _rotated(g, state, axes)
        square.lerp_(rotated * rotated, 1 - beta2)
        size = (square / (1 - beta2 ** state["n"])).sqrt_().add_(self.eps)
        direction = _rotated(mean, state, axes) / ((1 - beta1 ** state["n"]) * size)
        parameter.sub_((lr * _rotated(direction, state, axes, is_back=True)).reshape(parameter.shape))
        for axis, product in outer.items():
            state[f"statistic{axis}"].lerp_(product, 1 - beta2)
        if state["n"] % self.every == 0:
            for axis in axes:
                _update_basis(state, square, axis)


def _rotated(x: Tensor, state: dict[str, Any], axes: list[int], *, is_back: bool = False) -> Tensor:
    """A matrix in the eigenbasis, or back from it."""
    if 0 in axes:
        x = (state["basis0"] if is_back else state["basis0"].T) @ x
    if 1 in axes:
        x = x @ (state["basis1"].T if is_back else state["basis1"])
    return x


def _update_basis(state: dict[str, Any], square: Tensor, axis: int) -> None:
    """One power iteration of a basis. Its vectors, and the squares along them, are sorted by falling eigenvalue."""
    basis, statistic = state[f"basis{axis}"], state[f"statistic{axis}"]
    order = ((statistic @ basis) * basis).sum(0).argsort(descending=True)
    square.copy_(square.index_select(axis, order))
    state[f"basis{axis}"] = torch.linalg.qr(statistic @ basis[:, order]).Q
