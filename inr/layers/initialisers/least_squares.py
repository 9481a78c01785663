"""The last linear map, solved by linear least squares."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from inr.core.config import param
from inr.core.errors import ConfigError
from inr.core.samples import Samples
from inr.layers.activations import ActivationConfig
from inr.layers.folding import linears_of
from inr.layers.initialisers._base import INITIALISERS, InitialiserConfig
from inr.layers.linear import Linear
from inr.layers.linear.dense import DenseLinear

_ROWS = 2**9  # rows whose features fit into the cache
_BLOCK = 2**9


@INITIALISERS.register("least_squares")
@dataclass(frozen=True, kw_only=True)
class LeastSquares(InitialiserConfig):
    """W, b = argmin sum_n |W h_n + b - y_n|^2 + ridge t |W|^2, for the features h_n before the last linear map.

    t is the mean square length of a feature over the samples, sum_n |h_n|^2 / H. Solved in float64 by normal equations,
    on at most `max_samples` samples. The layers before it use the initialisation of the activation. The result is
    optimal only with a linear head.
    """

    ridge: float = param(1e-10, "regularisation, relative to the mean diagonal of the normal equations", gt=0)
    max_samples: int = param(2**15, "largest number of samples; more are subsampled at random", ge=1)

    def apply(self, network: nn.Module, activation: ActivationConfig, generator: Generator) -> None:
        for linear in linears_of(network):
            activation.init_linear(linear, generator)

    def initialise(
        self, network: nn.Module, activation: ActivationConfig, samples: Samples, generator: Generator
    ) -> None:
        last = _last(network)
        x, y = samples.subset(self.max_samples, generator)
        twin = copy.deepcopy(network).double()
        seen: list[Tensor] = []
        _last(twin).register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
        has_bias = last.bias is not None
        n = last.d_in + has_bias
        equations = NormalEquations(n, y.shape[-1])
        with torch.no_grad():
            for part, values in zip(torch.split(x.double(), _ROWS), torch.split(y.double(), _ROWS), strict=True):
                seen.clear()
                twin(part)
                h = torch.cat([seen[0], torch.ones(len(part), 1, dtype=torch.float64)], -1)[:, :n]
                equations.add(h, values)
            solution = equations.solve(self.ridge, last.d_in)
            last.assign(solution[: last.d_in].T.to(last.weight))
            if last.bias is not None:
                last.bias.copy_(solution[-1])


class NormalEquations:
    """Sums of F^T F and F^T y over parts of the rows of F [N, n] and y [N, C], in float64.

    Only the blocks of F^T F on and below the diagonal are computed. Memory: n^2 numbers here, and 2 n^2 more in
    `solve`; a part of _ROWS rows is small in comparison.
    """

    def __init__(self, n: int, n_values: int) -> None:
        self.gram = torch.zeros(n, n, dtype=torch.float64)
        self.right = torch.zeros(n, n_values, dtype=torch.float64)

    def add(self, features: Tensor, values: Tensor) -> None:
        transposed = features.T
        self.right.addmm_(transposed, values)
        for start in range(0, len(self.gram), _BLOCK):
            rows = slice(start, start + _BLOCK)
            stop = start + _BLOCK
            self.gram[rows, :stop].addmm_(transposed[rows], features[:, :stop])

    def solve(self, ridge: float, n_penalised: int, added: float = 0.0) -> Tensor:  # [n, C]
        """The solution of (F^T F + (added + ridge t) I) w = F^T y, t the mean diagonal of F^T F + added I.

        The first `n_penalised` unknowns get the ridge, the others 1e-14 of the mean diagonal. Uses the Cholesky
        decomposition and one step of iterative refinement. If the matrix is not numerically positive definite, uses
        its eigendecomposition without the eigenvalues below 1e-15 of the largest.
        """
        gram = self.gram
        diagonal = gram.diagonal()
        diagonal[:n_penalised] += added
        penalty = torch.full_like(diagonal, 1e-14) * diagonal.mean()
        penalty[:n_penalised] = ridge * diagonal[:n_penalised].mean()
        diagonal += penalty
        factor, fails = torch.linalg.cholesky_ex(gram)
        pivots = factor.diagonal().square()
        if not fails and pivots.min() > 1e-15 * diagonal.max():
            solution = torch.cholesky_solve(self.right, factor)
            return solution + torch.cholesky_solve(self.right - _times_symmetric(gram, solution), factor)
        values, vectors = torch.linalg.eigh(gram)
        scale = torch.where(values > 1e-15 * values[-1], values, torch.inf).reciprocal()
        found: Tensor = vectors @ (scale[:, None] * (vectors.T @ self.right))
        return found


def _times_symmetric(lower: Tensor, columns: Tensor) -> Tensor:
    """A @ columns, for a symmetric A given by its lower triangle."""
    below = lower.tril()
    product: Tensor = below @ columns
    below.diagonal().zero_()
    return product + below.T @ columns


def _last(network: nn.Module) -> DenseLinear:
    found: Iterator[Linear] = (linear for linear in linears_of(network) if linear.role == "last")
    every = list(found)
    if len(every) != 1 or not isinstance(every[0], DenseLinear):
        raise ConfigError(
            [
                "init 'least_squares' needs exactly one last linear map of type 'dense', "
                f"found {len(every)} last linear maps"
            ]
        )
    return every[0]
