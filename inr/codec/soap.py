"""SOAP for a few small tensors: Adam in the eigenbasis of Shampoo.  Vyas et al. 2024, arXiv 2409.11321."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

DECAY = 0.95
EVERY = 10
EPS = 1e-8


class Soap:
    """L <- b L + (1 - b) G G^T, R <- b R + (1 - b) G^T G; Adam with decays b on Q_L^T G Q_R, taken back by Q_L . Q_R^T.

    Q_L, Q_R are the eigenvectors of L and R, followed by a QR power iteration every 10 steps. Filters are matrices with
    a row per output; vectors have no basis. The first step only builds the statistics. b = 0.95. A step also takes
    away weight_decay times the learning rate of every matrix.
    """

    def __init__(self, parameters: Iterable[Tensor], weight_decay: float = 0.0) -> None:
        self._states = [_State(parameter) for parameter in parameters]
        self._weight_decay = weight_decay

    def zero_grad(self) -> None:
        for state in self._states:
            state.parameter.grad = None

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """One step along the gradients that the parameters hold."""
        for state in self._states:
            if self._weight_decay and state.parameter.dim() > 1:
                state.parameter.mul_(1 - learning_rate * self._weight_decay)
            state.step(learning_rate)


class _State:
    def __init__(self, parameter: Tensor) -> None:
        self.parameter = parameter
        self._matrix = (parameter.shape[0], -1) if parameter.dim() > 1 else (1, -1)
        self._mean = torch.zeros_like(parameter).reshape(self._matrix)
        self._square = torch.zeros_like(self._mean)
        self._sides = [parameter.dim() > 1 and side > 1 for side in self._mean.shape]
        self._statistics: list[Tensor] = []
        self._bases: list[Tensor] = []
        self._n = 0

    def step(self, learning_rate: float) -> None:
        assert self.parameter.grad is not None
        g = self.parameter.grad.reshape(self._matrix)
        outer = [g @ g.T, g.T @ g]
        if not self._statistics:
            self._statistics = [(1 - DECAY) * each for each in outer]
            self._bases = [torch.linalg.eigh(each).eigenvectors.flip(1) for each in self._statistics]
            return
        self._n += 1
        self._mean.lerp_(g, 1 - DECAY)
        turned = self._turn(g, is_back=False)
        self._square.lerp_(turned * turned, 1 - DECAY)
        correction = 1 - DECAY**self._n
        size = (self._square / correction).sqrt_().add_(EPS)
        step = self._turn(self._turn(self._mean, is_back=False) / (correction * size), is_back=True)
        self.parameter.sub_((learning_rate * step).reshape(self.parameter.shape))
        for each, new in zip(self._statistics, outer, strict=True):
            each.lerp_(new, 1 - DECAY)
        if self._n % EVERY == 0:
            self._follow()

    def _turn(self, x: Tensor, *, is_back: bool) -> Tensor:
        left, right = self._bases
        if self._sides[0]:
            x = (left if is_back else left.T) @ x
        if self._sides[1]:
            x = x @ (right.T if is_back else right)
        return x

    def _follow(self) -> None:
        """One power iteration of each basis; its vectors and the squares along them in falling order of eigenvalue."""
        for axis, is_used in enumerate(self._sides):
            if is_used:
                basis, statistic = self._bases[axis], self._statistics[axis]
                order = ((statistic @ basis) * basis).sum(0).argsort(descending=True)
                self._square = self._square.index_select(axis, order)
                self._bases[axis] = torch.linalg.qr(statistic @ basis[:, order]).Q
