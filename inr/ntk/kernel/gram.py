"""Inner products of structured gradients."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor

from inr.core.gradient_factors import Factor, Part, Rows, SparseRows


def gram(left: Sequence[Factor], right: Sequence[Factor]) -> Tensor:
    """[C, C', n, n'], the points of `left` with those of `right`: the sum over factors, which are in the same order."""
    total: Tensor | None = None
    for a, b in zip(left, right, strict=True):
        for part in a.parts:
            for other in b.parts:
                term = _part_gram(part, other, a.weight)
                total = term if total is None else total.add_(term)
    assert total is not None, "a unit has at least one factor"
    return total


def squared_norms(factors: Sequence[Factor]) -> Tensor:
    """[C, n]: the diagonal of `gram`."""
    total: Tensor | None = None
    for f in factors:
        for part in f.parts:
            for other in f.parts:
                term = _row_products(_weighted(part.cotangent, f.weight), other.cotangent)
                for a, b in zip(part.rows, other.rows, strict=True):
                    term = term * _row_products(a, b)
                total = term if total is None else total + term
    assert total is not None, "a unit has at least one factor"
    return total


def width(factors: Sequence[Factor]) -> int:
    """How many numbers the factors of one point have."""
    return sum(
        sum(2 * r.indices.shape[1] if isinstance(r, SparseRows) else r.shape[1] for r in part.rows)
        + part.cotangent.shape[0] * part.cotangent.shape[2]
        for f in factors
        for part in f.parts
    )


def _part_gram(a: Part, b: Part, weight: Tensor | None) -> Tensor:
    channels, n, q = a.cotangent.shape
    others, m, _ = b.cotangent.shape
    flat = _weighted(a.cotangent, weight).reshape(channels * n, q)
    term = (flat @ b.cotangent.reshape(others * m, q).T).reshape(channels, n, others, m).transpose(1, 2)
    if a.rows:
        term.mul_(reduce(torch.mul, [_rows_gram(r, s) for r, s in zip(a.rows, b.rows, strict=True)]))
    return term


def _weighted(cotangent: Tensor, weight: Tensor | None) -> Tensor:
    return cotangent if weight is None else cotangent * weight


def _rows_gram(a: Rows, b: Rows) -> Tensor:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a @ b.T
    assert isinstance(a, SparseRows)
    assert isinstance(b, SparseRows)
    product = (_csr(a) @ _csr(b).T).toarray()
    return torch.from_numpy(product).to(a.weights)


def _row_products(a: Rows, b: Rows) -> Tensor:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        products: Tensor = torch.linalg.vecdot(a, b)
        return products
    assert isinstance(a, SparseRows)
    assert isinstance(b, SparseRows)
    same = a.indices.unsqueeze(-1) == b.indices.unsqueeze(-2)
    return (same * a.weights.unsqueeze(-1) * b.weights.unsqueeze(-2)).sum((-1, -2))


def _csr(rows: SparseRows):  # type: ignore[no-untyped-def]
    from scipy.sparse import csr_matrix

    n, k = rows.indices.shape
    starts = torch.arange(0, n * k + 1, k).numpy()
    data, columns = rows.weights.reshape(-1).cpu().numpy(), rows.indices.reshape(-1).cpu().numpy()
    return csr_matrix((data, columns, starts), shape=(n, rows.size))
