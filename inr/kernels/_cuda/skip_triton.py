"""A rectified network with a linear skip in Triton: `mlp_triton`, and the skip connection.

    y = W_n relu( ... relu(W_1 x + b_1) ... ) + b_n + V x

Every sum has one order.
"""

# mypy: disable-error-code=untyped-decorator

from __future__ import annotations

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from inr.kernels._cuda.launch import block, start
from inr.kernels._cuda.mlp_triton import Network


@triton.jit
def add_product(
    matrix: tl.tensor,
    x: tl.tensor,
    out: tl.tensor,
    n: tl.tensor,
    by_row: tl.tensor,
    by_column: tl.tensor,
    x_by_point: tl.tensor,
    x_by_column: tl.tensor,
    out_by_point: tl.tensor,
    out_by_row: tl.tensor,
    COLUMNS: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """out[n, r] += sum_k matrix[r, k] x[n, k]; a program per block of points and row."""
    point = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    row, is_point = tl.program_id(1).to(tl.int64), point < n
    target = out + point * out_by_point + row * out_by_row
    total = tl.load(target, mask=is_point, other=0)
    for k in range(COLUMNS):
        column = tl.full([], k, tl.int64)
        factor = tl.load(matrix + row * by_row + column * by_column)
        total += factor * tl.load(x + point * x_by_point + column * x_by_column, mask=is_point, other=0)
    tl.store(target, total, mask=is_point)


class SkipNetwork:
    """A network of at least one hidden layer; all of it in float32."""

    def __init__(self, weights: Sequence[Tensor], biases: Sequence[Tensor], skip: Tensor) -> None:
        self._network, self._skip = Network(weights, biases, None, "float32"), skip

    def values(self, x: Tensor, *, is_kept: bool) -> tuple[Tensor, Tensor]:
        """y [N, C] of x [N, K], and what `gradients` needs, which is empty unless kept."""
        y, kept, _ = self._network.values(x, is_kept=is_kept)
        _add(self._skip, x, y)
        return y, kept

    def gradients(self, x: Tensor, g: Tensor, kept: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor], Tensor]:
        """By x, weights, biases and the skip."""
        count = 1 + 2 * (self._network.hidden + 1)
        by_x, *found = [t for t in self._network.gradients(x, g, kept, kept, [True] * count) if t is not None]
        _add(self._skip.t(), g, by_x)
        rows, columns = self._skip.shape
        products, _ = self._network.correlate(g[None], x[None], torch.ones((), device=g.device), "float32")
        return by_x, found[::2], found[1::2], products[0, :rows, :columns]


def _add(matrix: Tensor, x: Tensor, out: Tensor) -> None:
    """out += x matrix^T."""
    points = block(256)
    start(
        add_product, (-(-len(x) // points), len(matrix)), x, matrix, x, out, len(x), *matrix.stride(), *x.stride(),
        *out.stride(), COLUMNS=matrix.shape[1], BLOCK=points,
    )  # fmt: skip
