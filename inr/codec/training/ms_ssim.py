"""Multi-scale structural similarity of pictures, differentiable.

With Gaussian means mu, variances s^2 and covariance s_xy of two pictures x and y under a window of 11 x 11,

    l = (2 mu_x mu_y + c_1) / (mu_x^2 + mu_y^2 + c_1),    s = (2 s_xy + c_2) / (s_x^2 + s_y^2 + c_2),

the similarity is prod_k mean(s_k)^w_k, with l s instead of s in the last scale; scale k + 1 is the mean over 2 x 2
pixels of scale k. Source: Wang, Simoncelli and Bovik 2003 (doi:10.1109/ACSSC.2003.1292216), with sigma = 1.5,
c_1 = 0.01^2, c_2 = 0.03^2 for values in [0, 1], and the mean over channels.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d

WEIGHTS = 0.0448, 0.2856, 0.3001, 0.2363, 0.1333
"""Of the scales, the finest first."""
REACH, SIGMA = 5, 1.5
C1, C2 = 0.01**2, 0.03**2
LEAST = 1e-6
"""A mean similarity of a scale counts as at least this, so that its power has a gradient."""
SMALLEST = 2 * REACH + 1
"""Rows and columns of the smallest picture, and of the coarsest scale."""


def ms_ssim(x: Tensor, y: Tensor) -> Tensor:
    """The similarity of two pictures [C, H, W] in [0, 1]: at most 1, and 1 if they are equal.

    Pictures with a side below 176 have fewer scales, whose weights are divided by their sum. Raises ValueError for a
    side below 11.
    """
    n = n_scales(x.shape[1], x.shape[2])
    weights = torch.tensor(WEIGHTS[:n], dtype=x.dtype, device=x.device)
    found = []
    for scale in range(n):
        if scale:
            x, y = avg_pool2d(x, 2), avg_pool2d(y, 2)
        luminance, structure = similarity(x, y)
        found.append(((luminance * structure) if scale == n - 1 else structure).mean((1, 2)))
    means = torch.stack(found, 1).clamp(min=LEAST)  # [C, scales]
    return (means ** (weights / weights.sum())).prod(1).mean()


def n_scales(height: int, width: int) -> int:
    """Scales of a picture of this size. Raises ValueError if there is none."""
    side = min(height, width)
    if side < SMALLEST:
        raise ValueError(f"the picture is {width} x {height}, expected at least {SMALLEST} x {SMALLEST}")
    return min(len(WEIGHTS), (side // SMALLEST).bit_length())


def similarity(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """l and s at every pixel whose window is inside, [C, H - 10, W - 10] each."""
    c = len(x)
    means = _blurred(torch.cat([x, y, x * x, y * y, x * y]))
    mean_x, mean_y, square_x, square_y, product = torch.split(means, c)
    both, cross = mean_x * mean_x + mean_y * mean_y, mean_x * mean_y
    luminance = (2 * cross + C1) / (both + C1)
    return luminance, (2 * (product - cross) + C2) / (square_x + square_y - both + C2)


def _blurred(planes: Tensor) -> Tensor:
    window = _window(planes.dtype).to(planes.device)
    out = conv2d(planes[:, None], window[None, None, :, None])
    return conv2d(out, window[None, None, None, :])[:, 0]


@cache
def _window(dtype: torch.dtype) -> Tensor:
    at = torch.arange(-REACH, REACH + 1, dtype=torch.float64)
    values = torch.exp(-(at**2) / (2 * SIGMA**2))
    return (values / values.sum()).to(dtype)
