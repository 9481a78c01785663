"""TIFFs of every supported kind: the same pixels from the whole file, in tiles and by the header."""

from __future__ import annotations

import contextlib
import io
import itertools
import struct
import tempfile
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL import ImageCms

from inr.core.errors import UnreadableError
from inr.signals import Source, load_signal
from inr.signals.files.pictures import Outline, Picture, decode, outline
from inr.signals.tiled.signal import Tiled
from tests.signals.files.tiff_bytes import (
    CODES,
    GREY,
    PALETTE,
    RGB,
    WHITE_IS_0,
    YCBCR,
    Array,
    Form,
    block,
    file_of,
    tiff_of,
)

ROWS, COLUMNS = 11, 19


def decoded(data: bytes) -> Picture:
    return decode(Source("a.tif", data=data))


def outlined(data: bytes) -> Outline:
    return outline(io.BytesIO(data), "a.tif")


def in_tiles(data: bytes, folder: Path) -> Array:
    """The pixels as the reader of large files gives them, all at once by index."""
    path = folder / "a.tif"
    path.write_bytes(data)
    signal = load_signal(path, "image", {"read": "tiles"})
    assert isinstance(signal, Tiled)
    store = signal.tiles.store
    n = int(np.prod(store.shape))
    return signal.tiles.gather(np.arange(n)).reshape(*store.shape, store.channels)


def check(data: bytes, expected: Array, folder: Path, bits: int | None = None, atol: float = 0) -> Picture:
    """Every way to read a file gives the expected pixels."""
    picture, reported = decoded(data), outlined(data)
    assert picture.pixels.dtype == expected.dtype
    assert picture.pixels.shape == expected.shape
    np.testing.assert_allclose(picture.pixels.astype(np.float64), expected.astype(np.float64), rtol=0, atol=atol)
    assert (reported.height, reported.width, reported.channels) == expected.shape
    assert reported.dtype == str(expected.dtype)
    if bits is not None:
        assert reported.bits == bits
    np.testing.assert_array_equal(in_tiles(data, folder), picture.pixels)
    return picture


def numbers(bits: int, channels: int, seed: int = 0, rows: int = ROWS, columns: int = COLUMNS) -> Array:
    """Samples of so many bits; 0 bits: floats."""
    rng = np.random.default_rng(seed)
    if bits == 0:
        return rng.normal(0.4, 0.7, (rows, columns, channels)).astype(np.float32)
    found = rng.integers(0, 2**bits, (rows, columns, channels), np.uint32)
    found.reshape(-1)[:2] = 0, 2**bits - 1
    return found.astype(np.uint8 if bits <= 8 else np.uint16)


def stretched(samples: Array, bits: int) -> Array:
    """v / (2^bits - 1) of the range of 8 or 16 bits."""
    peak, dtype = (255, np.uint8) if bits <= 8 else (65535, np.uint16)
    full: Array = np.floor(samples.astype(np.float64) / (2**bits - 1) * peak + 0.5).astype(dtype)
    return full


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 15, 16])
@pytest.mark.parametrize("photometric", [GREY, WHITE_IS_0])
@pytest.mark.parametrize("code", CODES)
def test_grey_of_every_depth_and_code(bits: int, photometric: int, code: str, tmp_path: Path) -> None:
    samples = numbers(bits, 1)
    expected = stretched(samples, bits)
    if photometric == WHITE_IS_0:
        expected = stretched(2**bits - 1 - samples, bits)
    check(tiff_of(samples, Form(bits, photometric, code, rows_per_strip=4)), expected, tmp_path, bits)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("how", ["times 257", "times 256", "16 bits", "8 bits"])
def test_palettes_of_every_depth_and_code(bits: int, code: str, how: str, tmp_path: Path) -> None:
    index = numbers(bits, 1)
    colours = np.random.default_rng(1).integers(0, 256, (2**bits, 3), np.uint16)
    colours[0] = 255  # so that a palette of 8 bits in 16 does not by chance hold small numbers only
    stored = {"times 257": colours * 257, "times 256": colours * 256, "8 bits": colours}.get(how)
    if stored is None:
        stored = np.random.default_rng(2).integers(300, 65536, (2**bits, 3), np.uint16) | 1
        stored[0] = 12345
    expected = (stored if how == "16 bits" else colours.astype(np.uint8))[index[..., 0]]
    check(tiff_of(index, Form(bits, PALETTE, code, palette=stored)), expected, tmp_path, bits)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("code", "predictor"), [("none", 1), ("lzw", 1), ("lzw", 3), ("zstd", 1), ("zstd", 3)])
