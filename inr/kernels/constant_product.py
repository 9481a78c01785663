"""The product of trained numbers with a constant matrix, in the precision that is in effect."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from inr.kernels._autograd import applied
from inr.kernels._dispatch import is_functional
from inr.kernels.precision import precision


class _Bf16Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.b = b.bfloat16()
        product: Tensor = a.bfloat16() @ ctx.b
        return product.float()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        by_a = grads[0].bfloat16() @ ctx.b.t()
        return by_a.float(), None


def constant_product(a: Tensor, b: Tensor) -> Tensor:
    """a b for a [n, m] and a constant b [m, k]; no gradient by b.

    With precision bfloat16 on a CPU, a, b and the products are rounded to bf16; sums are in float32.
    """
    is_plain = precision() != "bfloat16" or a.device.type != "cpu" or a.dtype != torch.float32
    return a @ b if is_plain or is_functional(a, b) else applied(_Bf16Product, a, b)
