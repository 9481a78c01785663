"""The sine in Triton: values, first and second derivatives, each in one pass over memory."""

# mypy: disable-error-code=untyped-decorator

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from inr.kernels._cuda.launch import block, start
from inr.kernels._cuda.sine_triton import sine_cosine
from inr.kernels.sine._derivatives import differentiable


@triton.jit
def value(z: tl.tensor, out: tl.tensor, n: tl.tensor, omega: tl.tensor, BLOCK: tl.constexpr) -> None:
    """out = sin(omega z)."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    sine, _ = sine_cosine(omega * tl.load(z + at, mask=at < n, other=0))
    tl.store(out + at, sine, mask=at < n)


@triton.jit
def slope(z: tl.tensor, g: tl.tensor, out: tl.tensor, n: tl.tensor, omega: tl.tensor, BLOCK: tl.constexpr) -> None:
    """out = omega g cos(omega z)."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    _, cosine = sine_cosine(omega * tl.load(z + at, mask=at < n, other=0))
    tl.store(out + at, omega * tl.load(g + at, mask=at < n, other=0) * cosine, mask=at < n)


class _Passes:
    def value(self, omega: float, z: Tensor) -> Tensor:
        out = torch.empty(z.shape, dtype=z.dtype, device=z.device)
        return _start(value, (z.contiguous(), out), omega)

    def slope(self, omega: float, z: Tensor, g: Tensor) -> Tensor:
        out = torch.empty(z.shape, dtype=z.dtype, device=z.device)
        return _start(slope, (z.contiguous(), g.contiguous(), out), omega)


def _start(kernel: object, tensors: tuple[Tensor, ...], omega: float) -> Tensor:
    out, rows = tensors[-1], block(1024, 4096)
    # The product omega z is rounded before it meets the sine, as in torch.
    start(kernel, (-(-out.numel() // rows),), out, *tensors, out.numel(), float(omega), BLOCK=rows)
    return out


def sine(z: Tensor, omega: float) -> Tensor:
    """See `inr.kernels.sine.sine`."""
    return differentiable(z, omega, _Passes())
