"""Pictures: PNG, JPEG, WebP, GIF and TIFF of 8 or 16 bits or floats; grey, RGB, with or without alpha."""

from __future__ import annotations

import base64
import functools
from collections.abc import Mapping
from typing import Any, BinaryIO, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from inr.core.domain import Domain, Frame, Grid, Spec
from inr.core.rules import one_of, or_none, text_of_bytes, whole
from inr.signals import metrics as measures
from inr.signals._demo import Demo
from inr.signals._described import Described
from inr.signals._lattice import Lattice, min_max_map, view_grid
from inr.signals._signal import SIGNALS, Source, Values, View
from inr.signals.files.bands import Bands
from inr.signals.files.picture_writing import WRITTEN, as_written, write
from inr.signals.files.pictures import Pixels, decode, n_frames_of
from inr.signals.files.reading import check_options


@SIGNALS.register("image")
class Image(Lattice):
    """A picture: array [row, column, C], coordinates (x, y) in pixels from the top left corner, centres at i + 1/2.

    Values are the encoded ones (no linearisation), integers divided by their type's maximum: [0, 1]. Colours of
    pixels whose alpha is 0 have loss weight 0 and do not count in the metrics.
    """

    kind: ClassVar[str] = "image"
    noun: ClassVar[str] = "picture"
    is_picture: ClassVar[bool] = True
    extensions: ClassVar[tuple[str, ...]] = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".tif", ".tiff")
    formats: ClassVar[tuple[str, ...]] = WRITTEN
    held_formats: ClassVar[tuple[str, ...]] = (".png", ".jpg", ".jpeg", ".webp")
    demo: ClassVar[Demo | None] = Demo(
        "image",
        "scene",
        "a 256x192 picture with smooth colours, sharp edges and a fine grating",
        {"type": "hash_grid"},
        {"steps": 150},
        ".png",
        ("render", "--scale", "4"),
    )
    described: ClassVar[Described] = Described(
        d_in=(2, 2),
        d_out=(1, 4),
        is_lattice=True,
        meta={"dtype": one_of("uint8", "uint16", "float32")},
        optional={"channels": whole(1, 4), "icc": or_none(text_of_bytes())},
    )

    @classmethod
    def claims(cls, source: Source) -> bool:
        """Everything but a GIF of several frames."""
        return source.suffix != ".gif" or n_frames_of(source) == 1

    @classmethod
    def load(cls, source: Source, options: Mapping[str, str]) -> Self:
        check_options("image", options, {})
        picture = decode(source)
        signal = cls.of_pixels(picture.pixels, icc=picture.icc, notes=picture.notes)
        if picture.colour_chunks:
            signal.meta["colour_chunks"] = dict(picture.colour_chunks)
        return signal

    @classmethod
    def of_pixels(cls, pixels: Pixels, icc: bytes | None = None, notes: tuple[str, ...] = ()) -> Self:
        """A picture from pixels [rows, columns, C], C of 1 to 4, of dtype uint8, uint16 (0 to maximum) or float32."""
        rows, columns, channels = pixels.shape
        values: Values
        if pixels.dtype == np.float32:
            values = pixels
            offset, scale = min_max_map(values)
        else:
            values = np.divide(pixels, np.float32(np.iinfo(pixels.dtype).max), dtype=np.float32)
            offset, scale = (0.5,) * channels, (0.5,) * channels
        domain = Domain((0.0, 0.0), (float(columns), float(rows)), ("x", "y"), "pixels")
        meta = {
            "dtype": str(pixels.dtype),
            "channels": channels,
            "icc": None if icc is None else base64.b64encode(icc).decode("ascii"),
        }
        return cls(values, Frame(domain, offset, scale), meta, notes, order=(1, 0))

    @functools.cached_property
    def _has_hidden(self) -> bool:
        """Whether there are pixels whose alpha is 0."""
        return self.spec.d_out in (2, 4) and not bool((self.values[..., -1] > 0).all())

    def weight_of(self, values: Tensor) -> Tensor | None:
        if not self._has_hidden:
            return None
        weight = torch.ones_like(values)
        weight[:, :-1] = values[:, -1:] > 0
        return weight

    @property
    def peak(self) -> float:
        """1 for integer pictures, the range of the values for float ones."""
        if self.meta["dtype"] != "float32":
            return 1.0
        return float(self.values.max() - self.values.min()) or 1.0

    @property
    def value_step(self) -> float | None:
        dtype = self.meta["dtype"]
        return None if dtype == "float32" else 1 / int(np.iinfo(dtype).max)

    def measure(self, bands: Bands) -> dict[str, float]:
        """mse, psnr_db and ssim of the picture as it is written: clipped to [0, 1] and rounded to its bit depth."""
        errors, similarity = measures.SquaredError(), measures.Similarity(bands.shape, self.peak)
        for values, reference in self.beside(bands):
            written = as_written(values, self.meta["dtype"])
            if self._has_hidden:
                shown = np.ones(reference.shape, np.bool_)
                shown[..., :-1] = reference[..., -1:] > 0
                errors.add(written[shown], reference[shown])
                written = np.where(shown, written, reference)
            else:
                errors.add(written, reference)
            similarity.add(written, reference)
        return {
            "psnr_db": measures.psnr_of_mse(errors.mse, self.peak),
            "ssim": similarity.result(),
            "mse": errors.mse,
        }

    @classmethod
    def grid(cls, spec: Spec, frame: Frame, meta: Mapping[str, Any], view: View) -> tuple[Grid, dict[str, Any]]:
        view.refuse("image", "scale", "size", "crop")
        assert spec.shape is not None
        grid, _ = view_grid("image", frame.domain, spec.shape, view, order=(1, 0))
        return grid, dict(meta)

    @classmethod
    def write_bands(cls, bands: Bands, meta: Mapping[str, Any], file: BinaryIO, suffix: str) -> tuple[str, ...]:
        """PNG, TIFF and NPY keep the source's bit depth (PNG: floats as 16 bits), JPEG and WebP have 8 bits."""
        return write(bands, meta, file, suffix)
