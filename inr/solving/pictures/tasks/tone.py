"""Tone mapping: large differences of the logarithm of luminance are attenuated.  Fattal, Lischinski and Werman 2002."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inr.core.config import param
from inr.core.errors import UsageError
from inr.solving.pictures.stencils import Stencils, differences
from inr.solving.pictures.tasks._base import TASKS, Inputs, PictureTask, Posed, Raster
from inr.solving.pictures.tasks._placing import LUMINANCE

Array = NDArray[Any]
COARSEST = 32
"""Pixels along the shorter side of the last level."""


@TASKS.register("tone")
@dataclass(frozen=True, kw_only=True)
class Tone(PictureTask):
    """log luminance H: wanted differences are Phi dH, Phi the product over levels k of (a/|dH_k|)(|dH_k|/a)^beta, with
    a = alpha mean|dH_k|. Colours are (C/L)^saturation L'. Float pictures are linear; integers are taken as sRGB.

    The result has 8 bits, sRGB; `black` and `white` are the shares of pixels that are clipped.
    """

    alpha: float = param(0.1, "differences below alpha times the mean grow, larger ones shrink", gt=0, le=10)
    beta: float = param(0.87, "1 leaves differences as they are; less shrinks large ones more", gt=0, le=1)
    saturation: float = param(0.6, "of colours; 1 keeps ratios of channels", ge=0, le=2)
    black: float = param(0.005, "share of the darkest pixels that become black", ge=0, lt=0.5)
    white: float = param(0.005, "share of the brightest pixels that become white", ge=0, lt=0.5)

    def pose(self, inputs: Inputs) -> Posed:
        picture = Raster.load(inputs.sources[0])
        linear = picture.values if picture.dtype == "float32" else from_srgb(picture.values)
        if linear.min() < 0:
            linear = linear.clip(0)
        luminance = linear @ LUMINANCE if linear.shape[2] == 3 else linear[..., 0]
        if not luminance.max() > 0:
            raise UsageError(f"{picture.name!r} is black everywhere, expected a picture with light in it")
        floor = 1e-6 * float(luminance.max())
        log = np.log(luminance + floor)
        factor = attenuation(log, self.alpha, self.beta)
        right, down = differences(log[..., None])
        middle = [(factor[:, 1:] + factor[:, :-1]) / 2, (factor[1:] + factor[:-1]) / 2]
        stencils = Stencils.of_edges(
            right * middle[0][..., None], down * middle[1][..., None], log[..., None], mean=log.mean()[None]
        )

        def finish(values: Array) -> Array:
            """log luminance [H, W, 1] to sRGB [H, W, C]."""
            low, high = np.quantile(values, [self.black, 1 - self.white])
            display = np.exp(values - high)
            dark = np.exp(low - high)
            display = ((display - dark) / max(1 - dark, 1e-9)).clip(0, 1)
            ratio = (linear + floor) / (luminance + floor)[..., None]
            colours = to_srgb((ratio**self.saturation * display).clip(0, 1))
            return colours if picture.alpha is None else np.concatenate([colours, picture.alpha[..., None]], -1)

        meta = {**picture.meta, "dtype": "uint8", "icc": None}
        meta.pop("colour_chunks", None)
        return Posed(stencils, meta, finish, picture.notes, unit="in the logarithm of luminance")


def attenuation(log: Array, alpha: float, beta: float) -> Array:
    """Phi [H, W]: on every level of a pyramid by the size of the differences there, coarse levels interpolated."""
    from scipy.ndimage import uniform_filter, zoom

    levels = [log]
    while min(levels[-1].shape) >= 2 * COARSEST:
        blurred = uniform_filter(levels[-1], 2, mode="nearest")
        levels.append(blurred[1::2, 1::2])
    whole: Array | None = None
    for k in range(len(levels) - 1, -1, -1):
        size = np.hypot(*np.gradient(levels[k])) / 2**k if min(levels[k].shape) > 1 else np.zeros_like(levels[k])
        mean = max(alpha * float(size.mean()), 1e-12)
        own = (np.maximum(size, 1e-4 * mean) / mean) ** (beta - 1)
        if whole is not None:
            factors = [n / m for n, m in zip(own.shape, whole.shape, strict=True)]
            own = own * zoom(whole, factors, order=1, mode="nearest", grid_mode=True)
        whole = own
    assert whole is not None
    return whole


def from_srgb(values: Array) -> Array:
    """Encoded values in [0, 1] to linear light (IEC 61966-2-1)."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def to_srgb(values: Array) -> Array:
    """Linear light in [0, 1] to encoded values (IEC 61966-2-1)."""
    return np.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)
