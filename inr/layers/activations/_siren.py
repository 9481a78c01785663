"""The initialisation of sine layers, for sines and their variants.  Sitzmann et al. 2020."""

from __future__ import annotations

import math

import torch
from torch import Generator

from inr.layers.linear import Linear


def init_weight(linear: Linear, omega: float, generator: Generator) -> None:
    """W ~ U(+-1/fan_in) in the first layer, else U(+-sqrt(6/fan_in)/omega)."""
    bound = 1.0 / linear.d_in if linear.role == "first" else math.sqrt(6.0 / linear.d_in) / omega
    linear.assign(torch.empty(linear.d_out, linear.d_in).uniform_(-bound, bound, generator=generator))


def init_first_bias(linear: Linear, k: float | None, generator: Generator) -> None:
    """b ~ U(+-k) in the first layer, if k is given."""
    if linear.role == "first" and k is not None:
        linear.assign_bias(torch.empty(linear.d_out).uniform_(-k, k, generator=generator))
