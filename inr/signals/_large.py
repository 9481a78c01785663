"""Large files of each kind, read tile by tile, and when a file counts as large."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np

from inr._domain import Domain, Frame
from inr._errors import UnreadableError, UsageError
from inr.signals import array as arrays
from inr.signals import audio as sounds
from inr.signals import image as pictures
from inr.signals._lattice import AnyArray, Lattice
from inr.signals._pictures import MAX_PIXELS, NPY_MAGIC, TIFF_MAGIC, as_pixels, as_written
from inr.signals._reading import check_options
from inr.signals._signal import Signal, Source, Values
from inr.signals._store import MAX_TILE_VALUES, MappedStore, SoundStore, Store, TiffStore, Tiles, mapped, npy_header
from inr.signals._tiled import Tiled, extremes, measure_of, middle_and_half

READ = ("auto", "memory", "tiles")
LARGE_SOUND = 2**28
"""Values beyond which a sound stays in its file."""


class TiledImage(Tiled):
    """A picture in a TIFF with tiles or strips, or in an .npy [rows, columns, C] of uint8, uint16 or floats.

    Grey or RGB, with or without straight alpha, upright. Floats are mapped by their range, which takes a pass over
    the file; integers need none.
    """

    kind: ClassVar[str] = "image"
    whole: ClassVar[type[Lattice]] = pictures.Image

    @classmethod
    def load(cls, source: Source, options: Mapping[str, str]) -> Self:
        assert source.path is not None
        icc = None
        store: Store
        if _head(source) == NPY_MAGIC:
            _, dtype, shape, _ = npy_header(source)
            as_pixels(np.empty((1,) * min(2, len(shape)) + shape[2:], dtype), source)
            store = mapped(source, 2)
        else:
            store, icc = _tiff(source)
        columns, rows = float(store.shape[1]), float(store.shape[0])
        channels = store.channels
        span = (np.zeros(channels), np.ones(channels))
        if store.dtype.kind == "f":
            span = extremes(iter(Tiles(store)), source.name)
        offset, scale = middle_and_half(*span)
        stored = "float32" if store.dtype.kind == "f" else str(store.dtype)
        meta = {"dtype": stored, "channels": channels, "icc": icc}
        frame = Frame(Domain((0.0, 0.0), (columns, rows), ("x", "y"), "pixels"), offset, scale)
        signal = cls(store, frame, meta, order=(1, 0), measure=measure_of(options))
        signal._peak = (
            1.0 if stored != "float32" else float(np.float32(span[1].max()) - np.float32(span[0].min())) or 1.0
        )
        return signal

    @property
    def peak(self) -> float:
        return self._peak

    def values_of(self, raw: AnyArray) -> Values:
        values: Values = raw.astype(np.float32)
        return values if raw.dtype.kind == "f" else values / np.float32(np.iinfo(raw.dtype).max)

    def as_written(self, values: Values) -> AnyArray:
        return as_written(values, self.meta["dtype"])

    def counted(self, values: Values) -> AnyArray | None:
        """Colours under transparent pixels do not count."""
        if self.spec.d_out not in (2, 4):
            return None
        counted = np.ones(values.shape, np.bool_)
        counted[..., :-1] = values[..., -1:] > 0
        return counted


class TiledArray(Tiled):
    """An .npy of one to four axes; see `Array`. One pass over the file finds the range of its values."""

    kind: ClassVar[str] = "array"
    whole: ClassVar[type[Lattice]] = arrays.Array

    @classmethod
    def load(cls, source: Source, options: Mapping[str, str]) -> Self:
        has_channels = options.get("channels") == "last"
        _, dtype, shape, _ = npy_header(source)
        outline = arrays.Array.of_array(
            np.zeros((1,) * (len(shape) - has_channels) + shape[len(shape) - has_channels :], dtype),
            has_channels=has_channels,
            name=source.name,
        )
        store = mapped(source, len(shape) - has_channels)
        low, high = extremes(iter(Tiles(store)), source.name)
        domain = Domain(
            (0.0,) * len(store.shape), tuple(map(float, store.shape)), outline.frame.domain.axes, "elements"
        )
        meta = outline.meta | {"range": [float(np.float32(low.min())), float(np.float32(high.max()))]}
        return cls(store, Frame(domain, *middle_and_half(low, high)), meta, measure=measure_of(options))

    @property
    def peak(self) -> float:
        low, high = self.meta["range"]
        return (high - low) or 1.0

    def values_of(self, raw: AnyArray) -> Values:
        return raw.astype(np.float32)

    def as_written(self, values: Values) -> AnyArray:
        return arrays.as_dtype(values, self.meta["dtype"])


class TiledAudio(Tiled):
    """A long WAV, FLAC or OGG; see `Audio`. One pass over the file finds its largest sample."""

    kind: ClassVar[str] = "audio"
    whole: ClassVar[type[Lattice]] = sounds.Audio
    headline: str = "snr_db"

    @classmethod
    def load(cls, source: Source, options: Mapping[str, str]) -> Self:
        assert source.path is not None
        store = SoundStore(source.path)
        low, high = extremes(iter(Tiles(store)), source.name)
        most = float(max(-low.min(), high.max())) or 1.0
        n = store.shape[0]
        frame = Frame(
            Domain((0.0,), (n / store.rate_hz,), ("t",), "seconds"), (0.0,) * store.channels, (most,) * store.channels
        )
        meta = {"rate_hz": store.rate_hz, "subtype": store.subtype}
        signal = cls(store, frame, meta, measure=measure_of(options), notes=sounds.length_notes(n))
        signal._peak = max(1.0, most)
        return signal

    @property
    def peak(self) -> float:
        return self._peak

    def values_of(self, raw: AnyArray) -> Values:
        return raw

    def as_written(self, values: Values) -> AnyArray:
        return sounds.as_written(values, self.meta["subtype"])


def open_tiled(kind: str, source: Source, options: Mapping[str, str], own: Mapping[str, str]) -> Signal | None:
    """The signal read tile by tile, or None where it is to be loaded whole.

    It is in tiles with the option read=tiles; with read=auto, the default, where it is a file of more than 2^27 pixels,
    2^30 array values or 2^28 sound values in a format that can be read so. own: the kind's own options.
    Raises UsageError for read=tiles and another format.
    """
    check_options(kind, {"read": options.get("read", "auto")}, {"read": READ})
    measure_of(options)
    read = options.get("read", "auto")
    if read == "memory" or source.path is None:
        if read == "tiles":
            raise UsageError("option read is tiles, but the input is a pipe", "give a file")
        return None
    found, n, limit = _size(kind, source)
    if found is None:
        if read == "tiles":
            raise UsageError(
                f"option read is tiles, but {source.name!r} can not be read in tiles",
                "pictures: TIFF or .npy; sounds: WAV, FLAC, OGG; arrays: .npy",
            )
        return None
    if read == "auto" and n <= limit:
        return None
    if kind == "array":
        check_options("array", own, {"channels": ("none", "last")})
    else:
        check_options(kind, own, {})
    return found.load(source, options)


def _size(kind: str, source: Source) -> tuple[type[Tiled] | None, int, int]:
    """(how it would be read in tiles, or None, its size, the size beyond which it is), from the header alone."""
    head = _head(source)
    if kind == "image":
        if head[:4] in TIFF_MAGIC:
            import tifffile

            try:
                with tifffile.TiffFile(source.path) as tiff:
                    page = tiff.pages.first
                    return TiledImage, page.imagewidth * page.imagelength, MAX_PIXELS
            except Exception:  # noqa: BLE001  the loader says what is wrong with it
                return None, 0, 0
        if head == NPY_MAGIC:
            return TiledImage, math.prod(npy_header(source)[2][:2]), MAX_PIXELS
    if kind == "array" and head == NPY_MAGIC:
        return TiledArray, math.prod(npy_header(source)[2]), arrays.MAX_VALUES
    if kind == "audio" and head[:4] in (b"RIFF", b"RF64", b"fLaC", b"OggS"):
        import soundfile

        try:
            found = soundfile.info(str(source.path))
        except Exception:  # noqa: BLE001  the loader says what is wrong with it
            return None, 0, 0
        return TiledAudio, found.frames * found.channels, LARGE_SOUND
    return None, 0, 0


def _head(source: Source) -> bytes:
    with source.open() as file:
        return file.read(6)


def _tiff(source: Source) -> tuple[Store, str | None]:
    """The store of a TIFF, and its colour profile in base64; refuses what only the whole picture can be told of."""
    import base64

    assert source.path is not None
    store = TiffStore(source.path)
    page = store.page
    colour = getattr(page.photometric, "name", str(page.photometric))
    problem = None
    if colour not in ("MINISBLACK", "RGB") or page.bitspersample not in (8, 16, 32):
        problem = f"colour mode {colour} of {page.bitspersample} bits, expected grey or RGB of 8, 16 or 32 (float)"
    elif page.axes not in ("YX", "YXS") or store.channels > 4 or page.imagedepth > 1:
        problem = f"axes {page.axes} of sizes {page.shape}, expected rows, columns and 1 to 4 interleaved channels"
    elif store.dtype not in (np.uint8, np.uint16, np.float32):
        problem = f"pixels of type {store.dtype}, expected uint8, uint16 or float32"
    elif page.tags.valueof(274, 1) not in (0, 1):
        problem = "an orientation other than upright"
    elif store.channels in (2, 4) and tuple(page.extrasamples) == (1,):
        problem = "premultiplied alpha, expected straight alpha"
    elif math.prod(store.tile) * store.channels > MAX_TILE_VALUES:
        if page.is_memmappable:
            dtype = np.dtype(page.parent.byteorder + page.dtype.char)
            profile = page.tags.valueof(34675)
            icc = None if profile is None else base64.b64encode(profile).decode("ascii")
            return MappedStore(source.path, page.dataoffsets[0], dtype, store.shape, store.channels), icc
        problem = f"strips of {store.tile[0]}x{store.tile[1]} pixels, expected tiles, or strips of some rows"
    if problem is not None:
        raise UnreadableError(
            f"picture {source.name!r} is read tile by tile, and has {problem}",
            "save it as a tiled RGB TIFF, or as .npy",
        )
    store.read(Tiles(store).box(0))  # a code that can not be read here is found before the work
    profile = page.tags.valueof(34675)
    return store, None if profile is None else base64.b64encode(profile).decode("ascii")
