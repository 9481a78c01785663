"""Expansive supervision: edges always, and as many samples at random."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Generator, Tensor

from inr.core.config import param
from inr.core.errors import UsageError
from inr.core.samples import Samples
from inr.fitting.samplers._base import SAMPLERS, BatchIndices, Sampler, SamplerConfig, SamplerState
from inr.fitting.samplers.selection import array_shape, count_at, edge_strength, in_order, lattice_of, some_of, without


@SAMPLERS.register("expansive")
@dataclass(frozen=True, kw_only=True)
class Expansive(SamplerConfig):
    """A share of the samples: `anchors` of it on edges, the rest at random elsewhere.  Expansive Supervision.

    canny: anchors are Canny edges (pictures), a random part of them in each step where there are more than fit.
    sobel: anchors are the samples with the largest Sobel gradients (sound, pictures, volumes), the same in each step.
    The random part takes what the edges leave. Batches are half edges, so no PSNR is estimated from their loss.
    """

    share: float | None = param(0.5, "share of all samples per step, as far as the batch has room", gt=0, le=1)
    anchors: float = param(0.5, "part of the batch that lies on edges, where there are as many", ge=0, le=1)
    edges: Literal["canny", "sobel"] = param("canny", "what counts as an edge")
    sigma: float = param(1.0, "width in samples of the blur before Canny's gradient", gt=0, le=1000)

    def build(self, samples: Samples, batch: int, generator: Generator) -> Sampler:
        shape = array_shape(*lattice_of(samples, "expansive"))
        if self.edges == "canny" and len(shape) != 2:
            raise UsageError(
                f"edges 'canny' of sampler 'expansive' are for pictures, but the signal has {len(shape)} dimension(s)",
                "use `fit.sampler=expansive` and `fit.sampler.edges=sobel`",
            )
        count = count_at(self.share, samples.size, batch)
        n_anchors = round(self.anchors * count)
        if self.edges == "sobel":
            found = edge_strength(samples, shape).argsort(descending=True, stable=True)[:n_anchors]
        else:
            found = self._canny(samples, shape)
        return ExpansiveSampler(found, samples.size, count, n_anchors, generator)

    def _canny(self, samples: Samples, shape: tuple[int, ...]) -> Tensor:
        from skimage.feature import canny

        y = samples.at(torch.arange(samples.size))[1].mean(-1).reshape(shape).double()
        low, high = float(y.min()), float(y.max())
        is_edge = canny(((y - low) / max(high - low, 1e-12)).numpy(), sigma=self.sigma)
        return torch.from_numpy(is_edge).flatten().nonzero().flatten()


class ExpansiveSampler(Sampler):
    is_biased: ClassVar[bool] = True

    def __init__(self, edges: Tensor, size: int, count: int, n_anchors: int, generator: Generator) -> None:
        self._edges, self._count, self._n_anchors, self._generator = edges, count, n_anchors, generator
        self._size = size
        self._elsewhere = without(size, edges)

    def draw(self, state: SamplerState) -> BatchIndices:
        anchors = some_of(self._edges, self._n_anchors, self._generator)
        n_rest = self._count - len(anchors)
        elsewhere = self._elsewhere if n_rest <= len(self._elsewhere) else without(self._size, anchors)
        return BatchIndices(in_order(torch.cat([anchors, some_of(elsewhere, n_rest, self._generator)])))

    def state(self) -> dict[str, Tensor]:
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        pass