@pytest.mark.parametrize("order", "<>")
def test_floats(dtype: str, channels: int, code: str, predictor: int, order: str, tmp_path: Path) -> None:
    samples = numbers(0, channels).astype(dtype)
    form = Form(0, RGB if channels == 3 else GREY, code, predictor, order)
    check(tiff_of(samples, form), samples.astype(np.float32), tmp_path, samples.itemsize * 8)


@pytest.mark.parametrize("code", ["none", "lzw"])
def test_floats_with_0_for_white_are_inverted_with_a_note(code: str, tmp_path: Path) -> None:
    samples = numbers(0, 1)
    picture = check(tiff_of(samples, Form(0, WHITE_IS_0, code)), 1 - samples, tmp_path)
    assert "0 for white" in picture.notes[0]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    bits=st.sampled_from([1, 2, 4, 8, 12, 16, 0]),
    photometric=st.sampled_from([GREY, RGB, WHITE_IS_0]),
    code=st.sampled_from(list(CODES)),
    is_predicted=st.booleans(),
    order=st.sampled_from("<>"),
    is_big=st.booleans(),
    cut=st.sampled_from(["one strip", "strips", "tiles"]),
    is_planar=st.booleans(),
    orientation=st.integers(1, 8),
    extra=st.sampled_from([(), (0,), (1,), (2,), (0, 2), (2, 0)]),
    seed=st.integers(0, 99),
)
def test_any_form_reads_back(
    bits: int, photometric: int, code: str, is_predicted: bool, order: str, is_big: bool, cut: str, is_planar: bool,
    orientation: int, extra: tuple[int, ...], seed: int, tmp_path: Path,
) -> None:  # fmt: skip
    """Bits, code, byte order, blocks, planes, orientation and extra channels in any combination."""
    assume(not is_predicted or (code not in ("none", "packbits") and bits in (0, 8, 16)))
    colours = 3 if photometric == RGB else 1
    samples = numbers(bits, colours + len(extra), seed)
    predictor = 1 if not is_predicted else 3 if bits == 0 else 2
    form = Form(
        bits, photometric, code, predictor, order, is_big, 3 if cut == "strips" else 0,
        (16, 16) if cut == "tiles" else None, is_planar, orientation, extra or None,
    )  # fmt: skip
    full = samples if bits == 0 else stretched(samples, bits)
    colour = full[..., :colours]
    if photometric == WHITE_IS_0:
        colour = (1 if bits == 0 else np.iinfo(full.dtype).max) - colour
    kept = [k for k, kind in enumerate(extra) if kind]
    expected = np.concatenate([colour, *(full[..., colours + k, None] for k in kept[:1])], axis=-1)
    if 1 in extra:
        peak = 1.0 if bits == 0 else float(np.iinfo(full.dtype).max)
        share = expected[..., -1:].astype(np.float64) / peak
        straight = np.where(share > 0, expected[..., :-1] / np.where(share > 0, share, 1), 0)
        if bits:
            straight = np.minimum(np.floor(straight + 0.5), peak)
        expected = np.concatenate([straight, expected[..., -1:]], axis=-1).astype(full.dtype)
    turned = {
        1: expected, 2: expected[:, ::-1], 3: expected[::-1, ::-1], 4: expected[::-1], 5: expected.swapaxes(0, 1),
        6: np.rot90(expected, -1), 7: np.rot90(expected, -1)[::-1, :][:, :], 8: np.rot90(expected, 1),
    }[orientation]  # fmt: skip
    if orientation == 7:
        turned = expected[::-1, ::-1].swapaxes(0, 1)
    picture = check(tiff_of(samples, form), turned.astype(full.dtype), tmp_path, atol=1 if 1 in extra and bits else 0)
    assert any("left out" in note for note in picture.notes) == (0 in extra)


