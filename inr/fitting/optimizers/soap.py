"""SOAP: Adam in the eigenbasis of Shampoo.  Vyas et al. 2024, arXiv:2409.11321."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from inr.core.config import param
from inr.fitting.optimizers._base import OPTIMIZERS, Eager, OptimizerConfig


@OPTIMIZERS.register("soap")
@dataclass(frozen=True, kw_only=True)
class Soap(OptimizerConfig):
    """L <- b2 L + (1-b2) G G^T, R <- b2 R + (1-b2) G^T G;  Adam on Q_L^T G Q_R, its step taken back by Q_L . Q_R^T.

    Q_L, Q_R are the eigenvectors of L and R, followed by a QR power iteration every `every` steps; vectors, and sides
    longer than `max_side` (a grid's table), have none. The first step only builds the statistics. A complex matrix
    [m, n] counts as a real one [m, 2 n]. The paper's rate is 3e-3; its weight decay of 0.01 is left out, because a fit
    has nothing to regularise.
    """

    beta1: float = param(0.95, "decay of the first moment", ge=0, lt=1)
    beta2: float = param(0.95, "decay of the second moment and of L and R", ge=0, lt=1)
    eps: float = param(1e-8, "added to the root of the second moment", gt=0)
    every: int = param(10, "steps between updates of the eigenbasis", ge=1)
    is_spread: bool = param(True, "bases are updated in turns, so that all steps are about as long")
    max_side: int = param(512, "longest side of a matrix that gets an eigenbasis", ge=1)

    def build(self, groups: dict[str, list[nn.Parameter]], lr: dict[str, float]) -> torch.optim.Optimizer:
        entries = [{"params": params, "lr": lr[role]} for role, params in groups.items()]
        return SoapOptimizer(
            entries, (self.beta1, self.beta2), self.eps, self.every, self.max_side, is_spread=self.is_spread
        )


class SoapOptimizer(Eager):
    """SOAP. Tensors of more than two axes are matrices with a row for each entry of the first axis.

    Matrices of equal shape are one stack, whose products are batched. weight_decay: each step takes this part, times
    the learning rate, from every matrix, and nothing from vectors. is_spread: bases are updated in turns.
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
        *,
        is_spread: bool = False,
    ) -> None:
        super().__init__(params, {"lr": lr})
        self.betas, self.eps, self.every, self.max_side, self.weight_decay = betas, eps, every, max_side, weight_decay
        self.is_spread = is_spread
        self._stacks: list[_Stack] = []

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # torch overloads it for closures
        members = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        if {id(p) for p in members} != {id(p) for stack in self._stacks for p in stack.members}:
            self._stack(members)
        for stack in self._stacks:
            stack.step(self)

    step.hooked = True  # type: ignore[attr-defined]  # torch's sign that its profiler has no marks to add

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Raises ValueError if the state is not one of SOAP for these parameters."""
        super().load_state_dict(state_dict)
        self._stacks = []
        for group in self.param_groups:
            for parameter in group["params"]:
                state = self.state.get(parameter, {})
                is_older = {"exp_avg", "exp_avg_sq", "n"} <= state.keys()
                if is_older:
                    state["mean"], state["square"] = state.pop("exp_avg"), state.pop("exp_avg_sq")
                if state and state.keys() != {"n", "mean", "square", *self._sides(parameter)}:
                    raise ValueError("the optimizer's state is not one of SOAP")
                if any(state and len(state[name]) != side for name, side in self._sides(parameter).items()):
                    raise ValueError("the optimizer's state does not fit its parameters")
                if is_older:  # the first moment was kept in the basis of the parameters
                    mean = _as_matrix(state["mean"])
                    for axis in self.axes_of(parameter):
                        mean = _turned(mean, state[f"basis{axis}"], axis)
                    state["mean"] = mean.reshape(state["mean"].shape)

    def axes_of(self, parameter: Tensor) -> dict[int, int]:
        """The axes with an eigenbasis, of the parameter as a matrix, and their lengths."""
        if parameter.dim() < 2:
            return {}
        shape = _as_matrix(parameter).shape
        return {axis: side for axis, side in enumerate(shape) if 1 < side <= self.max_side}

    def turned(self, parameter: Tensor, x: Tensor, *, is_back: bool = False) -> Tensor:
        """Q_L^T x Q_R, or Q_L x Q_R^T, for x of the shape of a parameter; x itself before the first step."""
        state = self.state.get(parameter, {})
        matrix = _as_matrix(x)
        for axis in self.axes_of(parameter) if state else ():
            matrix = _turned(matrix, state[f"basis{axis}"].to(matrix), axis, is_back=is_back)
        return matrix.reshape(x.shape)

    def _sides(self, parameter: Tensor) -> dict[str, int]:
        """The square matrices in a parameter's state, and their sides."""
        axes = self.axes_of(parameter)
        return {f"{name}{axis}": side for axis, side in axes.items() for name in ("statistic", "basis")}

    def _stack(self, members: list[Tensor]) -> None:
        """Put parameters that are alike into stacks, which share their state."""
        groups = {id(p): group for group in self.param_groups for p in group["params"]}
        alike: dict[tuple[Any, ...], list[Tensor]] = {}
        for p in members:
            n = self.state[p].get("n", -1)
            key = (id(groups[id(p)]), p.dim() > 1, _as_matrix(p).shape, p.dtype, p.device, n)
            alike.setdefault(key, []).append(p)
        self._stacks = [
            _Stack(same, groups[id(same[0])], [self.state[p] for p in same], list(self.axes_of(same[0])))
            for same in alike.values()
        ]
        if self.is_spread:
            units = [
                (stack, axis, i) for stack in self._stacks for axis in stack.axes for i in range(len(stack.members))
            ]
            for number, (stack, axis, i) in enumerate(units):
                stack.turns[axis][i] = number * self.every // len(units)


