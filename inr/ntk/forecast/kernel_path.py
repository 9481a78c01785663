"""A run followed along kernels that were read at some of its steps, with linear changes between them.

    dr/dt = -(2 lr / M) c(t) Theta(t) r,        Theta(t) = (1 - s) Theta_j + s Theta_(j+1)
    s = (t - t_j) / (t_(j+1) - t_j)

c is the schedule's factor. Each kernel acts for the integral of its weight, at either side of its step:

    r(t_j) = exp(-a_j Theta_j) exp(-b_(j-1) Theta_(j-1)) r(t_(j-1))
    a_j = 2 lr / M int c s dt over the interval before,     b_j = 2 lr / M int c (1 - s) dt over the one after

which is exact for kernels that commute, and else of second order (Magnus 1954; Strang 1968). The exponentials are taken
in the Krylov space of the residual (Hochbruck and Lubich 1997). With momentum, modes fall as `slowed` says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from inr.ntk.kernel.lanczos import Product, krylov

PRODUCTS = 24
"""With each kernel. With 10, slow modes seem faster: runs of 300 steps were forecast up to 20 dB too low."""
NODES = 64
"""Of the integrals over an interval, by the midpoint rule."""


class KernelPath:
    """The residual along a run; `take` is given the kernel at each of `steps` in turn.

    residual: r [M] at the first of the steps, which ascend. lr: of the run; kernels of Adam are those with its
    preconditioner. factor: of the schedule at a step. momentum: the decay of the mean of gradients.
    """

    def __init__(
        self,
        residual: Tensor,
        steps: Sequence[int],
        lr: float,
        factor: Callable[[float], float],
        momentum: float = 0.0,
        products: int = PRODUCTS,
    ) -> None:
        self._ahead = residual.detach().double().reshape(-1).cpu()
        self._steps, self._products, self._done = steps, products, 0
        self._rate = 2 * lr / max(len(self._ahead), 1)
        self._factor, self._momentum = factor, momentum

    def take(self, product: Product) -> Tensor:
        """The residual [M] at the next of the steps, whose kernel maps v [M] to `product(v)`."""
        i, self._done = self._done, self._done + 1
        size = float(self._ahead.norm())
        if size == 0:
            return self._ahead
        basis, matrix = krylov(product, self._ahead / size, self._products)
        values, vectors = torch.linalg.eigh(matrix)
        values = values.clamp_min(0)
        here: Tensor = size * vectors[0] * self._left(values, i - 1, is_rising=True)
        self._ahead = (vectors @ (here * self._left(values, i, is_rising=False))) @ basis
        found: Tensor = (vectors @ here) @ basis
        return found

    def _left(self, values: Tensor, interval: int, *, is_rising: bool) -> Tensor:
        """What the kernel at one end of an interval leaves of modes with these eigenvalues; 1 outside of the steps."""
        if not 0 <= interval < len(self._steps) - 1:
            return torch.ones_like(values)
        first, last = self._steps[interval : interval + 2]
        half = (last - first) / 2
        mean = self._rate * weight(self._factor, first, last, is_rising=is_rising) / half
        return (-half * slowed(mean * values, self._momentum)).exp()


def slowed(rate: Tensor, momentum: float) -> Tensor:
    """How fast a mode falls per step if the mean m <- b m + (1 - b) g of its gradients moves it by `rate` m.

    -ln |z| of the larger root of z^2 - (1 + b - (1 - b) rate) z + b = 0 (Polyak 1964): at most -ln(b) / 2, where the
    mode oscillates. Without momentum `rate` itself, and for small rates of any momentum too.

    rate: >= 0, any shape. momentum: b in [0, 1).
    """
    if momentum == 0:
        return rate
    middle = (1 + momentum - (1 - momentum) * rate) / 2
    inside = middle.square() - momentum
    root = torch.where((inside > 0) & (middle > 0), middle + inside.clamp_min(0).sqrt(), momentum**0.5)
    return -root.clamp_max(1).log()


def weight(factor: Callable[[float], float], first: float, last: float, *, is_rising: bool) -> float:
    """The integral over steps from `first` to `last` of factor(t) s, or of factor(t) (1 - s); s rises from 0 to 1."""
    width = (last - first) / NODES
    places = [(i + 0.5) / NODES for i in range(NODES)]
    return width * sum(factor(first + p * (last - first)) * (p if is_rising else 1 - p) for p in places)
