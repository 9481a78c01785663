"""Video files, MP4 and animated GIF, to frames and back; no torch.

MP4 is read and written by PyAV, GIF by Pillow, both through imageio.
"""

from __future__ import annotations

import dataclasses
import io
import math
import struct
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from inr.core.errors import UnreadableError, UsageError
from inr.core.optional import need
from inr.signals.files.format import FORMATS, FileFormat
from inr.signals.files.npy import read_npy
from inr.signals.files.pictures import PictureFile
from inr.signals.files.reading import decoding, read_bytes
from inr.signals.files.sniffing import HEAD_BYTES, suffix_of

if TYPE_CHECKING:
    from inr.signals._source import Source

Frames = np.ndarray[Any, np.dtype[np.uint8]]

MAX_VALUES = 2**28
"""Values of a video that is read, at most."""
DEFAULT_FPS = 10.0
"""Of a GIF whose frames have no duration, and of an .npy file."""
SUFFIXES = (".mp4", ".m4v", ".mov", ".gif")
_H264 = {"crf": "10", "threads": "1", "x264-params": "cpu-independent=1"}
"""How H.264 is written. crf: 0 is lossless, 23 the encoder's default. cpu-independent: equal frames give equal bytes;
without it x264 on AVX-512 makes a different file every time when width or height is not a multiple of 16."""


@dataclasses.dataclass(frozen=True)
class Clip:
    """frames: uint8 [frames, rows, columns, C]. fps: frames per second. notes: what was changed in reading."""

    frames: Frames
    fps: float
    notes: tuple[str, ...] = ()


def decode(source: Source) -> Clip:
    """All frames of an MP4, a GIF or an .npy array [frames, rows, columns, C], recognised by its content; no sound.

    Raises UnreadableError for other content, damage, and more than 2^28 values.
    """
    data = read_bytes(source)
    suffix = suffix_of(data[:HEAD_BYTES], len(data))
    with decoding(source, "a video"):
        if suffix == ".npy":
            return Clip(_checked(read_npy(data), source.name), DEFAULT_FPS)
        if suffix == ".mp4":
            return _decode_mp4(data, source.name)
        if suffix == ".gif":
            return _decode_gif(data, source.name)
    raise UnreadableError(f"{source.name!r} is not an MP4 or GIF video")


def encode(frames: Frames, fps: float, suffix: str) -> tuple[bytes, tuple[str, ...]]:
    """The bytes of a video file, and notes. frames: [frames, rows, columns, 1 or 3]."""
    if frames.ndim != 4 or frames.shape[-1] not in (1, 3):
        raise UsageError(
            f"a result of shape {list(frames.shape)} cannot be written as {suffix}, expected frames of 1 or 3 channels",
            "use `slices` on the axis t and write .png, or write .npy",
        )
    rgb = np.broadcast_to(frames, (*frames.shape[:-1], 3))
    return _encode_mp4(rgb, fps) if suffix == ".mp4" else _encode_gif(rgb, fps)


def _decode_mp4(data: bytes, name: str) -> Clip:
    with _mp4(io.BytesIO(data), "r") as file:
        turns = _turns(file)
    with _mp4(io.BytesIO(data), "r") as file:
        fps = float(file.metadata()["fps"])
        frames = _gathered(file.iter(thread_count=1), name)
    return Clip(
        np.ascontiguousarray(np.rot90(frames, turns, axes=(1, 2))),
        fps if math.isfinite(fps) and fps > 0 else DEFAULT_FPS,
    )


def _encode_mp4(frames: Frames, fps: float) -> tuple[bytes, tuple[str, ...]]:
    is_even = frames.shape[1] % 2 == frames.shape[2] % 2 == 0
    out = io.BytesIO()
    try:
        with _mp4(out, "w") as file:
            file.init_video_stream("libx264", fps=fps, pixel_format="yuv420p" if is_even else "yuv444p")
            file._video_stream.options = _H264  # imageio has no parameter for them
            for frame in frames:
                file.write_frame(np.ascontiguousarray(frame))
    except (OSError, ValueError, OverflowError) as error:
        size = f"{frames.shape[2]}x{frames.shape[1]}"
        raise UsageError(f"{size} pixels at {fps:g} frames per second cannot be written as .mp4: {error}") from error
    notes = () if is_even else ("an odd width or height: written as H.264 in 4:4:4, which some players refuse",)
    return out.getvalue(), notes