def test_an_unspecified_last_channel_is_alpha_with_a_note(tmp_path: Path) -> None:
    samples = numbers(8, 4)
    picture = check(tiff_of(samples, Form(8, RGB)), samples, tmp_path)
    assert "taken as alpha" in picture.notes[0]


def test_infrared_is_not_alpha(tmp_path: Path) -> None:
    samples = numbers(16, 4)
    samples[:5, :, 3] = 0
    picture = check(tiff_of(samples, Form(16, RGB, "lzw", extra=(0,))), samples[..., :3], tmp_path)
    assert "neither colour nor alpha" in picture.notes[0]
    path = tmp_path / "i.tif"
    path.write_bytes(tiff_of(samples, Form(16, RGB, extra=(0,))))
    assert getattr(load_signal(path), "weight", None) is None


def test_palettes_may_have_alpha_and_bilevel_pictures_channels(tmp_path: Path) -> None:
    index, alpha = numbers(8, 1), numbers(8, 1, 1)
    colours = np.random.default_rng(1).integers(0, 256, (256, 3), np.uint16)
    form = Form(8, PALETTE, palette=colours * 257, extra=(2,))
    expected = np.concatenate([colours.astype(np.uint8)[index[..., 0]], alpha], -1)
    check(tiff_of(np.concatenate([index, alpha], -1), form), expected, tmp_path)
    bits = numbers(1, 3)
    check(tiff_of(bits, Form(1, RGB, "lzw")), bits * np.uint8(255), tmp_path)


@pytest.mark.parametrize("photometric", [GREY, WHITE_IS_0])
@pytest.mark.parametrize("code", ["none", "deflate"])
def test_bits_from_the_right(photometric: int, code: str, tmp_path: Path) -> None:
    samples = numbers(1, 1)
    expected = samples * np.uint8(255)
    check(
        tiff_of(samples, Form(1, photometric, code, fill_order=2)),
        255 - expected if photometric == WHITE_IS_0 else expected,
        tmp_path,
    )


def ycbcr_and_rgb(rows: int = 8, columns: int = 12) -> tuple[Array, Array]:
    """Samples, and their colours by BT.601: R = Y + 1.402 Cr, G = Y - 0.344136 Cb - 0.714136 Cr, B = Y + 1.772 Cb."""
    samples = np.random.default_rng(5).integers(0, 256, (rows, columns, 3), np.uint8)
    y, cb, cr = np.moveaxis(samples.astype(np.float64) - (0, 128, 128), -1, 0)
    rgb = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], -1)
    return samples, np.clip(np.round(rgb), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("code", "cut"),
    [
        *itertools.product(CODES, ("strips", "tiles", "planes")),
        *((code, "predicted") for code in CODES if code not in ("none", "packbits")),
    ],
)
def test_ycbcr_becomes_rgb(code: str, cut: str, tmp_path: Path) -> None:
    samples, rgb = ycbcr_and_rgb()
    form = Form(
        8, YCBCR, code, 2 if cut == "predicted" else 1, rows_per_strip=3 if cut == "strips" else 0,
        tile=(16, 16) if cut == "tiles" else None, is_planar=cut == "planes",
    )  # fmt: skip
    check(tiff_of(samples, form, [(530, 3, [1, 1])]), rgb, tmp_path, atol=1)


