"""Factored matrices whose rank adapts in training (dynamical low-rank training).

Schotthöfer, Zangrando, Kusch, Ceruti and Tudisco 2022, Low-rank lottery tickets: finding efficient low-rank neural
networks via matrix differential equations (NeurIPS), arXiv:2205.13571. The step is the parallel form of Ceruti, Kusch
and Lubich 2024, A parallel rank-adaptive integrator for dynamical low-rank approximation, arXiv:2304.05660.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from inr.core.config import param
from inr.core.gradient_factors import Factor, HasGradientFactors, factor, with_ones
from inr.layers.linear._base import LINEARS, Linear, LinearConfig, Role
from inr.layers.linear.dense import Dense

_NEAR = 1e-2  # largest entry of U^T U - I and V^T V - I; float16 rounds to 1e-3


@LINEARS.register("dlrt")
@dataclass(frozen=True, kw_only=True)
class Dlrt(LinearConfig):
    """W = U S V^T in hidden layers, of a rank r that each step chooses anew; first and last layers stay dense.

    U [d_out, r] and V [d_in, r] have orthonormal columns, S is [r, r]. In place of U, S and V the optimizer updates
    K = U S, L = V S^T and S, whose gradients are G V, G^T U and U^T G V for G = dloss/dW: small singular values
    do not shrink them. With the changes dK and dL, and the new S', the step is

        W' = U S' V^T + (I - U U^T) dK V^T + U dL^T (I - V V^T),

    written as Q_u S" Q_v^T with orthonormal bases Q_u of [U | dK] and Q_v of [V | dL] (QR; rank at most 2 r). The SVD
    of S" gives the next factors, with the smallest rank >= 1 whose dropped singular values have a 2-norm of at most
    tolerance |S"|_F, and at most `rank`. Parameters have the shape of rank `rank`, with zeros in unused columns
    (`DlrtLinear.rank_in_use` counts the others). W starts as the best approximation of the initialiser's matrix.

    The paper: S takes its step after K and L, with a new gradient in the new bases; here: all three take one gradient
    (the parallel integrator), because that costs one evaluation. Under plain gradient descent on one batch both give
    the same S", but for the block of new rows and new columns, which is 0 here.
    The paper: S is diagonal after the SVD; here: the new bases are turned (orthogonal Procrustes) to be as near as
    possible to the old ones, because Adam has moments per column. Under gradient descent W does not depend on it.

    Optimizers with a line search (`lbfgs`) and `fit.ema` are refused. The tangent kernel is that of U, S and V.
    """

    rank: int | None = param(None, "largest rank, at most min(d_in, d_out), which none means", ge=1)
    tolerance: float = param(0.1, "2-norm of the dropped singular values, relative to all", ge=1e-4, lt=1)

    def build(self, d_in: int, d_out: int, *, has_bias: bool, role: Role, generator: Generator) -> Linear:
        dense = Dense().build(d_in, d_out, has_bias=has_bias, role=role, generator=generator)
        if role != "hidden":
            return dense
        return DlrtLinear(dense, min(self.rank or d_in, d_in, d_out), self.tolerance)

    @contextlib.contextmanager
    def updating(self, layers: Sequence[Linear]) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            for layer in layers:
                if isinstance(layer, DlrtLinear):
                    stack.enter_context(layer.updating())
            yield


class DlrtLinear(Linear, HasGradientFactors):
    """left: U [d_out, R], core: S [R, R], right: V [d_in, R], for the largest rank R; columns r to R are 0."""

    def __init__(self, dense: Linear, rank: int, tolerance: float) -> None:
        super().__init__()
        self.d_in, self.d_out, self.role = dense.d_in, dense.d_out, dense.role
        self.tolerance = tolerance
        self.left = nn.Parameter(torch.zeros(self.d_out, rank))
        self.core = nn.Parameter(torch.zeros(rank, rank))
        self.right = nn.Parameter(torch.zeros(self.d_in, rank))
        weight, bias = dense.effective()
        self.bias = None if bias is None else nn.Parameter(bias.detach().clone())
        self.assign(weight)

    @property
    def rank_in_use(self) -> int:
        """r >= 1: columns up to the last one that S uses."""
        used = self.core.detach().nonzero()
        return int(used.max()) + 1 if len(used) else 1

    def effective(self) -> tuple[Tensor, Tensor | None]:
        return self.left @ self.core @ self.right.T, self.bias

    def forward(self, h: Tensor) -> Tensor:
        return nn.functional.linear(nn.functional.linear(h, self.right.T), self.left @ self.core, self.bias)

    @torch.no_grad()
    def assign(self, weight: Tensor) -> None:
        """Set W to the best approximation of `weight` of the largest rank."""
        u, s, vt = torch.linalg.svd(weight, full_matrices=False)
        r = len(self.core)
        is_used = s[:r] > max(weight.shape) * torch.finfo(s.dtype).eps * s[0]
        is_used[:1] = True  # of a matrix that is 0
        self._set(u[:, :r] * is_used, (s[:r] * is_used).diag(), vt[:r].T * is_used)

    @contextlib.contextmanager
    def updating(self) -> Iterator[None]:
        """A context for the optimizer's step, in which `left`, `core` and `right` are K, S and L, with their gradients.

        Parameters of another form (trained without this context) are brought to the layer's form first. Their gradients
        are then dropped, so that the matrix keeps its value for one step.
        """
        with torch.no_grad():
            if not self._has_own_form():
                self.assign(self.left @ self.core @ self.right.T)
                self.left.grad = self.core.grad = self.right.grad = None
            r = self.rank_in_use
            u, s, v = self.left[:, :r].clone(), self.core[:r, :r].clone(), self.right[:, :r].clone()
            k, ell, inverse = u @ s, v @ s.T, torch.linalg.pinv(s)
            for basis, product, undo in ((self.left, k, inverse.T), (self.right, ell, inverse)):
                basis[:, :r] = product
                if basis.grad is not None:  # of U it is (G V) S^T, of V (G^T U) S
                    basis.grad[:, :r] = basis.grad[:, :r] @ undo
        yield
        with torch.no_grad():
            dk, dl = self.left[:, :r] - k, self.right[:, :r] - ell
            middle = self.core[:r, :r].clone()
            if all(
                torch.isfinite(t).all() for t in (dk, dl, middle)
            ):  # else the run has diverged: the loss will say so
                new_u, values, new_v = _truncated(*augmented(u, middle, v, dk, dl), self.tolerance, len(self.core))
                turn_u, turn_v = turn(new_u, u), turn(new_v, v)
                self._set(new_u @ turn_u, turn_u.T @ values.diag() @ turn_v, new_v @ turn_v)

    def _has_own_form(self) -> bool:
        """Whether the columns in use are orthonormal."""
        r = self.rank_in_use
        grams = [basis[:, :r].T @ basis[:, :r] for basis in (self.left, self.right)]
        identity = torch.eye(r, dtype=self.core.dtype, device=self.core.device)
        return all(bool((gram - identity).abs().max() <= _NEAR) for gram in grams)

    def _set(self, u: Tensor, s: Tensor, v: Tensor) -> None:
        for parameter in (self.left, self.core, self.right):
            parameter.zero_()
        r = len(s)
        self.left[:, :r], self.core[:r, :r], self.right[:, :r] = u, s, v

    def tangent(self, inputs: Sequence[Tensor], cotangent: Tensor) -> list[Factor]:
        """df/dU = delta (S V^T h)^T, df/dS = (U^T delta) (V^T h)^T, df/dV = h (S^T U^T delta)^T, df/db = delta."""
        (h,) = inputs
        inner, outer = h @ self.right, cotangent @ self.left
        return [
            factor(with_ones(inner @ self.core.T, self.bias is not None), cotangent=cotangent),
            factor(inner, cotangent=outer),
            factor(h, cotangent=outer @ self.core),
        ]


def augmented(u: Tensor, core: Tensor, v: Tensor, dk: Tensor, dl: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Q_u, S", Q_v with Q_u S" Q_v^T = U S' V^T + (I - U U^T) dK V^T + U dL^T (I - V V^T).

    u, dk [m, r], v, dl [n, r], core (S') [r, r]. Q_u [m, min(m, 2 r)] and Q_v [n, min(n, 2 r)] are orthonormal bases of
    [U | dK] and [V | dL]; the paper's [K + dK | U] spans the same space, but its columns are nearly dependent.
    """
    q_u, q_v = (torch.linalg.qr(torch.cat(pair, dim=1))[0] for pair in ((u, dk), (v, dl)))
    m, n = q_u.T @ u, q_v.T @ v
    beyond_u = q_u.T @ dk - m @ (u.T @ dk)
    beyond_v = q_v.T @ dl - n @ (v.T @ dl)
    return q_u, m @ core @ n.T + beyond_u @ n.T + m @ beyond_v.T, q_v


def turn(basis: Tensor, previous: Tensor) -> Tensor:
    """The orthogonal R [r, r] for which the columns of `basis` R are nearest to the first of `previous`, in order.

    basis [n, r], previous [n, p], with orthonormal columns. Where p < r the columns of R from p on only complete it.
    """
    x, _, yt = torch.linalg.svd(basis.T @ previous[:, : basis.shape[1]])
    return torch.cat([x[:, : len(yt)] @ yt, x[:, len(yt) :]], dim=1)


def _truncated(q_u: Tensor, core: Tensor, q_v: Tensor, tolerance: float, most: int) -> tuple[Tensor, Tensor, Tensor]:
    """U, the singular values and V of Q_u S" Q_v^T, cut to the smallest rank within the tolerance, and `most`."""
    p, s, qt = torch.linalg.svd(core, full_matrices=False)
    tails = s.square().flip(0).cumsum(0).flip(0).sqrt()  # tails[i]: what ranks up to i drop
    r = max(1, min(most, int((tails > tolerance * tails[0]).sum())))
    return q_u @ p[:, :r], s[:r], q_v @ qt[:r].T
