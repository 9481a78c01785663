"""What the samples of a TIFF mean: bits to full range, palettes, min-is-white, YCbCr, alpha; one rule for every code.

Source: TIFF revision 6.0 (Adobe 1992), sections 5, 8, 16, 18, 20 and 21.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Self

import numpy as np

from inr.core.errors import UnreadableError

Pixels = np.ndarray[Any, np.dtype[Any]]

MIN_IS_WHITE, MIN_IS_BLACK, RGB, PALETTE, YCBCR = 0, 1, 2, 3, 6
_NAMES = {4: "transparency mask", 5: "CMYK", 8: "CIELAB", 9: "ICCLAB", 10: "ITULAB", 32803: "CFA", 34892: "linear raw"}
_PREMULTIPLIED, _STRAIGHT = 1, 2
_JPEG = (6, 7)


@dataclasses.dataclass(frozen=True)
class Layout:
    """How samples [rows, columns, S] of a page become pixels [rows, columns, C].

    bits: of a sample. alpha: index of its sample, or None. is_float: of the samples. palette: [entries, 3]. ycbcr:
    coefficients (3) and references of black and white (6). is_subsampled: YCbCr in units of several pixels.
    """

    photometric: int
    bits: int
    is_float: bool
    colours: int
    alpha: int | None
    is_premultiplied: bool
    palette: Pixels | None
    ycbcr: tuple[float, ...] | None
    is_subsampled: bool
    n_samples: int
    notes: tuple[str, ...]

    @classmethod
    def of(cls, page: Any, name: str) -> Self:
        """The layout by a page's tags. Raises UnreadableError for one that is not read."""
        photometric = int(page.photometric)
        if photometric not in (MIN_IS_WHITE, MIN_IS_BLACK, RGB, PALETTE, YCBCR):
            colour = _NAMES.get(photometric, str(photometric))
            raise UnreadableError(
                f"picture {name!r} has colour mode {colour}, expected grey, RGB, YCbCr, palette, with or without alpha",
                "convert it to RGB first, in a program that knows its colour profile",
            )
        bits, is_float = _sample_type(page, name)
        colours = 3 if photometric in (RGB, YCBCR) else 1
        alpha, is_premultiplied, notes = _extra(page, colours, name)
        if photometric == YCBCR and page.compression in _JPEG and page.samplesperpixel != 3:
            raise UnreadableError(f"picture {name!r} is YCbCr in JPEG with further channels, which is not read")
        palette = None
        if photometric == PALETTE:
            if is_float:
                raise UnreadableError(f"picture {name!r} is a palette picture of floats, expected integers")
            palette = _palette(page, bits, name)
        ycbcr = None
        is_subsampled = False
        if photometric == YCBCR and (page.compression not in _JPEG or page.planarconfig == 2):
            if bits != 8 or is_float:
                raise UnreadableError(f"picture {name!r} is YCbCr of {bits} bits, expected 8")
            coefficients = _rationals(page.tags.valueof(529)) or (0.299, 0.587, 0.114)
            reference = _rationals(page.tags.valueof(532)) or (0, 255, 128, 255, 128, 255)
            if len(coefficients) != 3 or len(reference) != 6 or coefficients[1] == 0:
                raise UnreadableError(f"picture {name!r} has damaged tags YCbCrCoefficients or ReferenceBlackWhite")
            ycbcr = (*coefficients, *reference)
            is_subsampled = _subsampling(page) != (1, 1)
            if is_subsampled and (page.planarconfig == 2 or page.samplesperpixel != 3 or page.predictor != 1):
                raise UnreadableError(
                    f"picture {name!r} is YCbCr with subsampled colours, planes or a predictor, which is not read",
                    "save it as RGB",
                )
        if photometric == MIN_IS_WHITE and is_float:
            notes += ("floats with 0 for white: 1 - value was taken",)
        return cls(
            photometric, bits, is_float, colours, alpha, is_premultiplied, palette, ycbcr, is_subsampled,
            int(page.samplesperpixel), notes,
        )  # fmt: skip

    @property
    def channels(self) -> int:
        return (3 if self.palette is not None else self.colours) + (self.alpha is not None)

    @property
    def dtype(self) -> np.dtype[Any]:
        if self.is_float:
            return np.dtype(np.float32)
        if self.palette is not None:
            return self.palette.dtype
        return np.dtype(np.uint8 if self.bits <= 8 else np.uint16)

    @property
    def is_plain(self) -> bool:
        """Whether the samples are the pixels."""
        is_grey_or_rgb = self.photometric in (MIN_IS_BLACK, RGB)
        is_whole = self.bits in (8, 16) if not self.is_float else self.bits in (16, 32)
        return is_grey_or_rgb and is_whole and not self.is_premultiplied and self.channels == self.n_samples

    def pixels(self, raw: Pixels) -> Pixels:
        """Pixels of samples. Raises ValueError for indices outside the palette."""
        colour = raw[..., : self.colours]
        if self.palette is not None:
            index = colour[..., 0].astype(np.intp)
            if index.size and index.max() >= len(self.palette):
                raise ValueError(f"it has colour {index.max()} of a palette of {len(self.palette)}")
            colour = self.palette[index]
        elif self.ycbcr is not None:
            colour = _rgb(colour, self.ycbcr)
        else:
            colour = self._full(colour)
            if self.photometric == MIN_IS_WHITE:
                colour = (1 if self.is_float else np.iinfo(self.dtype).max) - colour
        if self.alpha is None:
            return np.ascontiguousarray(colour, self.dtype)
        alpha = self._full(raw[..., self.alpha : self.alpha + 1], self.dtype)
        pixels = np.concatenate([colour, alpha], axis=-1).astype(self.dtype, copy=False)
        return straight_alpha(pixels) if self.is_premultiplied else pixels

    def _full(self, samples: Pixels, dtype: np.dtype[Any] | None = None) -> Pixels:
        """Samples of few bits stretched to the whole range of their type."""
        dtype = dtype or self.dtype
        if self.is_float:
            return samples.astype(np.float32)
        peak, most = np.iinfo(dtype).max, 2**self.bits - 1
        if peak == most:
            return samples.astype(dtype)
        levels: Pixels = np.rint(np.arange(most + 1) * (peak / most)).astype(dtype)
        return levels[samples.astype(np.intp)]