@pytest.mark.parametrize(
    ("h", "v", "is_told"),
    [(2, 2, True), (2, 2, False), (2, 1, True), (4, 1, True), (4, 2, True), (1, 2, True)],  # the default is 2 by 2
)
@pytest.mark.parametrize("code", ["none", "lzw", "deflate"])
def test_ycbcr_in_units_of_several_pixels(h: int, v: int, is_told: bool, code: str, tmp_path: Path) -> None:
    rows, columns = 9, 13
    luma = np.random.default_rng(0).integers(0, 256, (rows, columns), np.uint8)
    units = (-(-rows // v), -(-columns // h))
    chroma = np.random.default_rng(1).integers(90, 160, (*units, 2), np.uint8)
    padded = np.pad(luma, ((0, units[0] * v - rows), (0, units[1] * h - columns)), mode="edge")
    data = b""
    for r, c in itertools.product(*map(range, units)):
        data += padded[r * v : r * v + v, c * h : c * h + h].tobytes() + chroma[r, c].tobytes()
    tags = [
        (256, 3, [columns]), (257, 3, [rows]), (258, 3, [8, 8, 8]), (259, 3, [CODES[code][0]]), (262, 3, [6]),
        (277, 3, [3]), (278, 3, [units[0] * v]),
    ]  # fmt: skip
    if is_told:
        tags.append((530, 3, [h, v]))
    whole = chroma.repeat(v, 0).repeat(h, 1)[:rows, :columns].astype(np.float64) - 128
    cb, cr = whole[..., 0], whole[..., 1]
    y = luma.astype(np.float64)
    rgb = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], -1)
    expected = np.clip(np.round(rgb), 0, 255).astype(np.uint8)
    check(file_of(tags, [bytes(CODES[code][1](data))]), expected, tmp_path, atol=1)


def test_ycbcr_of_video_levels_and_other_coefficients(tmp_path: Path) -> None:
    """Grey 16 is black and 235 white where the file says so; luma of BT.709 weighs green most."""
    samples = np.array([[[16, 128, 128], [235, 128, 128], [125, 128, 240]]], np.uint8)
    reference = [16, 1, 235, 1, 128, 1, 240, 1, 128, 1, 240, 1]
    coefficients = [2126, 10000, 7152, 10000, 722, 10000]
    tags = [(530, 3, [1, 1]), (532, 5, reference), (529, 5, coefficients)]
    data = tiff_of(samples, Form(8, YCBCR), tags)
    y = 109 * 255 / 219
    red, green = y + 127 * 1.5748, (y - 0.0722 * y - 0.2126 * (y + 127 * 1.5748)) / 0.7152
    expected = np.array([[[0, 0, 0], [255, 255, 255], [min(red, 255), max(green, 0), y]]])
    check(data, np.round(expected).astype(np.uint8), tmp_path, atol=1)


@pytest.mark.parametrize("how", ["group3", "group4", "tiff_ccitt"])
def test_fax_codes(how: str, tmp_path: Path) -> None:
    """A white page of 2000 rows takes a few hundred bytes: small is not truncated."""
    shape = np.zeros((2000, 700), np.bool_)
    shape[100:300, 50:90] = True
    for page in (shape, ~shape, np.ones((2000, 700), np.bool_)):
        out = io.BytesIO()
        Pillow.fromarray(page).save(out, "TIFF", compression=how)
        check(out.getvalue(), page[..., None] * np.uint8(255), tmp_path, 1)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_jpeg_in_tiff(mode: str, tmp_path: Path) -> None:
    """A smooth picture survives JPEG within a few levels, also in tiles and with the tables apart from the blocks."""
    ramp = np.stack(np.broadcast_arrays(*np.ogrid[40:200:160j, 60:180:144j], 90.0), -1)[..., :3]
    pixels = np.rint(ramp if mode == "RGB" else ramp[..., :1]).astype(np.uint8)
    out = io.BytesIO()
    Pillow.fromarray(pixels if mode == "RGB" else pixels[..., 0]).save(out, "TIFF", compression="jpeg", quality=95)
    check(out.getvalue(), pixels, tmp_path, 8, atol=6)
    out = io.BytesIO()
    given = pixels if mode == "RGB" else pixels[..., 0]
    colour = {"photometric": "rgb", "subsampling": (2, 2)} if mode == "RGB" else {"photometric": "minisblack"}
    tifffile.imwrite(out, given, tile=(32, 48), compression="jpeg", compressionargs={"level": 95}, **colour)
    check(out.getvalue(), pixels, tmp_path, 8, atol=6)
    if mode == "RGB":  # a stream of R, G and B, as a few programs write it
        stream = imagecodecs.jpeg8_encode(pixels, 95, colorspace="rgb", outcolorspace="rgb")
        tags = [
            (256, 4, [144]), (257, 4, [160]), (258, 3, [8, 8, 8]), (259, 3, [7]), (262, 3, [2]), (277, 3, [3]),
            (278, 4, [160]),
        ]  # fmt: skip
        check(file_of(tags, [bytes(stream)]), pixels, tmp_path, 8, atol=6)


