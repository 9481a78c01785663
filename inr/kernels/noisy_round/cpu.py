"""Noisy rounding on the CPU, compiled by numba: value and slope in one pass, including the noise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inr.kernels.elementary import exp, log, sine_cosine
from inr.kernels.noisy_round import height, keys
from inr.kernels.noisy_round._derivatives import differentiable
from inr.kernels.threads import compiled, in_parts

Array = NDArray[Any]

PAIRS = 16
BLOCK = 2 * PAIRS  # the numbers of so many pairs are stored together
LEAST_BLOCKS_PER_THREAD = 256
TURN = 2 * math.pi / 2**23


@compiled
def _mixed(x: Any) -> Any:
    x = np.uint32(x ^ (x >> np.uint32(16)))
    x = np.uint32(x * np.uint32(0x7FEB352D))
    x = np.uint32(x ^ (x >> np.uint32(15)))
    x = np.uint32(x * np.uint32(0x846CA68B))
    return np.uint32(x ^ (x >> np.uint32(16)))


@compiled
def _noise(block: int, one: Any, two: Any, deviation: Any, out: Array) -> None:
    """The noise of one block."""
    real = out.dtype.type
    base = np.uint32(block * PAIRS)
    for j in range(PAIRS):
        a = _mixed(np.uint32(_mixed(np.uint32(np.uint32(base + np.uint32(j)) ^ one)) + two))
        b = _mixed(np.uint32(a + np.uint32(0x9E3779B9)))
        u = (real(np.int32(a >> np.uint32(9))) + real(0.5)) * real(2.0**-23)
        sine, cosine = sine_cosine(real(np.int32(b >> np.uint32(9))) * real(TURN))
        radius = deviation * np.sqrt(real(-2) * log(u))
        out[j] = radius * cosine
        out[PAIRS + j] = radius * sine


@compiled
def _floor(x: Any) -> Any:
    """np.floor, in a form that vectorises: all numbers from `large` on are whole."""
    real = type(x)
    large = real(2.0**22) if real(1) + real(2.0**-30) == real(1) else real(2.0**51)
    below = (x + real(3) * large) - real(3) * large
    below = below - real(1) if below > x else below
    return below if abs(x) < large else np.floor(x)


@compiled
def rounded(
    x: Array,
    sharpness: Any,
    height: Any,
    deviation: Any,
    one: Any,
    two: Any,
    first: int,
    start: int,
    stop: int,
    out: Array,
    slope: Array,
) -> None:
    """Blocks start..stop of the noise, whose numbers from `first` on belong to x."""
    real = x.dtype.type
    noise = np.empty(BLOCK, x.dtype)
    steepness = height * sharpness * height * sharpness
    half, unit, two_ = real(0.5), real(1), real(2)
    for block in range(start, stop):
        _noise(block, one, two, deviation, noise)
        begin, end = max(block * BLOCK, first), min((block + 1) * BLOCK, first + len(x))
        numbers, values = x[begin - first : end - first], out[begin - first : end - first]
        slopes, added = slope[begin - first : end - first], noise[begin - block * BLOCK : end - block * BLOCK]
        for i in range(end - begin):
            below = _floor(numbers[i])
            tanh = unit - two_ / (exp(two_ * sharpness * (numbers[i] - below - half)) + unit)
            y = below + half + height * tanh + added[i]
            below = _floor(y)
            outer = unit - two_ / (exp(two_ * sharpness * (y - below - half)) + unit)
            values[i] = below + half + height * outer
            slopes[i] = steepness * (unit - tanh * tanh) * (unit - outer * outer)


def _evaluate(
    x: Tensor, temperature: float, deviation: float, seed: int, step: int, first: int
) -> tuple[Tensor, Tensor]:
    x = x.contiguous()
    value, slope = torch.empty_like(x), torch.empty_like(x)
    numbers = x.view(-1).numpy()
    real = numbers.dtype.type
    factors = real(1 / temperature), real(height(temperature)), real(deviation)
    one, two = (np.uint32(key) for key in keys(seed, step))
    out, slopes = value.view(-1).numpy(), slope.view(-1).numpy()
    begin, end = first // BLOCK, -(-(first + len(numbers)) // BLOCK)
    kernel: Any = rounded

    def work(part: int, parts: int) -> None:
        start, stop = (begin + (end - begin) * k // parts for k in (part, part + 1))
        kernel(numbers, *factors, one, two, first, start, stop, out, slopes)

    in_parts(work, end - begin, least=LEAST_BLOCKS_PER_THREAD)
    return value, slope


def noisy_round(x: Tensor, temperature: float, deviation: float, seed: int, step: int, first: int) -> Tensor:
    """See `inr.kernels.noisy_round.noisy_round`."""
    return differentiable(x, (temperature, deviation, seed, step, first), _evaluate)
