"""Orthonormal matrices by the Cayley transform.

Trockman and Kolter 2021, arXiv:2104.07167; with free scale as in Wang and Manchester 2023, arXiv:2301.11526.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Self

import torch
from torch import Generator, Tensor, nn

from inr.core.config import param
from inr.core.domain import Spec
from inr.layers.linear._base import LINEARS, Linear, LinearConfig, Role


@LINEARS.register("cayley")
@dataclass(frozen=True, kw_only=True)
class Cayley(LinearConfig):
    """W = Q with orthonormal rows (columns where d_out > d_in), Q = cayley(a V / |V|), with trained V and scalar a.

    First and last layers are multiplied by sqrt(gamma). The last one is the right part B [d_out, d_in] of a Q = [A | B]
    with d_out more columns, so that its norm may be below 1. A network of such layers, with activations of slope at
    most 1, is gamma-Lipschitz in the 2-norm with respect to the encoded features. Default gamma: 1 for shapes and
    points (distances), 4 for lattices, which is enough behind a frequency encoding (raw coordinates need much more, see
    `Lbdn`). V ~ U(+-1/sqrt(columns)) and a = |V|, as in the authors' code.
    """

    gamma: float | None = param(None, "Lipschitz bound of the network; none: 1 for shapes and points, else 4", gt=0)

    def resolve(self, spec: Spec) -> Self:
        if self.gamma is not None:
            return self
        return dataclasses.replace(self, gamma=1.0 if spec.shape is None else 4.0)

    def build(self, d_in: int, d_out: int, *, has_bias: bool, role: Role, generator: Generator) -> Linear:
        return CayleyLinear(self, d_in, d_out, has_bias=has_bias, role=role, generator=generator)


class CayleyLinear(Linear):
    """scale: sqrt(gamma) in first and last layers, else 1."""

    def __init__(
        self, config: Cayley, d_in: int, d_out: int, *, has_bias: bool, role: Role, generator: Generator
    ) -> None:
        super().__init__()
        self.d_in, self.d_out, self.role = d_in, d_out, role
        self.scale = (config.gamma or 1.0) ** 0.5 if role in ("first", "last") else 1.0
        columns = d_in + d_out if role == "last" else d_in
        bound = columns**-0.5
        self.skew = nn.Parameter(torch.empty(d_out, columns).uniform_(-bound, bound, generator=generator))
        self.length = nn.Parameter(torch.linalg.matrix_norm(self.skew.detach(), keepdim=True))
        self.bias = nn.Parameter(torch.empty(d_out).uniform_(-bound, bound, generator=generator)) if has_bias else None

    def orthonormal(self) -> Tensor:
        """Q, with the shape of V."""
        v = self.skew * (self.length / torch.linalg.matrix_norm(self.skew))
        return cayley(v) if len(v) >= v.shape[1] else cayley(v.T).T

    def effective(self) -> tuple[Tensor, Tensor | None]:
        return self.scale * self.orthonormal()[:, -self.d_in :], self.bias

    def assign(self, weight: Tensor) -> None:
        """Set Q to the orthonormal matrix nearest to `weight`; the last layer, of another form, stays unchanged."""
        if self.role == "last":
            return
        with torch.no_grad():
            u, _, vt = torch.linalg.svd(weight, full_matrices=False)
            q = u @ vt
            self.skew.copy_(inverse_cayley(q) if len(q) >= q.shape[1] else inverse_cayley(q.T).T)
            self.length.copy_(torch.linalg.matrix_norm(self.skew, keepdim=True))


def cayley(matrix: Tensor) -> Tensor:
    """[U; V] [m, n], m >= n and U square, to [(I + Z)^-1 (I - Z); -2 V (I + Z)^-1], Z = U - U^T + V^T V.

    The columns of the result are orthonormal. I + Z is never singular; its condition number grows with the norm of the
    matrix.
    """
    n = matrix.shape[1]
    upper, lower = matrix[:n], matrix[n:]
    identity = torch.eye(n, dtype=matrix.dtype, device=matrix.device)
    z = upper - upper.T + lower.T @ lower
    inverse = torch.linalg.inv(identity + z)
    return torch.cat([inverse @ (identity - z), -2 * lower @ inverse])


def inverse_cayley(q: Tensor) -> Tensor:
    """A matrix M with cayley(M) = q, for q [m, n] with orthonormal columns and I + (its upper part) invertible."""
    n = q.shape[1]
    p = q.double()
    identity = torch.eye(n, dtype=p.dtype, device=p.device)
    z = torch.linalg.solve(identity + p[:n], identity - p[:n])
    lower = -p[n:] @ (identity + z) / 2
    skew = z - lower.T @ lower
    return torch.cat([(skew - skew.T) / 4, lower]).to(q.dtype)
