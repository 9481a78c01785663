"""Leading eigenpairs of a symmetric map by Lanczos with full reorthogonalisation.  Golub and Van Loan, chapter 10."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from inr.core.errors import UsageError

Product = Callable[[Tensor], Tensor]
"""v [n] -> K v [n] for a symmetric K."""


@dataclass(frozen=True)
class Eigenpairs:
    """values: the k largest eigenvalues, descending [k]. vectors: [n, k]. residuals: |K u - l u| of each [k].

    steps: number of products. has_converged: whether every residual is at most the tolerance times its eigenvalue.
    """

    values: Tensor
    vectors: Tensor
    residuals: Tensor
    steps: int
    has_converged: bool


@dataclass(frozen=True)
class Density:
    """The density of eigenvalues as point masses: the mean of g over the spectrum is about sum_i weights_i g(nodes_i).

    nodes: [m], weights: [m], >= 0 and of sum 1.
    """

    nodes: Tensor
    weights: Tensor


def lanczos(
    product: Product, n: int, k: int, generator: Generator, *, tolerance: float = 1e-3, steps: int | None = None
) -> Eigenpairs:
    """The k largest eigenpairs of a positive semi-definite K [n, n].

    q_1 random; w = K q_j - alpha_j q_j - beta_(j-1) q_(j-1), made orthogonal to all q twice; beta_j = |w|. Ritz pairs
    of the tridiagonal matrix (alpha, beta); the residual of one is beta_m |last entry of its vector|. Stops when all k
    residuals are at most tolerance times their value, when beta_j < 1e-10 max |alpha| (an invariant space: the result
    is exact except for eigenvalues of higher multiplicity), or after `steps` products (None: 4 k + 40, at most n).
    Memory: 8 n steps bytes. Raises UsageError unless 1 <= k <= n.
    """
    if not 1 <= k <= n:
        raise UsageError(f"k is {k}, expected 1 to the size of the kernel ({n})")
    most = min(n, 4 * k + 40 if steps is None else max(k, steps))
    basis, alpha, beta = _tridiagonal(product, _unit(n, generator), most, k, tolerance)
    values, ritz = torch.linalg.eigh(_matrix(alpha, beta))
    values, ritz = values.flip(0)[:k], ritz.flip(1)[:, :k]
    residuals = beta[-1] * ritz[-1].abs()
    return Eigenpairs(values, basis @ ritz, residuals, len(alpha), bool((residuals <= tolerance * values.abs()).all()))


def density(product: Product, n: int, generator: Generator, *, probes: int = 10, steps: int = 80) -> Density:
    """Stochastic Lanczos quadrature: per random start, Ritz values weighted by their vectors' first entries squared.

    tr g(K) is about n sum_i weights_i g(nodes_i); of relative error about sqrt(2 / (probes n)) for flat spectra.
    """
    nodes, weights = [], []
    for _ in range(probes):
        signs = torch.randint(2, (n,), generator=generator).double() * 2 - 1
        _, alpha, beta = _tridiagonal(product, signs / n**0.5, min(n, steps), None, 0.0)
        values, ritz = torch.linalg.eigh(_matrix(alpha, beta))
        nodes.append(values)
        weights.append(ritz[0].square() / probes)
    return Density(torch.cat(nodes), torch.cat(weights))


def krylov(product: Product, start: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Orthonormal rows Q [k, n] that span {q, K q, K^2 q, ...} from a unit vector q [n], and Q K Q^T [k, k].

    k: `steps`, or fewer if the space has fewer dimensions. Full reorthogonalisation, in float64.
    """
    basis, alpha, beta = _tridiagonal(product, start, min(len(start), steps), None, 0.0)
    return basis.T, _matrix(alpha, beta)


def _unit(n: int, generator: Generator) -> Tensor:
    return nn.functional.normalize(torch.randn(n, generator=generator, dtype=torch.float64), dim=0)


def _tridiagonal(
    product: Product, start: Tensor, most: int, k: int | None, tolerance: float
) -> tuple[Tensor, list[float], list[float]]:
    """Basis [n, m], alpha [m], beta [m] (the last is the length of the residual)."""
    basis = torch.zeros(len(start), most, dtype=torch.float64)
    alpha: list[float] = []
    beta: list[float] = []
    q = start
    for j in range(most):
        basis[:, j] = q
        w = product(q).detach().to("cpu", torch.float64).reshape(-1)
        alpha.append(float(q @ w))
        seen = basis[:, : j + 1]
        for _ in range(2):
            w = w - seen @ (seen.T @ w)
        beta.append(float(w.norm()))
        if beta[-1] <= 1e-10 * max(map(abs, alpha)):
            break
        if k is not None and k <= j + 1 < most and (j + 1) % 10 == 0:
            values, ritz = torch.linalg.eigh(_matrix(alpha, beta))
            if bool((beta[-1] * ritz[-1, -k:].abs() <= tolerance * values[-k:].abs()).all()):
                break
        q = w / beta[-1]
    return basis[:, : len(alpha)], alpha, beta


def _matrix(alpha: list[float], beta: list[float]) -> Tensor:
    t = torch.diag(torch.tensor(alpha, dtype=torch.float64))
    off = torch.tensor(beta[:-1], dtype=torch.float64)
    whole: Tensor = t + torch.diag(off, 1) + torch.diag(off, -1)
    return whole
