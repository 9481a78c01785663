"""The parameters of a latent pyramid during training, in torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import avg_pool2d

from inr.codec.profiles.pyramid.architecture import Architecture, synthesis_of
from inr.codec.profiles.pyramid.groups import BICUBIC
from inr.kernels.context_rate import context_rate
from inr.kernels.pyramid_error import pyramid_error
from inr.kernels.row_share import ALL, RowShare

CONTEXT_GAIN, SYNTHESIS_GAIN = 0.1, 0.35
"""Weights start uniform in this part of +-1/sqrt(fan-in)."""
RICH, PLAIN = (0, 1, 2, 0, 1, 2, 0), (0, 0, 1, 0, 2, 0, 1)
"""The principal colour component each grid starts with, for pictures rich in fine colour and for others."""
RICHNESS = 0.1
"""Colour is rich if the second component's energy at half resolution exceeds this part of the rate weight."""


class Networks(nn.Module):
    """Named tensors of the context model and of the synthesis.

    Weights start uniform in a part of +-1/sqrt(fan-in), kernels as bicubic interpolation, the colours at their mean,
    the skip at `first_skip`, everything else at zero.
    """

    def __init__(self, architecture: Architecture, target: Tensor, rate_weight: float, generator: Generator) -> None:
        super().__init__()
        self.architecture = architecture
        self.tensors = nn.ParameterDict()
        for name, shape in (architecture.context | architecture.synthesis).items():
            value = torch.zeros(shape)
            if name.endswith("weight"):
                bound = math.prod(shape[1:]) ** -0.5
                gain = CONTEXT_GAIN if name.startswith("context") else 0.0 if len(shape) == 4 else SYNTHESIS_GAIN
                value.uniform_(-gain * bound, gain * bound, generator=generator)
            elif name.startswith("kernel"):
                value = torch.tensor(BICUBIC)
            elif name == "synthesis1.bias":
                value = target.mean((1, 2))
            elif name == "synthesis.skip":
                value = first_skip(target, architecture.n_grids, rate_weight)
            self.tensors[name.replace(".", "_")] = nn.Parameter(value)

    def start_from(self, values: Mapping[str, Tensor]) -> None:
        """Replace the tensors by others, by name."""
        with torch.no_grad():
            for name, own in self.values().items():
                own.copy_(values[name])

    def values(self) -> dict[str, Tensor]:
        """The tensors by their names."""
        names = self.architecture.context | self.architecture.synthesis
        return {name: self.tensors[name.replace(".", "_")] for name in names}


def first_skip(target: Tensor, n_grids: int, rate_weight: float) -> Tensor:  # [C, L]
    """The first colour of each grid: a principal component of the picture's colours.

    With random colours two grids can become redundant and one colour can stay almost unused. A latent of 1 is 0.1
    (rate_weight / 1e-3)^(1/4) at first. target: [C, H, W] in [0, 1].
    """
    colours = target - target.mean((1, 2), keepdim=True)
    components = torch.linalg.eigh(torch.einsum("cyx,dyx->cd", colours, colours)).eigenvectors.flip(1)  # in columns
    half = avg_pool2d(torch.einsum("cd,cyx->dyx", components, colours), 2, ceil_mode=True)
    quarter = avg_pool2d(half, 2, ceil_mode=True).repeat_interleave(2, 1).repeat_interleave(2, 2)
    fine = (half - quarter[:, : half.shape[1], : half.shape[2]]).square().mean((1, 2)) / len(target)
    is_rich = len(target) > 1 and float(fine[1]) > RICHNESS * rate_weight
    order = (RICH if is_rich else PLAIN) * n_grids
    size = 0.1 * (rate_weight / 1e-3) ** 0.25 * len(target) ** 0.5
    skip: Tensor = size * components[:, [component % len(target) for component in order[:n_grids]]]
    return skip


def rate(
    architecture: Architecture, values: Mapping[str, Tensor], grids: Sequence[Tensor], share: RowShare = ALL
) -> Tensor:
    """Bits of the grids. share: of the rows that gradients by the networks come from."""
    layers = range(architecture.n_hidden + 1)
    return context_rate(
        grids,
        [values[f"mix{level}"] for level in range(architecture.n_grids)],
        [values[f"context{i}.weight"] for i in layers],
        [values[f"context{i}.bias"] for i in layers],
        values["context.skip"],
        architecture.offsets,
        share,
    )


def error(
    architecture: Architecture,
    values: Mapping[str, Tensor],
    grids: Sequence[Tensor],
    target: Tensor,
    share: RowShare = ALL,
) -> Tensor:
    """Mean squared error of the picture that the grids decode to. share: as in `rate`."""
    return pyramid_error(grids, *synthesis_of(architecture, values), target, share)
