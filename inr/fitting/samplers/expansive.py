"""Expansive supervision: edges always, and as many samples at random.  github.com/zwx-open/Expansive-Supervision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Generator, Tensor

from inr.core.config import param
from inr.core.errors import UsageError
from inr.core.samples import Samples
from inr.fitting._state_checks import indices
from inr.fitting.samplers._base import SAMPLERS, BatchIndices, Sampler, SamplerConfig, SamplerState
from inr.fitting.samplers.selection import (
    array_shape,
    count_at,
    edge_strength,
    grey,
    in_order,
    lattice_of,
    some_of,
    without,
)

_MOST_TRIES = 101
_SPEED = 15
"""How strongly the upper threshold answers to a share of edges that is too large or too small."""


@SAMPLERS.register("expansive")
@dataclass(frozen=True, kw_only=True)
class Expansive(SamplerConfig):
    """A share of the samples: `anchors` of it on edges, the rest at random elsewhere.  Expansive Supervision.

    canny: anchors are Canny edges of the luminance (pictures). The lower threshold is half of Otsu's; the upper one is
    Otsu's at first and changes until between 0.8 and 1.2 times as many pixels are edges as there are anchors. Edges are
    widened by one pixel, and a random part of them is kept for the whole run.
    sobel: anchors are the samples with the largest Sobel gradients (sound, pictures, volumes).
    Batches are half edges, so no PSNR is estimated from their loss. They are smaller if there are fewer edges.

    The paper: OpenCV's edges, of horizontal plus vertical gradient; here: scikit-image's, of the gradient's length,
    because OpenCV is not a dependency. `sobel` is not in the paper.
    """

    share: float | None = param(0.5, "share of all samples per step, as far as the batch has room", gt=0, le=1)
    anchors: float = param(0.5, "part of the batch that lies on edges, as far as there are as many", ge=0, le=1)
    edges: Literal["canny", "sobel"] = param("canny", "what counts as an edge")
    sigma: float = param(0.0, "width in samples of a blur before Canny's gradient", ge=0, le=1000)

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
            found = some_of(self._canny(samples, shape, n_anchors), n_anchors, generator)
        n_rest = count - n_anchors if len(found) else count
        return ExpansiveSampler(found, samples.size, n_rest, generator)

    def _canny(self, samples: Samples, shape: tuple[int, ...], n_anchors: int) -> Tensor:
        from scipy.ndimage import binary_dilation
        from skimage.feature import canny
        from skimage.filters import threshold_otsu

        y = grey(samples.at(torch.arange(samples.size))[1]).mean(-1).reshape(shape).double().numpy()
        low, high = float(y.min()), float(y.max())
        if high <= low:
            return torch.zeros(0, dtype=torch.int64)
        y = 255 * (y - low) / (high - low)
        otsu, factor, wanted = float(threshold_otsu(y)), 1.0, n_anchors / y.size
        for _ in range(_MOST_TRIES):
            thresholds = sorted((0.5 * otsu, factor * otsu))
            is_edge = canny(y, self.sigma, *thresholds)
            share = float(is_edge.mean())
            if 0.8 * wanted <= share <= 1.2 * wanted:
                break
            factor *= 1 + _SPEED * (share - wanted)
        wide = binary_dilation(is_edge, np.ones((2, 2)), origin=-1)  # to the right and below
        return torch.from_numpy(wide).flatten().nonzero().flatten()


class ExpansiveSampler(Sampler):
    is_biased: ClassVar[bool] = True

    def __init__(self, anchors: Tensor, size: int, n_rest: int, generator: Generator) -> None:
        self._anchors, self._size, self._n_rest, self._generator = anchors, size, n_rest, generator
        self._elsewhere = without(size, anchors)

    def draw(self, state: SamplerState) -> BatchIndices:
        return BatchIndices(
            in_order(torch.cat([self._anchors, some_of(self._elsewhere, self._n_rest, self._generator)]))
        )

    def state(self) -> dict[str, Tensor]:
        return {"anchors": self._anchors}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self._anchors = indices(state, "anchors", self._size)
        self._elsewhere = without(self._size, self._anchors)