@pytest.mark.parametrize("compression", ["webp", "lerc"])
def test_other_codes_in_tiles(compression: str, tmp_path: Path) -> None:
    pixels = numbers(8, 3, rows=40, columns=50)
    out = io.BytesIO()
    args = {"level": 100, "lossless": True} if compression == "webp" else {}
    tifffile.imwrite(out, pixels, photometric="rgb", tile=(32, 32), compression=compression, compressionargs=args)
    check(out.getvalue(), pixels, tmp_path)


@pytest.mark.parametrize("writer", ["Pillow", "tifffile"])
@pytest.mark.parametrize("is_big", [False, True])
def test_files_of_common_programs_are_read(writer: str, is_big: bool, tmp_path: Path) -> None:
    for channels, dtype in ((1, "uint8"), (3, "uint8"), (4, "uint8"), (1, "uint16"), (3, "uint16"), (1, "float32")):
        bits = {"uint8": 8, "uint16": 16, "float32": 0}[dtype]
        pixels = numbers(bits, channels)
        for code in (None, "tiff_lzw", "tiff_adobe_deflate", "zstd") if writer == "Pillow" else (None, "lzw", "zstd"):
            out = io.BytesIO()
            flat = pixels if channels > 1 else pixels[..., 0]
            if writer == "Pillow":
                if channels > 1 and dtype != "uint8":
                    continue
                Pillow.fromarray(flat).save(out, "TIFF", compression=code, big_tiff=is_big)
            else:
                more: dict[str, Any] = {"photometric": "rgb"} if channels > 1 else {}
                tifffile.imwrite(out, flat, compression=code, bigtiff=is_big, **more)
            check(out.getvalue(), pixels, tmp_path)


def test_a_profile_of_any_size(tmp_path: Path) -> None:
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes() + bytes(3_000_000)
    data = tiff_of(numbers(8, 3), Form(8, RGB), [(34675, 7, icc)])
    assert decoded(data).icc == icc
    with pytest.raises(UnreadableError, match="ICCProfile"):
        decoded(data[:-10])


def cut_files() -> dict[str, bytes]:
    """Pixels first and tags last, as most programs write; and tags first, as tifffile does."""
    found = {}
    for code in CODES:
        for bits in (1, 8, 16):
            channels = 1 if bits == 1 else 3
            form = Form(bits, RGB if channels == 3 else WHITE_IS_0, code, rows_per_strip=4, orientation=3)
            found[f"{code} {bits}"] = tiff_of(numbers(bits, channels), form)
    for name in ("zlib", "lzw", "jpeg", None):
        out = io.BytesIO()
        tifffile.imwrite(out, numbers(8, 3, rows=64, columns=64), photometric="rgb", compression=name, rowsperstrip=16)
        found[f"tifffile {name}"] = out.getvalue()
    return found


CUT = cut_files()


