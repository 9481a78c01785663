"""Networks that one kernel runs as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from torch import Tensor

from inr.kernels.relu_mlp import relu_mlp
from inr.layers import Cell, Linear
from inr.layers.affine import AffineCell
from inr.layers.relu import ReluActivation


class ReluNetwork:
    """Linear maps with nothing but relu between them."""

    def __init__(self, linears: Sequence[Linear]) -> None:
        self.linears = linears

    @classmethod
    def of(cls, cells: Sequence[Cell], last: Linear) -> Self | None:
        """The network of these parts, if it has this form."""
        linears: list[Linear] = []
        for cell in cells:
            if not (type(cell) is AffineCell and type(cell.activation) is ReluActivation):
                return None
            linears.append(cell.linear)
        return cls([*linears, last]) if linears else None

    def parameters(self) -> tuple[list[Tensor], list[Tensor | None]]:
        """Matrices and biases, first to last."""
        weights, biases = zip(*(linear.effective() for linear in self.linears), strict=True)
        return list(weights), list(biases)

    def __call__(self, h: Tensor) -> Tensor:
        """h [*B, d_in] -> [*B, d_out]."""
        return relu_mlp(h.reshape(-1, h.shape[-1]), *self.parameters()).reshape(*h.shape[:-1], self.linears[-1].d_out)
