"""Noisy rounding in Triton: value and slope in one pass, including the noise. Results are deterministic."""

# mypy: disable-error-code=untyped-decorator

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from inr.kernels._cuda.launch import block, start
from inr.kernels._cuda.sine_triton import sine_cosine
from inr.kernels.noisy_round import height, keys
from inr.kernels.noisy_round._derivatives import differentiable


@triton.jit
def _mixed(x: tl.tensor) -> tl.tensor:
    """lowbias32, in whole numbers of 32 bits."""
    x = (x ^ (x >> 16)) * 0x7FEB352D
    x = (x ^ (x >> 15)) * 0x846CA68B
    return x ^ (x >> 16)


@triton.jit
def _stair(x: tl.tensor, sharpness: tl.tensor, height: tl.tensor) -> tl.tensor:
    """s_T(x) and its slope, from e = exp(-2 |z|): tanh |z| = (1 - e) / (1 + e), and its slope 4 e / (1 + e)^2."""
    below = tl.floor(x)
    z = (x - below - 0.5) * sharpness
    e = tl.exp(-2 * tl.abs(z))
    by = 1 / (1 + e)
    tanh = (1 - e) * by
    return below + 0.5 + height * tl.where(z < 0, -tanh, tanh), height * sharpness * 4 * e * by * by


@triton.jit(do_not_specialize=["n", "one", "two", "first"])
def rounded(
    x: tl.tensor,
    out: tl.tensor,
    slope: tl.tensor,
    n: tl.tensor,
    one: tl.tensor,
    two: tl.tensor,
    first: tl.tensor,
    sharpness: tl.tensor,
    height: tl.tensor,
    deviation: tl.tensor,
    BLOCK: tl.constexpr,
) -> None:
    """one, two, first: words of 32 bits, as the signed numbers of the same bits."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    k = first.to(tl.uint32) + at.to(tl.uint32)
    pair = (k // 32) * 16 + k % 16
    a = _mixed(_mixed(pair ^ one.to(tl.uint32)) + two.to(tl.uint32))
    b = _mixed(a + 0x9E3779B9)
    u = ((a >> 9).to(tl.float32) + 0.5) * 1.1920928955078125e-07
    sine, cosine = sine_cosine((b >> 9).to(tl.float32) * 7.490141132920736e-07)
    noise = deviation * tl.sqrt(-2 * tl.log(u)) * tl.where((k // 16) % 2 == 0, cosine, sine)
    inner, inner_slope = _stair(tl.load(x + at, mask=at < n, other=0), sharpness, height)
    outer, outer_slope = _stair(inner + noise, sharpness, height)
    tl.store(out + at, outer, mask=at < n)
    tl.store(slope + at, outer_slope * inner_slope, mask=at < n)


def _evaluate(
    x: Tensor, temperature: float, deviation: float, seed: int, step: int, first: int
) -> tuple[Tensor, Tensor]:
    x = x.contiguous()
    out, slope, rows = torch.empty_like(x), torch.empty_like(x), block(1024, 4096)
    words = [_signed(word) for word in (*keys(seed, step), first)]
    factors = 1 / temperature, height(temperature), float(deviation)
    start(rounded, (-(-x.numel() // rows),), x, x, out, slope, x.numel(), *words, *factors, BLOCK=rows)
    return out, slope


def _signed(word: int) -> int:
    return word - 2**32 if word >= 2**31 else word


def noisy_round(x: Tensor, temperature: float, deviation: float, seed: int, step: int, first: int) -> Tensor:
    """See `inr.kernels.noisy_round.noisy_round`."""
    return differentiable(x, (temperature, deviation, seed, step, first), _evaluate)
