"""Small pictures in sRGB, and the conversion to it from a picture's colour profile; no torch."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from inr.signals.files.colour_profiles import shown_profile

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Values = np.ndarray[Any, np.dtype[Any]]


def thumbnail_of(values: Values, meta: Mapping[str, Any], side: int) -> bytes:
    """A PNG, in sRGB, of a picture's values [rows, columns, 1 to 4], of at most `side` pixels; never enlarged.

    meta: of the picture. Values of integer pictures are in [0, 1]; others are stretched to that.
    """
    from PIL import Image

    if meta.get("dtype") == "float32":
        low, high = float(values.min()), float(values.max())
        values = (values - low) / ((high - low) or 1.0)
    pixels = in_srgb(np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8), meta)
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    picture.thumbnail((side, side))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def in_srgb(pixels: Pixels, meta: Mapping[str, Any]) -> Pixels:
    """Pixels [rows, columns, C] converted from the colours that `meta` states (see `shown_profile`) to sRGB.

    Relative colorimetric with black point compensation, by littleCMS; alpha stays as it is. Colours outside sRGB are
    clipped to it. What `shown_profile` cannot use is ignored.
    """
    icc, _ = shown_profile(meta, pixels.shape[-1])
    if icc is None:
        return pixels
    from PIL import Image, ImageCms

    n_colours = 1 if pixels.shape[-1] < 3 else 3
    mode = "L" if n_colours == 1 else "RGB"
    colours = np.ascontiguousarray(pixels[..., 0] if n_colours == 1 else pixels[..., :3])
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        made = ImageCms.profileToProfile(
            Image.fromarray(colours),
            profile,
            ImageCms.createProfile("sRGB"),
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return pixels
    assert made is not None, f"a new picture of mode RGB, from one of mode {mode}"
    found = np.asarray(made)
    found = found if n_colours == 3 else found[..., :1]
    return np.concatenate([found, pixels[..., n_colours:]], -1)
