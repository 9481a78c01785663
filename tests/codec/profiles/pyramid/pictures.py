"""A small picture for tests of pyramids."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def picture(height: int = 40, width: int = 56) -> np.ndarray:
    y, x = np.mgrid[:height, :width] / 16.0
    waves: np.ndarray = np.stack([np.sin(x + y), np.cos(2 * x - y), np.sin(x * y)], -1)
    pixels: np.ndarray = np.rint(127 + 90 * waves).astype(np.uint8)
    return pixels


def tensor(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1).contiguous()
