"""The Bjontegaard difference in rate between two codecs' curves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Curve = Sequence[tuple[float, float]]
"""(rate, quality in dB) points."""


class NoOverlapError(ValueError):
    """Two curves have too few points, or too little quality in common."""


def bd_rate(curve: Curve, anchor: Curve, *, least_overlap_db: float = 2.0) -> float:
    """The relative rate of the curve against the anchor at equal quality: -0.1 is 10 % less.

    exp2 of the mean, over the PSNR that both reach, of the difference of log2(bits per pixel), each a monotone
    piecewise cubic (PCHIP) of PSNR. Source: Bjontegaard 2001 (VCEG-M33), with PCHIP instead of one cubic.
    Raises NoOverlapError for fewer than 4 points or less than `least_overlap_db` in common.
    """
    from scipy.interpolate import PchipInterpolator

    if min(len(curve), len(anchor)) < 4:
        raise NoOverlapError(f"{len(curve)} and {len(anchor)} points: at least 4 each are needed")
    rates = []
    sides = [rising(points) for points in (curve, anchor)]
    low, high = max(q[0] for _, q in sides), min(q[-1] for _, q in sides)
    if high - low < least_overlap_db:
        raise NoOverlapError(f"the curves have {max(high - low, 0):.1f} dB in common, {least_overlap_db:g} are needed")
    for rate, quality in sides:
        integral = PchipInterpolator(quality, np.log2(rate)).antiderivative()
        rates.append((integral(high) - integral(low)) / (high - low))
    return float(2 ** (rates[0] - rates[1]) - 1)


def rate_at(curve: Curve, quality_db: float) -> float | None:
    """The rate of the curve at a quality, or None beyond its range."""
    from scipy.interpolate import PchipInterpolator

    rate, quality = rising(curve)
    if not quality[0] <= quality_db <= quality[-1]:
        return None
    return float(2 ** PchipInterpolator(quality, np.log2(rate))(quality_db))


def rate_ratio(curve: Curve, anchor: Curve) -> float | None:
    """The relative rate at the curve's own points whose quality the anchor reaches, a geometric mean; any number of
    points will do. None if the anchor reaches none of them."""
    found = [(rate, rate_at(anchor, quality)) for rate, quality in curve]
    logs = [np.log2(rate / other) for rate, other in found if other is not None]
    return float(2 ** np.mean(logs) - 1) if logs else None


def rising(curve: Curve) -> tuple[np.ndarray, np.ndarray]:
    """Rates and qualities in order, without points that cost more than a better one."""
    kept: list[tuple[float, float]] = []
    for rate, quality in sorted(curve, reverse=True):
        if not kept or quality < kept[-1][1]:
            kept.append((rate, quality))
    rates, qualities = zip(*reversed(kept), strict=True)
    return np.array(rates), np.array(qualities)