class _Stack:
    """K parameters of one shape as matrices [K, m, n], and their state.

    axes: those with an eigenbasis. turns: per axis and matrix, how many steps earlier its basis is updated. state: the
    first moment in the eigenbasis (mean), the second (square), and per axis a with side s the statistic [K, s, s] and
    the basis [K, s, s]. states: of the optimizer, whose tensors are parts of these.
    """

    def __init__(
        self, members: list[Tensor], group: dict[str, Any], states: list[dict[str, Any]], axes: list[int]
    ) -> None:
        self.members, self.group, self._states, self.axes = members, group, states, axes
        self.turns = {axis: [0] * len(members) for axis in axes}
        self.state: dict[str, Tensor] = {}
        self._is_matrix = members[0].dim() > 1
        if states[0]:
            like = _as_matrix(members[0]).shape
            for name in states[0].keys() - {"n"}:
                parts = [state[name] for state in states]
                self._keep(name, torch.stack([part.reshape(like) if name in _MOMENTS else part for part in parts]))

    def step(self, owner: SoapOptimizer) -> None:
        """Move all members along their gradients."""
        lr: float = self.group["lr"]
        if owner.weight_decay and self._is_matrix:
            for p in self.members:
                p.mul_(1 - lr * owner.weight_decay)
        g = torch.stack([_as_matrix(p.grad) for p in self.members if p.grad is not None])
        beta1, beta2 = owner.betas
        if not self.state:
            self._start(g, beta2)
            return
        for state in self._states:
            state["n"] += 1
        n: int = self._states[0]["n"]
        mean, square = (self.state[name] for name in _MOMENTS)
        turned = self._turned(g)
        mean.lerp_(turned, 1 - beta1)
        square.lerp_(turned.square_(), 1 - beta2)
        size = (square / (1 - beta2**n)).sqrt_().add_(owner.eps)
        move = self._turned((mean / size).mul_(lr / (1 - beta1**n)), is_back=True)
        for p, own in zip(self.members, move, strict=True):
            _real(p).sub_(own.view(_real(p).shape))
        for axis in self.axes:
            left, right = (g, g.mT) if axis == 0 else (g.mT, g)
            self.state[f"statistic{axis}"].baddbmm_(left, right, beta=beta2, alpha=1 - beta2)
            due = [i for i, turn in enumerate(self.turns[axis]) if (n + turn) % owner.every == 0]
            if due:
                self._update_basis(axis, due)

    def _start(self, g: Tensor, beta2: float) -> None:
        for state in self._states:
            state["n"] = 0
        for name in _MOMENTS:
            self._keep(name, torch.zeros_like(g))
        for axis in self.axes:
            statistic = (1 - beta2) * (g @ g.mT if axis == 0 else g.mT @ g)
            self._keep(f"statistic{axis}", statistic)
            self._keep(f"basis{axis}", _eigenvectors(statistic))

    def _keep(self, name: str, stacked: Tensor) -> None:
        self.state[name] = stacked = stacked.contiguous()
        for p, state, part in zip(self.members, self._states, stacked, strict=True):
            state[name] = part.view(_real(p).shape) if name in _MOMENTS else part

    def _turned(self, x: Tensor, *, is_back: bool = False) -> Tensor:
        """Matrices in their eigenbases, or back from them."""
        for axis in self.axes:
            x = _turned(x, self.state[f"basis{axis}"], axis, is_back=is_back)
        return x

    def _update_basis(self, axis: int, due: list[int]) -> None:
        """One power iteration of some bases. Vectors, and the squares along them, are sorted by falling eigenvalue."""
        at: Any = slice(None) if len(due) == len(self.members) else due
        (mean, square), statistic = (self.state[name] for name in _MOMENTS), self.state[f"statistic{axis}"][at]
        basis = self.state[f"basis{axis}"]
        before, like = basis[at], square[at]
        product = statistic @ before
        order = (product * before).sum(-2).argsort(dim=-1, descending=True)
        along = order[:, :, None] if axis == 0 else order[:, None, :]
        square[at] = like.gather(axis + 1, along.expand(like.shape))
        after = torch.linalg.qr(product.gather(-1, order[:, None, :].expand(product.shape))).Q
        mean[at] = _turned(mean[at], before.mT @ after, axis)
        basis[at] = after


