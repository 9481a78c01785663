"""What a pyramid is trained for beside its rate: a distortion of the picture, by name (`--tune`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from inr.codec.profile import TUNES
from inr.codec.profiles.pyramid.architecture import Architecture, synthesis_of
from inr.codec.profiles.pyramid.network import error
from inr.codec.training.ms_ssim import ms_ssim
from inr.kernels.pyramid import Pyramid
from inr.kernels.pyramid_error import reference
from inr.kernels.row_share import ALL, RowShare

SHARE = 0.5
"""Part of the mean squared error in the perceptual distortion."""
UNIT = 0.025
"""The squared error that counts as much as a loss of MS-SSIM of 1, so that a quality gives about as many bits."""


class Distortion(Protocol):
    """The distortion of what the grids show, differentiable by networks and grids, and the mean squared error.

    share: of the rows that gradients by the networks come from.
    """

    def __call__(
        self,
        architecture: Architecture,
        values: Mapping[str, Tensor],
        grids: Sequence[Tensor],
        target: Tensor,
        share: RowShare = ALL,
    ) -> tuple[Tensor, float]: ...


def squared(
    architecture: Architecture,
    values: Mapping[str, Tensor],
    grids: Sequence[Tensor],
    target: Tensor,
    share: RowShare = ALL,
) -> tuple[Tensor, float]:
    """The mean squared error."""
    mse = error(architecture, values, grids, target, share)
    return mse, float(mse.detach())


def perceptual(
    architecture: Architecture,
    values: Mapping[str, Tensor],
    grids: Sequence[Tensor],
    target: Tensor,
    share: RowShare = ALL,
) -> tuple[Tensor, float]:
    """SHARE MSE + (1 - SHARE) UNIT (1 - MS-SSIM).

    A distortion D of the picture p has the gradient G by its N values. The mean squared error against p - N G / 2 has
    the same gradient, so the compiled op for that error passes G on to networks and grids.
    """
    shown = picture(architecture, values, grids).requires_grad_()
    mse = (shown - target).square().mean()
    found = SHARE * mse + (1 - SHARE) * UNIT * (1 - ms_ssim(shown, target))
    if not torch.is_grad_enabled():
        return found.detach(), float(mse.detach())
    (gradient,) = torch.autograd.grad(found, shown)
    moved = shown.detach() - gradient * (shown.numel() / 2)
    through = error(architecture, values, grids, moved, share)
    return through + (found - through).detach(), float(mse.detach())


def picture(architecture: Architecture, values: Mapping[str, Tensor], grids: Sequence[Tensor]) -> Tensor:
    """What the grids decode to, [C, H, W], without gradients."""
    with torch.no_grad():
        if grids[0].device.type != "cpu":
            return reference.picture(grids, *synthesis_of(architecture, values))
        arrays = {name: value.detach().numpy() for name, value in values.items()}
        pyramid = Pyramid([grid.detach().numpy() for grid in grids], *synthesis_of(architecture, arrays))
        return torch.from_numpy(np.concatenate([rows for _, rows in pyramid.strips()], axis=1))


DISTORTIONS: Mapping[str, Distortion] = dict(zip(TUNES, (squared, perceptual), strict=True))
"""By the names of `--tune`."""
