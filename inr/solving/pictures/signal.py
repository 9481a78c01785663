"""Stencils as a signal: a pool of equations, in place of samples, for the loss `edge`."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from inr.core.domain import Frame
from inr.signals import Batch, Pool, Stencil
from inr.signals.image import Image
from inr.solving.pictures.stencils import Stencils


class StencilSignal(Image):
    """A picture that is given by equations, without known pixels (`eliminated`). values: what it is compared with, [H,
    W, C] float32. frame: of the field.

    Its samples are the equations; it has no lattice of samples.
    """

    loss: ClassVar[str] = "edge"
    has_whole_lattice = False

    def __init__(self, stencils: Stencils, values: NDArray[Any], frame: Frame, meta: dict[str, Any]) -> None:
        super().__init__(values.astype(np.float32), frame, meta, order=(1, 0))
        self.stencils = stencils

    def pool(self, generator: Generator) -> Pool:
        return _Equations(self.stencils, self.frame)


class _Equations:
    """Equations by number, in training values."""

    def __init__(self, stencils: Stencils, frame: Frame) -> None:
        height, width, _ = stencils.shape
        factors = stencils.factors
        wanted = (stencils.wanted - factors.sum(1)[:, None] * np.asarray(frame.offset)) / np.asarray(frame.scale)
        self._nodes = torch.from_numpy(stencils.nodes)
        self._factors = torch.from_numpy(factors.astype(np.float32))
        self._wanted = torch.from_numpy(wanted.astype(np.float32))
        self._weight = torch.from_numpy(stencils.weight.astype(np.float32))
        self._size = torch.tensor([width, height])
        self._is_plain = bool((stencils.weight == 1).all())
        pixels, places = np.unique(stencils.nodes, return_inverse=True)
        self._pixels = self._points_of(torch.from_numpy(pixels))
        self._places = torch.from_numpy(places.reshape(stencils.nodes.shape))

    @property
    def size(self) -> int:
        return len(self._nodes)

    @property
    def order(self) -> None:
        return None

    def batch(self, index: Tensor) -> Batch:
        at = index.cpu()
        first = self._points_of(self._nodes[at, 0])
        weight = None if self._is_plain else self._weight[at, None]
        places, factors = self._places[at], self._factors[at]
        if places.numel() >= len(self._pixels):  # each pixel once, for all equations that have it
            stencil = Stencil(self._pixels, factors, places)
        else:
            stencil = Stencil(self._points_of(self._nodes[at]).flatten(0, 1), factors)
        return Batch(first, self._wanted[at], weight, stencil=stencil).to(index.device)

    def _points_of(self, nodes: Tensor) -> Tensor:
        width = self._size[0]
        return (torch.stack([nodes % width, nodes // width], -1) + 0.5) / self._size
