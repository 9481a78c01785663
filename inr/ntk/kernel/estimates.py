"""Numbers of a large symmetric matrix from a few products: trace, Frobenius norm, a low-rank approximation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from inr.core.errors import UsageError
from inr.ntk.kernel.lanczos import Product


@dataclass(frozen=True)
class Estimate:
    """value, and its standard error over the probes (nan for one probe)."""

    value: float
    error: float


@dataclass(frozen=True)
class LowRankKernel:
    """K ~ U diag(values) U^T: values descending [m], vectors U [n, m] orthonormal."""

    values: Tensor
    vectors: Tensor


def hutchinson(product: Product, n: int, probes: int, generator: Generator) -> Estimate:
    """tr K = E z^T K z for random signs z.  Hutchinson 1990. Relative error about sqrt(2 / probes) |K|_F / tr K."""
    return _estimate([float(z @ _of(product, z)) for z in _signs(n, probes, generator)])


def hutch_pp(product: Product, n: int, probes: int, generator: Generator) -> Estimate:
    """tr K = tr Q^T K Q + E z^T (I - Q Q^T) K (I - Q Q^T) z with Q an orthonormal basis of K S, S random signs.

    Meyer, Musco, Musco and Woodruff 2021, arXiv:2010.09649. A third of the `probes` products each goes into the sketch,
    its trace, and the rest. The error falls like 1 / probes, Hutchinson's like 1 / sqrt(probes). At least 3 probes.
    """
    m = probes // 3
    if m < 1:
        raise UsageError(f"`probes` is {probes}, expected at least 3")
    sketch = torch.stack([_of(product, z) for z in _signs(n, min(m, n), generator)], dim=1)
    q = torch.linalg.qr(sketch).Q
    caught = sum(float(column @ _of(product, column)) for column in q.T)
    rests = []
    for z in _signs(n, m, generator):
        r = z - q @ (q.T @ z)
        rests.append(float(r @ _of(product, r)))
    rest = _estimate(rests)
    return Estimate(caught + rest.value, rest.error)


def squared_frobenius(product: Product, n: int, probes: int, generator: Generator) -> Estimate:
    """|K|_F^2 = tr K^2 = E |K z|^2 for random signs z."""
    return _estimate([float(_of(product, z).square().sum()) for z in _signs(n, probes, generator)])


def nystrom(columns: Tensor, landmarks: Tensor) -> LowRankKernel:
    """K ~ C W^-1 C^T from the columns C = K[:, L] of some landmarks and W = K[L, L], shifted so that W is invertible.

    nu = sqrt(n) eps |C|_2, B = (C + nu E) chol(W + nu)^-T, values sigma(B)^2 - nu (at least 0), vectors those of B.
    Tropp, Yurtsever, Udell and Cevher 2017, arXiv:1706.05736. Choose landmarks at random, as a regular stride aliases.

    columns: [n, m]. landmarks: the rows [m] (int64) that the columns belong to.
    """
    c = columns.double()
    nu = len(c) ** 0.5 * torch.finfo(torch.float64).eps * float(torch.linalg.matrix_norm(c, 2))
    shifted = c.clone()
    shifted[landmarks, torch.arange(len(landmarks))] += nu
    w = shifted[landmarks]
    root = torch.linalg.cholesky((w + w.T) / 2)
    b = torch.linalg.solve_triangular(root, shifted.T, upper=False).T
    u, s, _ = torch.linalg.svd(b, full_matrices=False)
    return LowRankKernel((s.square() - nu).clamp_min(0), u)


def _of(product: Callable[[Tensor], Tensor], v: Tensor) -> Tensor:
    return product(v).detach().to("cpu", torch.float64).reshape(-1)


def _signs(n: int, count: int, generator: Generator) -> list[Tensor]:
    if count < 1:
        raise UsageError(f"`probes` is {count}, expected at least 1")
    return [torch.randint(2, (n,), generator=generator).double() * 2 - 1 for _ in range(count)]


def _estimate(draws: list[float]) -> Estimate:
    values = torch.tensor(draws, dtype=torch.float64)
    error = float(values.std() / len(draws) ** 0.5) if len(draws) > 1 else float("nan")
    return Estimate(float(values.mean()), error)