def straight_alpha(pixels: Pixels) -> Pixels:
    """Colours divided by the alpha that they were multiplied with; 0 where alpha is 0."""
    peak = float(np.iinfo(pixels.dtype).max) if pixels.dtype.kind == "u" else 1.0
    alpha = pixels[..., -1:] / peak
    colour = np.divide(pixels[..., :-1], alpha, out=np.zeros(pixels[..., :-1].shape), where=alpha > 0)
    if pixels.dtype.kind == "u":
        colour = np.minimum(np.rint(colour), peak)
    return np.concatenate([colour.astype(pixels.dtype), pixels[..., -1:]], axis=-1)


def subsampled(page: Any, data: bytes | bytearray, shape: tuple[int, int]) -> Pixels:
    """Samples [rows, columns, 3] of a block of YCbCr units: h x v luma samples, then one Cb and one Cr.

    A colour is that of all pixels of its unit, as libtiff has it. Raises ValueError for too few bytes.
    """
    import imagecodecs
    import tifffile

    rows, columns = shape
    if page.fillorder == 2:
        data = imagecodecs.bitorder_decode(data)
    h, v = _subsampling(page)
    units = (-(-rows // v), -(-columns // h))
    size = units[0] * units[1] * (h * v + 2)
    if page.compression != 1:
        data = tifffile.TIFF.DECOMPRESSORS[page.compression](data, out=max(size, rows * columns * 3))
    if len(data) < size:
        raise ValueError(f"a block ends after {len(data)} of {size} bytes")
    unit = np.frombuffer(data, np.uint8, size).reshape(*units, h * v + 2)
    luma = unit[..., :-2].reshape(*units, v, h).swapaxes(1, 2).reshape(units[0] * v, units[1] * h, 1)
    chroma = unit[..., -2:].repeat(v, 0).repeat(h, 1)
    return np.concatenate([luma, chroma], axis=-1)[:rows, :columns]


def _subsampling(page: Any) -> tuple[int, int]:
    """(horizontal, vertical); without a tag it is 2 by 2, unless an uncompressed picture has the bytes for 1 by 1."""
    found = page.subsampling
    if found is None:
        n_bytes = page.imagewidth * page.imagelength * 3
        return (1, 1) if page.compression == 1 and sum(page.databytecounts) >= n_bytes else (2, 2)
    h, v = (int(n) for n in found)
    if h not in (1, 2, 4) or v not in (1, 2, 4):
        raise UnreadableError(f"YCbCr subsampling is {h}x{v}, expected 1, 2 or 4 each")
    return h, v


def _sample_type(page: Any, name: str) -> tuple[int, bool]:
    """(bits, whether they are floats) of a sample."""
    bits, form = page.bitspersample, page.sampleformat
    is_one = isinstance(bits, int) and isinstance(form, int)
    if is_one and form in (1, 4) and 1 <= bits <= 16:
        return bits, False
    if is_one and form == 3 and bits in (16, 24, 32, 64):
        return bits, True
    kinds = {1: "uint", 2: "int", 3: "float", 4: "uint", 5: "complex int", 6: "complex float"}
    kind = "/".join(kinds.get(f, "unknown") for f in (form if isinstance(form, tuple) else (form,)))
    sizes = "/".join(map(str, bits)) if isinstance(bits, tuple) else str(bits)
    raise UnreadableError(
        f"picture {name!r} has pixels of type {kind}{sizes}, expected unsigned integers of 1 to 16 bits, or floats",
        "save it as .npy and load it as an array",
    )


def _extra(page: Any, colours: int, name: str) -> tuple[int | None, bool, tuple[str, ...]]:
    """(index of alpha, whether it is premultiplied, notes) of the samples beyond the colours."""
    n = int(page.samplesperpixel) - colours
    if n < 0:
        raise UnreadableError(f"picture {name!r} has {page.samplesperpixel} channels, its colours need {colours}")
    if n == 0:
        return None, False, ()
    kinds = [int(kind) for kind in tuple(page.extrasamples)[:n]]
    notes: tuple[str, ...] = ()
    if not kinds and n == 1:
        kinds = [_STRAIGHT]
        notes += ("no tag defines its last channel: taken as alpha",)
    alpha = next((i for i, kind in enumerate(kinds) if kind in (_PREMULTIPLIED, _STRAIGHT)), None)
    n_left = n - (alpha is not None)
    if colours == 1 and n_left > 1:
        raise UnreadableError(
            f"picture {name!r} has {page.samplesperpixel} channels and no tag that defines their colours, expected "
            "grey, RGB, palette, with or without alpha",
            "save it as .npy and load it as an array",
        )
    if n_left:
        what = "channel that is neither colour nor alpha is" if n_left == 1 else "channels that are no colours are"
        notes += (f"{n_left} {what} left out",)
    is_premultiplied = alpha is not None and kinds[alpha] == _PREMULTIPLIED
    if is_premultiplied:
        notes += ("premultiplied alpha was changed to straight alpha",)
    return None if alpha is None else colours + alpha, is_premultiplied, notes


def _palette(page: Any, bits: int, name: str) -> Pixels:
    """Colours [2^bits, 3], uint8 if the 16 bits in the file have only values of 8 bits, else uint16."""
    stored = page.colormap
    if stored is None or np.shape(stored) != (3, 2**bits):
        raise UnreadableError(f"picture {name!r} has a palette of {np.size(stored)} numbers, expected {3 * 2**bits}")
    colours: Pixels = np.asarray(stored, np.uint16).T
    if colours.max() < 256:  # written by programs that take the numbers for 8 bits; libtiff reads it so
        return colours.astype(np.uint8)
    high, low = colours >> 8, colours & 255
    return high.astype(np.uint8) if (low == 0).all() or (low == high).all() else np.ascontiguousarray(colours)


def _rationals(value: Any) -> tuple[float, ...]:
    """A tag of fractions, stored as numerators and denominators in turn."""
    if value is None:
        return ()
    numbers = [float(n) for n in value]
    return tuple(a / b if b else 0.0 for a, b in zip(numbers[::2], numbers[1::2], strict=True))


def _rgb(samples: Pixels, ycbcr: tuple[float, ...]) -> Pixels:
    """8-bit YCbCr as RGB (section 21); references: the codes of black and white."""
    red, green, blue = ycbcr[:3]
    codes = samples.astype(np.float64)
    y, cb, cr = (
        (codes[..., i] - black) * (full / ((white - black) or 1.0))
        for i, (black, white, full) in enumerate(zip(ycbcr[3::2], ycbcr[4::2], (255, 127, 127), strict=True))
    )
    r = cr * (2 - 2 * red) + y
    b = cb * (2 - 2 * blue) + y
    g = (y - blue * b - red * r) / green
    return np.rint(np.clip(np.stack([r, g, b], axis=-1), 0, 255)).astype(np.uint8)
