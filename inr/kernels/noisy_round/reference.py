"""Noisy rounding in plain torch: the definition that every other backend is measured against."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inr.kernels.noisy_round import height, keys

WORD = 2**32 - 1


def noisy_round(x: Tensor, temperature: float, deviation: float, seed: int, step: int, first: int) -> Tensor:
    """See `inr.kernels.noisy_round.noisy_round`. Any device and dtype, any order of derivative."""
    n = deviation * noise(x.numel(), seed, step, first, x.device).to(x.dtype).reshape(x.shape)
    return staircase(staircase(x, temperature) + n, temperature)


def staircase(x: Tensor, temperature: float) -> Tensor:
    """s_T."""
    below = x.detach().floor()
    return below + 0.5 + height(temperature) * torch.tanh((x - below - 0.5) / temperature)


def noise(count: int, seed: int, step: int, first: int, device: torch.device) -> Tensor:  # [count]
    """Numbers first, first + 1, ... of the noise that belongs to a step, of deviation 1, in float64."""
    k = torch.arange(first, first + count, device=device)
    one, two = keys(seed, step)
    pair = 16 * (k // 32) + k % 16
    a = _mixed((_mixed(pair ^ one) + two) & WORD)
    b = _mixed((a + 0x9E3779B9) & WORD)
    radius = torch.sqrt(-2 * torch.log(((a // 512).double() + 0.5) / 2**23))
    angle = 2 * math.pi * ((b // 512).double() / 2**23)
    return radius * torch.where(k // 16 % 2 == 0, torch.cos(angle), torch.sin(angle))


def _mixed(x: Tensor) -> Tensor:
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & WORD
    x = ((x ^ (x >> 15)) * 0x846CA68B) & WORD
    return x ^ (x >> 16)
