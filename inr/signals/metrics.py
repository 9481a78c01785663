"""Quality measures as pure functions on arrays."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np

from inr.kernels.structural_similarity import WINDOW, similarity_sums
from inr.signals.files.bands import Regrouped

Floats = np.ndarray[Any, np.dtype[Any]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]

BLOCK = 2**17
"""Errors that are summed together, so that copies in float64 stay small."""

PIXELS = 2**20
"""Pixels of a block whose similarity is computed together; blocks overlap by 10 rows."""


class SquaredError:
    """Squared errors of values that come in parts, in order; sums in float64, block by block.

    n: number of values. squares: sum of (p - r)^2. power: sum of r^2.
    """

    def __init__(self) -> None:
        self._blocks = Regrouped(BLOCK)
        self._sums = (0, 0.0, 0.0)

    def add(self, predicted: Floats, reference: Floats) -> Self:
        """Count these values too; arrays of the same shape."""
        for block in self._blocks.add(np.asarray(predicted).reshape(-1), np.asarray(reference).reshape(-1)):
            self._sums = self._with(*block)
        return self

    @property
    def n(self) -> int:
        return self._all()[0]

    @property
    def squares(self) -> float:
        return self._all()[1]

    @property
    def power(self) -> float:
        return self._all()[2]

    @property
    def mse(self) -> float:
        """As the function `mse`."""
        return self.squares / self.n if self.n else math.nan

    @property
    def snr_db(self) -> float:
        """As the function `snr`."""
        if self.squares == 0:
            return math.inf
        return 10 * math.log10(self.power / self.squares) if self.power > 0 else -math.inf

    def _all(self) -> tuple[int, float, float]:
        rest = self._blocks.rest()
        return self._with(*rest) if rest else self._sums

    def _with(self, predicted: Floats, reference: Floats) -> tuple[int, float, float]:
        r = np.asarray(reference, np.float64)
        difference = np.asarray(predicted, np.float64) - r
        n, squares, power = self._sums
        return n + len(r), squares + float(np.sum(difference * difference)), power + float(np.sum(r * r))


def mse(predicted: Floats, reference: Floats) -> float:
    """Mean squared error over all entries: mean (p - r)^2, in squared units of the signal, >= 0; same shapes."""
    return SquaredError().add(predicted, reference).mse


def psnr_of_mse(error: float, peak: float) -> float:
    """Peak signal-to-noise ratio 10 log10(peak^2 / mse) in dB; infinity for mse 0."""
    return math.inf if error == 0 else 10 * math.log10(peak * peak / error)


def psnr(predicted: Floats, reference: Floats, peak: float = 1.0) -> float:
    """Peak signal-to-noise ratio 10 log10(peak^2 / mse) in dB, one mean over all entries and channels."""
    return psnr_of_mse(mse(predicted, reference), peak)


def snr(predicted: Floats, reference: Floats) -> float:
    """Signal-to-noise ratio 10 log10(sum r^2 / sum (p - r)^2) in dB; infinity for p = r, -infinity for silent r."""
    return SquaredError().add(predicted, reference).snr_db


class Similarity:
    """The structural similarity of a picture whose rows come in parts, in order. See `ssim`."""

    def __init__(self, shape: tuple[int, ...], peak: float) -> None:
        """shape: of the picture, [rows, columns, C]."""
        _, columns, channels = shape
        self._peak = peak
        self._blocks = Regrouped(max(1, PIXELS // columns) + WINDOW - 1, overlap=WINDOW - 1)
        self._n_rows, self._n_columns = 0, columns - WINDOW + 1  # of windows
        self._sums = np.zeros(channels)

    def add(self, predicted: Floats, reference: Floats) -> Self:
        """Count these rows [n, columns, C] too."""
        for block in self._blocks.add(predicted, reference):
            self._count(*block)
        return self

    def result(self) -> float:
        """The mean; call it once, after the last row."""
        rest = self._blocks.rest()
        if rest and len(rest[0]) >= WINDOW:
            self._count(*rest)
        return float(np.mean(self._sums / (self._n_rows * self._n_columns))) if self._n_rows else math.nan

    def _count(self, predicted: Floats, reference: Floats) -> None:
        if predicted.shape[1] < WINDOW:
            return
        self._n_rows += len(predicted) - WINDOW + 1
        self._sums += similarity_sums(predicted, reference, self._peak)


def ssim(predicted: Floats, reference: Floats, peak: float = 1.0) -> float:
    """Structural similarity of pictures [rows, columns, C], mean over pixels and channels, in [-1, 1].

    Gaussian window of 11 x 11 with sigma 1.5, K1 = 0.01, K2 = 0.03, population covariance, windows inside the picture
    only; NaN for a side below 11. Source: Wang, Bovik, Sheikh, Simoncelli 2004, IEEE TIP 13(4).
    """
    return Similarity(predicted.shape, peak).add(predicted, reference).result()


def iou(predicted: Bools, reference: Bools, weight: Floats | None = None) -> float:
    """Intersection over union of two inside sets, given as truth per point, in [0, 1]; 1 when both are empty.

    weight: of each point; equal by default.
    """
    w = np.ones(len(predicted)) if weight is None else weight
    union = float(w[predicted | reference].sum())
    return 1.0 if union == 0 else float(w[predicted & reference].sum()) / union


def nearest(points: Floats, others: Floats) -> tuple[Floats, Floats]:
    """Distance to, and index of, the nearest of `others` [M, 3] for each of `points` [N, 3]; float64 KD-tree."""
    from scipy.spatial import cKDTree

    distance, index = cKDTree(np.asarray(others, np.float64)).query(np.asarray(points, np.float64))
    return distance, index


def chamfer_l1(predicted: Floats, reference: Floats) -> float:
    """Chamfer-L1 of point sets [N, 3], [M, 3]: half of (mean distance p to r + mean distance r to p), in their units.

    Two samplings of one surface score about 0.5 sqrt(area / N), not 0; see `point_to_mesh`. Source of this variant:
    Peng et al. 2020, Convolutional Occupancy Networks (arXiv 2003.04618). Others sum, or square.
    """
    return 0.5 * float(nearest(predicted, reference)[0].mean() + nearest(reference, predicted)[0].mean())


def point_to_mesh(points: Floats, vertices: Floats, faces: Floats) -> Floats:
    """Exact distances [N] >= 0 from points [N, 3] to triangles (vertices [V, 3], faces [F, 3])."""
    import igl

    squared = igl.point_mesh_squared_distance(
        np.ascontiguousarray(points, np.float64),
        np.ascontiguousarray(vertices, np.float64),
        np.ascontiguousarray(faces, np.int64),
    )[0]
    distance: Floats = np.sqrt(np.maximum(squared, 0.0))
    return distance


def normal_consistency(
    predicted: Floats, predicted_normals: Floats, reference: Floats, reference_normals: Floats, *, signed: bool = False
) -> float:
    """Half of the two directed means of |n . n'| over nearest neighbours; unit normals; in [0, 1].

    Orientation-blind by the absolute value (Peng et al. 2020); signed=True does not take it, range [-1, 1], so that a
    mesh turned inside out scores -1.
    """

    def directed(a: Floats, n: Floats, b: Floats, m: Floats) -> float:
        cosine = np.einsum("nd,nd->n", n, m[nearest(a, b)[1]])
        return float(np.mean(cosine if signed else np.abs(cosine)))

    there = directed(predicted, predicted_normals, reference, reference_normals)
    return 0.5 * (there + directed(reference, reference_normals, predicted, predicted_normals))


def f_score(to_reference: Floats, to_predicted: Floats, threshold: float) -> float:
    """F = 2 P R / (P + R) in [0, 1], with P the share of `to_reference` and R that of `to_predicted` <= threshold.

    The arguments are distances of predicted points to the reference, and the reverse; F is 0 when P + R is 0.
    Source: Tatarchenko et al. 2019 (arXiv 1905.03678).
    """
    precision, recall = float(np.mean(to_reference <= threshold)), float(np.mean(to_predicted <= threshold))
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)
