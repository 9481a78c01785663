"""The parameters of a latent pyramid while it is fitted, in torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Generator, Tensor, nn

from inr.codec.pyramid.architecture import Architecture
from inr.codec.pyramid.profile import synthesis_of
from inr.codec.pyramid.stream import BICUBIC
from inr.kernels.context_rate import context_rate
from inr.kernels.pyramid_error import pyramid_error


class Networks(nn.Module):
    """Named tensors of the context model and of the synthesis, and the two numbers that they are fitted for.

    Weights start uniform in +-1/sqrt(fan-in) (context: a tenth of that), kernels as bicubic interpolation, the bias of
    the colours at `middle`, everything else at zero.
    """

    def __init__(self, architecture: Architecture, middle: Tensor, generator: Generator) -> None:
        super().__init__()
        self.architecture = architecture
        self.tensors = nn.ParameterDict()
        for name, shape in (architecture.context | architecture.synthesis).items():
            value = torch.zeros(shape)
            if name.endswith("weight"):
                bound = _fan_in(shape) ** -0.5
                gain = 0.1 if name.startswith("context") else 0.0 if len(shape) == 4 else 1.0
                value.uniform_(-gain * bound, gain * bound, generator=generator)
            elif name.startswith("kernel"):
                value = torch.tensor(BICUBIC)
            elif name == "synthesis1.bias":
                value = middle.clone()
            self.tensors[name.replace(".", "_")] = nn.Parameter(value)

    def values(self) -> dict[str, Tensor]:
        """The tensors by their names."""
        names = self.architecture.context | self.architecture.synthesis
        return {name: self.tensors[name.replace(".", "_")] for name in names}


def _fan_in(shape: Sequence[int]) -> int:
    n = 1
    for side in shape[1:]:
        n *= side
    return n


def rate(architecture: Architecture, values: Mapping[str, Tensor], grids: Sequence[Tensor]) -> Tensor:
    """Bits of the grids."""
    layers = range(architecture.n_hidden + 1)
    return context_rate(
        grids,
        [values[f"mix{level}"] for level in range(architecture.n_grids)],
        [values[f"context{i}.weight"] for i in layers],
        [values[f"context{i}.bias"] for i in layers],
        values["context.skip"],
        architecture.offsets,
    )


def error(architecture: Architecture, values: Mapping[str, Tensor], grids: Sequence[Tensor], target: Tensor) -> Tensor:
    """Mean squared error of the picture that the grids show."""
    return pyramid_error(grids, *synthesis_of(architecture, values), target)
