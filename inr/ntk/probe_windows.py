"""Where the tangent kernel of a fit is probed: windows of the signal's lattice, and samples scattered over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from inr.core.errors import UsageError
from inr.core.samples import Samples
from inr.ntk.spectra.bands import Bands, log_bands

POINTS = 48**2
"""Samples of a window, at most: 48 x 48 of a picture, 2304 of a sound, 13 x 13 x 13 of a volume."""

WINDOWS, BANDS, KERNEL_POINTS = 8, 16, 256


@dataclass(frozen=True)
class ProbeWindows:
    """bands: of a window. windows: [W][n], and points: scattered samples [M], both as flat indices."""

    bands: Bands
    windows: Sequence[Tensor]
    points: Tensor

    @classmethod
    def of(cls, samples: Samples, seed: int, *, smaller: int = 1) -> ProbeWindows:
        """One window in the middle, the others at random places. smaller: divides the numbers of points and windows.

        Raises UsageError for signals without a lattice, and for those with fewer than 4 samples.
        """
        order, sides = samples.order, samples.spec.shape
        if order is None or sides is None:
            raise UsageError(
                f"the tangent kernel by frequency needs samples on a lattice, "
                f"but this signal is of kind {samples.spec.kind!r}",
                "give a picture, a sound or an array",
            )
        if samples.size < 4:
            raise UsageError(f"the tangent kernel needs at least 4 samples, but the signal has {samples.size}")
        generator = Generator().manual_seed(seed)
        shape = [0] * len(order)
        for d, axis in enumerate(order):
            shape[axis] = sides[d]
        side = max(2, int((POINTS // smaller) ** (1 / len(shape)) + 1e-9))
        window = tuple(min(n, side) for n in shape)
        spare = [n - w for n, w in zip(shape, window, strict=True)]
        others = max(1, WINDOWS // smaller) - 1 if any(spare) else 0
        anywhere = [[int(torch.randint(s + 1, (1,), generator=generator)) for s in spare] for _ in range(others)]
        corners = [[s // 2 for s in spare], *anywhere]
        n_points = min(samples.size, max(16, KERNEL_POINTS // smaller))
        points = torch.randperm(samples.size, generator=generator)[:n_points]
        return cls(log_bands(window, BANDS), [_flat(shape, corner, window) for corner in corners], points)


def _flat(shape: Sequence[int], corner: Sequence[int], window: Sequence[int]) -> Tensor:
    index = torch.zeros((), dtype=torch.int64)
    for n, start, side in zip(shape, corner, window, strict=True):
        index = index.unsqueeze(-1) * n + torch.arange(start, start + side)
    return index.reshape(-1)