_MOMENTS = ("mean", "square")


def _real(p: Tensor) -> Tensor:
    """Complex numbers as pairs along another axis."""
    return torch.view_as_real(p) if p.is_complex() else p


def _as_matrix(p: Tensor) -> Tensor:
    """A parameter, or its gradient, as a real matrix; a vector as one row."""
    return _real(p).reshape((p.shape[0], -1) if p.dim() > 1 else (1, -1))


def _eigenvectors(statistic: Tensor) -> Tensor:
    """In columns, by falling eigenvalue. LAPACK's solver in float32 fails, or gives NaN, where most rows are zero; then
    float64 is used, where numbers that are not finite count as 0: the loss of such a run tells that it diverges.
    """
    vectors: Tensor
    with contextlib.suppress(RuntimeError):  # LinAlgError is one, which torch does not export to type checkers
        vectors = torch.linalg.eigh(statistic).eigenvectors
        if vectors.isfinite().all():
            return vectors.flip(-1)
    vectors = torch.linalg.eigh(statistic.double().nan_to_num(0, 0, 0)).eigenvectors
    return vectors.flip(-1).to(statistic.dtype)


def _turned(x: Tensor, basis: Tensor, axis: int, *, is_back: bool = False) -> Tensor:
    """Q^T x or x Q for the basis of axis 0 or 1, or back: Q x or x Q^T."""
    if axis == 0:
        return (basis if is_back else basis.mT) @ x
    return x @ (basis.mT if is_back else basis)
