"""A step of Adam for touched entries on the CPU, compiled by numba: one pass over the gradient, which skips blocks
without any."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from inr.kernels.threads import compiled, in_parts
from inr.kernels.touched_adam import Rates, reference

Array = NDArray[Any]

LEAST_PER_THREAD = 1 << 15
BLOCK = 32
"""Entries whose gradients are looked at together."""


@compiled
def moved(
    p: Array,
    m: Array,
    v: Array,
    mark: Array,
    g: Array,
    bits: Array,
    lr: float,
    eps: float,
    first: Array,
    second: Array,
    step: int,
    is_counting: bool,
    start: int,
    stop: int,
) -> None:
    """Entries start..stop. bits: g as whole numbers. first, second: powers 0 to `step` of the decays, in float64.

    Most blocks have no gradient at all, which whole numbers show fastest. Marks of a damaged file stay within the
    powers.
    """
    real = p.dtype.type
    one, eps_ = real(1), real(eps)
    new1, new2 = one - real(first[1]), one - real(second[1])
    size, by = real(lr / (1 - first[step])), real(1 / (1 - second[step]))
    for begin in range(start, stop, BLOCK):
        end = min(begin + BLOCK, stop)
        any_bit = bits[begin]
        for word in bits[begin:end]:
            any_bit |= word
        if any_bit == 0:
            continue
        for i in range(begin, end):
            x = g[i]
            if x == 0:
                continue
            before = int(mark[i])
            k, n = max(1, min(step - before, step)), step
            if is_counting:
                k, n = 1, max(1, min(before + 1, step))
                size, by = real(lr / (1 - first[n])), real(1 / (1 - second[n]))
            m[i] = real(first[k]) * m[i] + new1 * x
            v[i] = real(second[k]) * v[i] + new2 * x * x
            mark[i] = n
            p[i] -= size * m[i] / (np.sqrt(v[i] * by) + eps_)


@lru_cache(maxsize=8)
def _powers(base: float, n: int) -> Array:
    """base^0, ..., base^(n - 1)."""
    return np.power(base, np.arange(n, dtype=np.float64))


def touched_adam(
    p: Tensor, m: Tensor, v: Tensor, mark: Tensor, g: Tensor, rates: Rates, step: int, is_counting: bool
) -> None:
    """See `inr.kernels.touched_adam.touched_adam`."""
    if not all(tensor.is_contiguous() for tensor in (p, m, v, mark)):
        reference.touched_adam(p, m, v, mark, g, rates, step, is_counting)
        return
    numbers = [tensor.detach().view(-1).numpy() for tensor in (p, m, v, mark, g.contiguous())]
    bits = numbers[4].view(f"i{numbers[4].itemsize}")
    length = 1 << step.bit_length()  # above `step`, and the same for many steps
    powers = _powers(rates.b1, length), _powers(rates.b2, length)
    kernel: Any = moved

    def work(part: int, parts: int) -> None:
        start, stop = (p.numel() * k // parts for k in (part, part + 1))
        kernel(*numbers, bits, rates.lr, rates.eps, *powers, step, is_counting, start, stop)

    in_parts(work, p.numel(), least=LEAST_PER_THREAD)