@pytest.mark.parametrize("name", CUT)
def test_every_truncation_is_refused_or_whole(name: str) -> None:
    data = CUT[name]
    whole = decoded(data).pixels
    n_refused = 0
    for n in sorted({*range(0, len(data), max(1, len(data) // 50)), *range(len(data) - 60, len(data))}):
        try:
            found = decoded(data[:n] or b"II*\0").pixels
        except UnreadableError:
            n_refused += 1
        else:
            np.testing.assert_array_equal(found, whole)
    assert n_refused >= 50


DECISIVE = (256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 317, 320, 338, 339)


@pytest.mark.parametrize("code", DECISIVE)
def test_a_tag_that_points_outside_the_file_is_named(code: int) -> None:
    colours = np.zeros((256, 3), np.uint16)
    form = Form(8, PALETTE, "lzw", extra=(0,), rows_per_strip=2, palette=colours, fill_order=2, order=">")
    data = bytearray(tiff_of(numbers(8, 2), form))
    at = int.from_bytes(data[4:8], "big")
    n_tags = int.from_bytes(data[at : at + 2], "big")
    entries = {int.from_bytes(data[at + 2 + 12 * k :][:2], "big"): at + 2 + 12 * k for k in range(n_tags)}
    data[entries[code] + 4 : entries[code] + 12] = (1000).to_bytes(4, "big") + (10**6).to_bytes(4, "big")
    for read in (decoded, outlined):
        with pytest.raises(UnreadableError, match=str(code)):
            read(bytes(data))
    data[entries[code] + 2 : entries[code] + 4] = b"\0\xee"
    with pytest.raises(UnreadableError, match=str(code)):
        decoded(bytes(data))


@pytest.mark.parametrize("code", [256, 257, 262])
def test_a_missing_required_tag_is_reported(code: int) -> None:
    tags = [(256, 4, [4]), (257, 4, [3]), (258, 3, [8]), (262, 3, [1]), (277, 3, [1]), (278, 4, [3])]
    file_of([tag for tag in tags if tag[0] != code], [bytes(12)])
    with pytest.raises(UnreadableError, match=f"no tag .*{code}"):
        decoded(file_of([tag for tag in tags if tag[0] != code], [bytes(12)]))
    assert decoded(file_of(tags, [bytes(12)])).pixels.shape == (3, 4, 1)


@pytest.mark.parametrize("code", CODES)
def test_a_block_that_ends_early_is_refused_not_filled_up(code: str, tmp_path: Path) -> None:
    samples = numbers(8, 1, rows=16, columns=16)
    short = block(samples[:9], Form(8, GREY, str(code)))
    tags = [
        (256, 4, [16]), (257, 4, [16]), (258, 3, [8]), (259, 3, [CODES[str(code)][0]]), (262, 3, [1]), (277, 3, [1]),
        (278, 4, [16]),
    ]  # fmt: skip
    with pytest.raises(UnreadableError):
        decoded(file_of(tags, [short], order="<"))
    with pytest.raises(UnreadableError):
        in_tiles(file_of(tags, [short]), tmp_path)
    tiled = [tag for tag in tags if tag[0] != 278] + [(322, 3, [16]), (323, 3, [16])]
    with pytest.raises(UnreadableError):
        decoded(file_of(tiled, [short], is_tiled=True))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("how", ["group3", "group4", "tiff_ccitt"])
def test_a_fax_that_ends_early_is_refused(how: str, seed: int) -> None:
    """A byte count that is too small, at any place: missing rows are not read as white."""
    random = np.random.default_rng(seed)
    page = random.random((32, 40 + 23 * seed)) < (0.5, 0.7, 0.95)[seed]
    out = io.BytesIO()
    Pillow.fromarray(page).save(out, "TIFF", compression=how)
    with tifffile.TiffFile(io.BytesIO(out.getvalue())) as file:
        (count,), (offset,) = file.pages.first.databytecounts, file.pages.first.dataoffsets
        photometric, options = int(file.pages.first.photometric), file.pages.first.tags.valueof(292, 0)
        code = int(file.pages.first.compression)
        assert file.pages.first.fillorder == 1
    stream = out.getvalue()[offset : offset + count]
    for order in (1, 2):
        given = bytes(stream if order == 1 else imagecodecs.bitorder_decode(stream))
        tags = [
            (256, 4, [page.shape[1]]), (257, 4, [32]), (258, 3, [1]), (259, 3, [code]), (262, 3, [photometric]),
            (266, 3, [order]), (277, 3, [1]), (278, 4, [32]), (292, 4, [options]),
        ]  # fmt: skip
        n_wrong = 0
        for n in range(1, count):
            with contextlib.suppress(UnreadableError):
                found = decoded(file_of(tags, [given[:n]])).pixels[..., 0]
                n_wrong += not np.array_equal(found, page * np.uint8(255))
        assert n_wrong <= (0 if how == "group3" else 1)
        assert np.array_equal(decoded(file_of(tags, [given])).pixels[..., 0], page * np.uint8(255))


def test_a_jpeg_block_that_ends_early_is_refused() -> None:
    stream = imagecodecs.jpeg8_encode(numbers(8, 1, rows=64, columns=64)[..., 0], 90)
    tags = [
        (256, 4, [64]), (257, 4, [64]), (258, 3, [8]), (259, 3, [7]), (262, 3, [1]), (277, 3, [1]), (278, 4, [64]),
    ]  # fmt: skip
    whole = decoded(file_of(tags, [bytes(stream)])).pixels
    np.testing.assert_array_equal(decoded(file_of(tags, [bytes(stream) + bytes(9)])).pixels, whole)
    for n in range(10, len(stream), len(stream) // 50):
        with pytest.raises(UnreadableError):
            decoded(file_of(tags, [bytes(stream)[:n]]))


def test_a_block_that_holds_a_larger_picture_is_refused_before_it_is_decoded() -> None:
    tags = [
        (256, 4, [16]), (257, 4, [16]), (258, 3, [8, 8, 8]), (262, 3, [2]), (277, 3, [3]), (278, 4, [16]),
    ]  # fmt: skip
    large = np.zeros((900, 900, 3), np.uint8)
    vp8x = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + (899).to_bytes(3, "little") * 2
    for code, stream in ((7, imagecodecs.jpeg8_encode(large)), (34887, imagecodecs.lerc_encode(large)), (50001, vp8x)):
        with pytest.raises(UnreadableError, match="900x900"):
            decoded(file_of([*tags, (259, 3, [code])], [bytes(stream)]))


def test_a_lerc_block_of_many_channels_is_refused_before_it_is_decoded() -> None:
    stream = bytearray(imagecodecs.lerc_encode(numbers(8, 3, rows=16, columns=16)))
    assert struct.unpack_from("<III", stream, 14) == (16, 16, 3)
    stream[22:26] = (2**23).to_bytes(4, "little")
    tags = [
        (256, 4, [16]), (257, 4, [16]), (258, 3, [8, 8, 8]), (259, 3, [34887]), (262, 3, [2]), (277, 3, [3]),
        (278, 4, [16]),
    ]  # fmt: skip
    with pytest.raises(UnreadableError, match="8388608 channels"):
        decoded(file_of(tags, [bytes(stream)]))


def test_a_predictor_is_ignored_by_codes_without_one(tmp_path: Path) -> None:
    samples = numbers(8, 3)
    check(tiff_of(samples, Form(8, RGB), [])[:], samples, tmp_path)
    plain = tiff_of(samples, Form(8, RGB))
    entry = struct.pack("<HHI", 317, 3, 1)
    marked = plain.replace(entry + b"\1", entry + b"\2")
    assert marked != plain
    check(marked, samples, tmp_path)
    with pytest.raises(UnreadableError, match="predictor"):
        decoded(tiff_of(samples, Form(8, RGB, "packbits", 2)))


def test_a_file_may_have_a_number_for_a_name() -> None:
    """As temporary files without a name in their folder have."""
    samples = numbers(8, 3)
    with tempfile.TemporaryFile() as file:
        file.write(tiff_of(samples, Form(8, RGB, "lzw")))
        file.seek(0)
        reported = outline(file, "a.tif")
        assert (reported.width, reported.height) == (COLUMNS, ROWS)


def test_ignored_parts_are_noted() -> None:
    samples = numbers(8, 3)
    for more, words in (
        ([(254, 4, [1])], "smaller copy"),
        ([(301, 3, [0] * 768)], "TransferFunction"),
        ([(318, 5, [1, 3, 1, 3]), (319, 5, [1, 3] * 6)], "WhitePoint, PrimaryChromaticities"),
    ):
        (note,) = decoded(tiff_of(samples, Form(8, RGB), more)).notes
        assert words in note
    tags = [(256, 4, [4]), (257, 4, [4]), (258, 3, [8]), (262, 3, [1]), (277, 3, [1]), (278, 4, [2])]
    data = file_of(tags, [bytes(range(8)), b""])
    at = data.index(struct.pack("<HHI", 273, 4, 2))
    (places,) = struct.unpack_from("<I", data, at + 8)
    picture = decoded(data[: places + 4] + bytes(4) + data[places + 8 :])
    assert picture.pixels[..., 0].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [0] * 4, [0] * 4]
    assert "never written" in picture.notes[0]


def test_one_large_strip_of_any_form_is_read_in_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain pixels are mapped; planar, rotated or compressed ones are refused, never read wrongly."""
    monkeypatch.setattr("inr.signals.tiled.image.MAX_TILE_VALUES", 16)
    samples = numbers(16, 3)
    for form in (Form(16, RGB), Form(16, RGB, order=">"), Form(16, RGB, is_big=True)):
        np.testing.assert_array_equal(in_tiles(tiff_of(samples, form), tmp_path), samples)
    for form in (Form(16, RGB, is_planar=True), Form(16, RGB, orientation=3), Form(16, RGB, "lzw")):
        with pytest.raises(UnreadableError, match="blocks of"):
            in_tiles(tiff_of(samples, form), tmp_path)


def refused() -> dict[str, tuple[bytes, str]]:
    rng = np.random.default_rng(0)
    out: dict[str, tuple[bytes, str]] = {}
    made = io.BytesIO()
    Pillow.new("CMYK", (4, 4)).save(made, "TIFF")
    out["cmyk"] = made.getvalue(), "CMYK"
    made = io.BytesIO()
    Pillow.new("LAB", (4, 4)).save(made, "TIFF")
    out["lab"] = made.getvalue(), "CIELAB"
    for dtype in ("int16", "uint32", "int8", "complex64"):
        made = io.BytesIO()
        tifffile.imwrite(made, np.ones((4, 4), dtype))
        out[dtype] = made.getvalue(), "expected unsigned integers"
    made = io.BytesIO()
    tifffile.imwrite(made, rng.integers(0, 255, (40, 40, 5), np.uint8), photometric="minisblack", planarconfig="contig")
    out["five channels"] = made.getvalue(), "no tag that defines their colours"
    made = io.BytesIO()
    tifffile.imwrite(made, rng.integers(0, 255, (40, 40, 3), np.uint8), photometric="rgb", compression="jpeg2000")
    out["jpeg 2000"] = made.getvalue(), "JPEG2000"
    made = io.BytesIO()
    tifffile.imwrite(made, np.ones((3, 16, 16), np.uint8), photometric="minisblack", volumetric=True, tile=(3, 16, 16))
    out["volume"] = made.getvalue(), "depth"
    stream = bytes(imagecodecs.jpeg8_encode(np.zeros((16, 16, 3), np.uint8)))
    tags = [
        (256, 4, [16]), (257, 4, [16]), (258, 3, [8] * 4), (259, 3, [7]), (262, 3, [6]), (277, 3, [4]), (278, 4, [16]),
        (338, 3, [2]),
    ]  # fmt: skip
    out["ycbcr and alpha in jpeg"] = file_of(tags, [stream]), "further channels"
    index = np.full((4, 4, 1), 3, np.uint8)
    out["short palette"] = tiff_of(index, Form(8, PALETTE, palette=np.zeros((16, 3), np.uint16))), "palette of 48"
    out["no palette"] = tiff_of(index, Form(8, PALETTE)), "palette"
    out["few blocks"] = (
        file_of([(256, 4, [9]), (257, 4, [9]), (258, 3, [8]), (262, 3, [1]), (278, 4, [3])], [bytes(27)] * 2),
        "needs 3 blocks",
    )
    return out


@pytest.mark.parametrize("name", refused())
def test_unsupported_formats_are_refused_by_name(name: str, tmp_path: Path) -> None:
    data, message = refused()[name]
    for read in (decoded, outlined):
        with pytest.raises(UnreadableError, match=message) as caught:
            read(data)
        assert "\n" not in caught.value.message
    with pytest.raises(UnreadableError, match=message):
        in_tiles(data, tmp_path)


SEEDS = [tiff_of(numbers(bits, 3), Form(bits, RGB, code, rows_per_strip=4)) for bits in (8, 16) for code in CODES]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_bytes_are_read_alike_or_refused(data: st.DataObject) -> None:
    """No other error, nothing on stderr; and the pixels match the header."""
    damaged = bytearray(data.draw(st.sampled_from(SEEDS)))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    given = bytes(damaged)
    with contextlib.suppress(UnreadableError):
        picture = decoded(given)
        reported = outlined(given)
        assert (reported.height, reported.width, reported.channels) == picture.pixels.shape
        assert reported.dtype == str(picture.pixels.dtype)
