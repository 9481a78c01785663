"""Quality measures as pure functions on arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[Any]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]

_BLOCK = 2**20
"""Values that are handled together, so that copies in float64 stay small."""

_WINDOW = 11
"""Side of the window of SSIM."""


def mse(predicted: Floats, reference: Floats) -> float:
    """Mean squared error over all entries: mean (p - r)^2, in squared units of the signal, >= 0; same shapes."""
    p, r = np.asarray(predicted).reshape(-1), np.asarray(reference).reshape(-1)
    total = 0.0
    for start in range(0, len(p), _BLOCK):
        difference = np.asarray(p[start : start + _BLOCK], np.float64) - np.asarray(
            r[start : start + _BLOCK], np.float64
        )
        total += float(np.sum(difference * difference))
    return total / len(p) if len(p) else math.nan


def psnr_of_mse(error: float, peak: float) -> float:
    """Peak signal-to-noise ratio 10 log10(peak^2 / mse) in dB; infinity for mse 0."""
    return math.inf if error == 0 else 10 * math.log10(peak * peak / error)


def psnr(predicted: Floats, reference: Floats, peak: float = 1.0) -> float:
    """Peak signal-to-noise ratio 10 log10(peak^2 / mse) in dB, one mean over all entries and channels."""
    return psnr_of_mse(mse(predicted, reference), peak)


def snr(predicted: Floats, reference: Floats) -> float:
    """Signal-to-noise ratio 10 log10(sum r^2 / sum (p - r)^2) in dB; infinity for p = r, -infinity for silent r."""
    r = np.asarray(reference, np.float64)
    noise = mse(predicted, reference) * r.size
    power = float(np.sum(r * r))
    if noise == 0:
        return math.inf
    return 10 * math.log10(power / noise) if power > 0 else -math.inf


def ssim(predicted: Floats, reference: Floats, peak: float = 1.0) -> float:
    """Structural similarity of pictures [rows, columns, C], mean over pixels and channels, in [-1, 1].

    Gaussian window of 11 x 11 with sigma 1.5, K1 = 0.01, K2 = 0.03, population covariance, windows inside the picture
    only; NaN for a side below 11. Source: Wang, Bovik, Sheikh, Simoncelli 2004, IEEE TIP 13(4).
    """
    if min(predicted.shape[:2]) < _WINDOW:
        return math.nan
    from skimage.metrics import structural_similarity

    n_rows = len(predicted) - _WINDOW + 1  # of windows
    step = max(1, _BLOCK // predicted.shape[1])
    per_channel = np.zeros(predicted.shape[-1])
    for start in range(0, n_rows, step):
        stop = min(start + step, n_rows)
        rows = slice(start, stop + _WINDOW - 1)
        for c in range(predicted.shape[-1]):
            per_channel[c] += (stop - start) * structural_similarity(
                np.asarray(predicted[rows, :, c], np.float64),
                np.asarray(reference[rows, :, c], np.float64),
                data_range=peak,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
            )
    return float(np.mean(per_channel / n_rows))


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