def _decode_gif(data: bytes, name: str) -> Clip:
    from imageio.v3 import imopen

    with imopen(io.BytesIO(data), "r", plugin="pillow", extension=".gif") as file:
        frames = _gathered(file.iter(mode="RGBA"), name)
        durations = np.array([file.metadata(index=i).get("duration", 0) for i in range(len(frames))], float)
    notes: tuple[str, ...] = ()
    if (frames[..., 3] < 255).any():
        notes += (f"{name}: its transparent pixels are shown black",)
        frames = np.where(frames[..., 3:] < 255, 0, frames).astype(np.uint8)
    frames, shown_ms = np.ascontiguousarray(frames[..., :3]), float(durations.mean())
    repeats = durations / (durations.min() or 1)
    if np.ptp(durations) > 0 and (repeats % 1 == 0).all() and frames[0].size * repeats.sum() <= MAX_VALUES:
        frames, shown_ms = np.repeat(frames, repeats.astype(int), axis=0), float(durations.min())
    elif np.ptp(durations) > 0:
        notes += (f"{name}: its frames have different durations: all get the mean",)
    return Clip(frames, 1000 / shown_ms if shown_ms > 0 else DEFAULT_FPS, notes)


def _encode_gif(frames: Frames, fps: float) -> tuple[bytes, tuple[str, ...]]:
    from PIL import Image

    hundredths = max(2, round(100 / fps))
    pictures = [Image.fromarray(np.ascontiguousarray(frame)).quantize(256) for frame in frames]
    out = io.BytesIO()
    pictures[0].save(out, "GIF", save_all=True, append_images=pictures[1:], duration=10 * hundredths, loop=0)
    notes: tuple[str, ...] = (".gif has 256 colours per frame",)
    if abs(100 / hundredths - fps) > 0.005 * fps:
        notes += (f".gif has durations in 1/100 s: written with {100 / hundredths:.4g} frames per second",)
    return out.getvalue(), notes


def _turns(file: Any) -> int:
    """Quarter turns, counter-clockwise, that make the frames of an opened MP4 upright. Reads the first frame."""
    matrix = file.metadata(index=0).get("DISPLAYMATRIX")
    if matrix is None:
        return 0
    a, b = struct.unpack_from("=2i", matrix)
    return round(-math.degrees(math.atan2(b, a)) / 90) % 4


def _gathered(frames: Iterator[Frames], name: str) -> Frames:
    """All frames in one array. Raises UnreadableError for none, changing sizes, or too many values."""
    found: list[Frames] = []
    for frame in frames:
        if found and frame.shape != found[0].shape:
            raise UnreadableError(f"video {name!r} has frames of different sizes")
        if frame.size * (len(found) + 1) > MAX_VALUES:
            raise UnreadableError(
                f"video {name!r} has more than {MAX_VALUES} (2^28) values", "cut it shorter, or make its frames smaller"
            )
        found.append(frame)
    if not found:
        raise UnreadableError(f"video {name!r} has no frames")
    return np.stack(found)


def _checked(array: np.ndarray[Any, np.dtype[Any]], name: str) -> Frames:
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[-1] not in (1, 3) or not 0 < array.size <= MAX_VALUES:
        raise UnreadableError(
            f"array {name!r} has shape {array.shape} and dtype {array.dtype}, expected frames, rows, columns and 1 "
            "or 3 channels of uint8",
            "load it as an array: `kind=array`",
        )
    return array


def _mp4(file: BinaryIO, mode: str) -> Any:
    """An MP4 file, opened by imageio."""
    need("av", "MP4")
    from imageio.v3 import imopen

    open_with: Any = imopen
    if mode == "w":
        return open_with(file, mode, plugin="pyav", extension=".mp4")
    # the format is stated, so that a file cannot pose as a playlist that refers to others
    return open_with(file, mode, plugin="pyav", format="mp4")


@FORMATS.register(".mp4")
class VideoFile(FileFormat):
    """MP4, from its header."""

    @classmethod
    def describe(cls, file: BinaryIO, head: bytes) -> dict[str, Any]:
        with _mp4(file, "r") as opened:
            stated, shape = opened.metadata(), opened.properties().shape
            size = shape[1:3] if _turns(opened) % 2 else shape[2:0:-1]
        return {
            "what": "video",
            "width": size[0],
            "height": size[1],
            "channels": shape[3],
            "frames": shape[0],
            "fps": stated["fps"],
            "codec": stated["codec"],
        }

    @classmethod
    def summary(cls, entry: Mapping[str, Any]) -> str:
        frames = f"{entry['frames']} frames of {entry['width']}x{entry['height']}"
        return f"{frames} at {entry['fps']:.4g} frames per second, {entry['codec']}"


@FORMATS.register(".gif")
class GifFile(FileFormat):
    """GIF: a picture, or with several frames a video."""

    @classmethod
    def describe(cls, file: BinaryIO, head: bytes) -> dict[str, Any]:
        found = PictureFile.describe(file, head)
        return found if found["frames"] == 1 else found | {"what": "video"}

    @classmethod
    def summary(cls, entry: Mapping[str, Any]) -> str:
        size = PictureFile.summary(entry)
        return size if entry["frames"] == 1 else f"{entry['frames']} frames of {size}"
