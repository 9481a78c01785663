"""Videos: MP4 and animated GIF, grey or RGB, without sound."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, BinaryIO, ClassVar, Self

import numpy as np

from inr.core.domain import Domain, Frame, Grid, Spec
from inr.core.errors import UsageError
from inr.core.rules import positive, whole
from inr.signals import metrics as measures
from inr.signals._described import Described
from inr.signals._lattice import Lattice, view_grid
from inr.signals._signal import SIGNALS, Source, Values, View
from inr.signals.files import picture_writing as _pictures
from inr.signals.files import videos as _videos
from inr.signals.files.bands import Bands
from inr.signals.files.reading import check_options


@SIGNALS.register("video")
class Video(Lattice):
    """A video: array [frame, row, column, C], coordinates (t, y, x) in frames and pixels, centres at i + 1/2.

    Values are the encoded ones, divided by 255: [0, 1]. meta: fps, the frames per second, and channels. Slice positions
    are indices of frames and pixels.
    """

    kind: ClassVar[str] = "video"
    noun: ClassVar[str] = "video"
    extensions: ClassVar[tuple[str, ...]] = _videos.SUFFIXES
    formats: ClassVar[tuple[str, ...]] = (".mp4", ".gif", ".npy", ".png")
    held_formats: ClassVar[tuple[str, ...]] = (".mp4", ".gif", ".png")
    described: ClassVar[Described] = Described(
        d_in=(3, 3), d_out=(1, 3), is_lattice=True, meta={"fps": positive(1e-6, 1e6), "channels": whole(1, 3)}
    )

    @classmethod
    def load(cls, source: Source, options: Mapping[str, str]) -> Self:
        check_options("video", options, {})
        clip = _videos.decode(source)
        return cls.of_frames(clip.frames, clip.fps, clip.notes)

    @classmethod
    def of_frames(cls, frames: _videos.Frames, fps: float, notes: tuple[str, ...] = ()) -> Self:
        """A video from uint8 frames [frames, rows, columns, C], C of 1 or 3."""
        n, rows, columns, channels = frames.shape
        values: Values = frames.astype(np.float32)
        values /= np.float32(255)
        domain = Domain((0.0,) * 3, (float(n), float(rows), float(columns)), ("t", "y", "x"), "frames and pixels")
        half = (0.5,) * channels
        return cls(values, Frame(domain, half, half), {"fps": fps, "channels": channels}, notes)

    @property
    def peak(self) -> float:
        return 1.0

    @property
    def value_step(self) -> float | None:
        return 1 / 255

    def measure(self, bands: Bands) -> dict[str, float]:
        """psnr_db and mse over all frames, and the mean ssim of a frame, clipped to [0, 1] and rounded to 8 bits.

        MP4 and GIF are measured before their encoders.
        """
        errors = measures.SquaredError()
        similarities = []
        for values, reference in self.beside(bands):
            written = _pictures.as_written(values, "uint8")
            errors.add(written, reference)
            similarities += [measures.ssim(a, b) for a, b in zip(written, reference, strict=True)]
        return {
            "psnr_db": measures.psnr_of_mse(errors.mse, self.peak),
            "ssim": float(np.mean(similarities)),
            "mse": errors.mse,
        }

    @classmethod
    def grid(cls, spec: Spec, frame: Frame, meta: Mapping[str, Any], view: View) -> tuple[Grid, dict[str, Any]]:
        """A video keeps its duration: twice the frames are twice the frames per second."""
        view.refuse("video", "scale", "size", "crop", "slices")
        assert spec.shape is not None
        grid, sliced = view_grid("video", frame.domain, spec.shape, view, slice_offset=0.5)
        frames = (grid.high[0] - grid.low[0]) * frame.domain.extent[0]
        fps = float(meta["fps"]) if frames == 0 else float(meta["fps"]) * grid.shape[0] / frames
        return grid, {**meta, "fps": fps, "sliced": sliced}

    @classmethod
    def write_bands(cls, bands: Bands, meta: Mapping[str, Any], file: BinaryIO, suffix: str) -> tuple[str, ...]:
        """MP4 is H.264, GIF has 256 colours per frame, .npy has the frames as uint8, .png one frame or slice."""
        if suffix == ".png" and len(bands.shape) != 3:
            raise UsageError("a .png holds one picture, this result is several", "use `slices`, such as t=0")
        n_clipped = 0

        def pixels(values: Values) -> _pictures.Pixels:
            nonlocal n_clipped
            n_clipped += int(np.count_nonzero((values < 0) | (values > 1)))
            return _pictures.quantised(values, "uint8")

        written = bands.each(pixels)
        more: tuple[str, ...] = ()
        if suffix in (".npy", ".png"):
            _pictures.save(written, "uint8", file, suffix)
        else:
            data, more = _videos.encode(written.whole(np.uint8), float(meta["fps"]), suffix)
            file.write(data)
        if n_clipped:
            n_values = math.prod(bands.shape)
            more = (f"{n_clipped} of {n_values} values were outside [0, 1] and were clipped", *more)
        return more
