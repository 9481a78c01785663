"""PNGs by the specification: every depth with transparency, profiles of any size, colour spaces."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL import ImageCms, ImageOps

from inr.core.errors import UnreadableError
from inr.signals import Source
from inr.signals.files.bands import Bands
from inr.signals.files.picture_writing import encode, write
from inr.signals.files.pictures import decode, outline
from inr.signals.files.png import SIGNATURE, joined
from inr.signals.image import Image

Array = np.ndarray[Any, np.dtype[Any]]
Chunk = tuple[bytes, bytes]
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
DEPTHS = (
    [(0, d) for d in (1, 2, 4, 8, 16)] + [(3, d) for d in (1, 2, 4, 8)] + [(c, d) for c in (2, 4, 6) for d in (8, 16)]
)
ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def packed(samples: Array, depth: int) -> bytes:
    """Rows [n, m] of samples, each a filter byte 0 and its bits."""
    if depth == 16:
        body = samples.astype(">u2").view(np.uint8)
    else:
        digits = samples[..., None].astype(np.uint8) >> np.arange(depth - 1, -1, -1) & 1
        body = np.packbits(digits.reshape(len(samples), -1), axis=1)
    return np.concatenate([np.zeros((len(samples), 1), np.uint8), body], axis=1).tobytes()


def png_of(
    samples: Array, depth: int, colour: int, before: list[Chunk] | None = None, after: list[Chunk] | None = None,
    *, is_interlaced: bool = False,
) -> bytes:  # fmt: skip
    """A file of samples [rows, columns, S]; chunks before and after its data, which is in two parts."""
    rows, columns, _ = samples.shape
    header = struct.pack(">IIBBBBB", columns, rows, depth, colour, 0, 0, int(is_interlaced))
    raw = b""
    for r, c, dr, dc in ADAM7 if is_interlaced else ((0, 0, 1, 1),):
        part = samples[r::dr, c::dc]
        if part.size:
            raw += packed(part.reshape(len(part), -1), depth)
    data = zlib.compress(raw)
    body = [(b"IDAT", data[:7]), (b"IDAT", data[7:])]
    return SIGNATURE + joined([(b"IHDR", header), *(before or []), *body, *(after or []), (b"IEND", b"")])


def numbers(depth: int, channels: int, rows: int = 9, columns: int = 13) -> Array:
    found = np.random.default_rng(0).integers(0, 2**depth, (rows, columns, channels), np.uint32)
    return found.astype(np.uint16 if depth == 16 else np.uint8)


def full(samples: Array, depth: int) -> Array:
    """Levels stretched to 8 bits; 16 stay."""
    return samples if depth == 16 else (samples * (255 // (2**depth - 1))).astype(np.uint8)


def check(data: bytes, expected: Array) -> None:
    picture = decode(Source("a.png", data=data))
    np.testing.assert_array_equal(picture.pixels, expected)
    assert picture.pixels.dtype == expected.dtype
    reported = outline(io.BytesIO(data), "a.png")
    assert (reported.height, reported.width, reported.channels) == expected.shape
    assert reported.dtype == str(expected.dtype)


@pytest.mark.parametrize(("colour", "depth"), DEPTHS)
@pytest.mark.parametrize("is_interlaced", [False, True])
@pytest.mark.parametrize("has_transparency", [False, True])
def test_every_colour_type_and_depth(colour: int, depth: int, is_interlaced: bool, has_transparency: bool) -> None:
    samples = numbers(depth, SAMPLES[colour])
    expected = full(samples, depth)
    peak = np.iinfo(expected.dtype).max
    chunks: list[Chunk] = []
    if colour == 3:
        colours = np.random.default_rng(1).integers(0, 256, (2**depth, 4), np.uint8)
        colours[len(colours) // 2 :, 3] = 255  # a shorter tRNS: the others are opaque
        chunks.append((b"PLTE", colours[:, :3].tobytes()))
        expected = colours[samples[..., 0]][..., : 4 if has_transparency else 3]
        if has_transparency:
            chunks.append((b"tRNS", colours[: len(colours) // 2, 3].tobytes()))
    elif has_transparency and colour in (0, 2):
        hidden = samples[4, 7]
        chunks.append((b"tRNS", hidden.astype(">u2").tobytes()))
        shown = (samples != hidden).any(-1, keepdims=True)
        expected = np.concatenate([expected, np.where(shown, peak, 0).astype(expected.dtype)], -1)
    check(png_of(samples, depth, colour, chunks, is_interlaced=is_interlaced), expected)


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_each_level_of_two_bits_may_be_transparent(level: int) -> None:
    samples = np.arange(8, dtype=np.uint8).reshape(2, 4, 1) % 4
    expected = np.concatenate([samples * 85, np.where(samples == level, 0, 255).astype(np.uint8)], -1)
    check(png_of(samples, 2, 0, [(b"tRNS", struct.pack(">H", level))]), expected)
    # a PNG's transparent level has 16 bits, of which those of the depth count
    check(png_of(samples, 2, 0, [(b"tRNS", struct.pack(">H", level | 0xFF00))]), expected)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("n_bytes", [3000, 2**20 - 200, 2**20 + 200, 5 * 2**20])
def test_a_profile_of_any_size(depth: int, n_bytes: int) -> None:
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes().ljust(n_bytes, b"\x7f")
    profile = (b"iCCP", b"ICC profile\0\0" + zlib.compress(icc))
    text = (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(3 * 2**20)))
    data = png_of(numbers(depth, 3), depth, 2, [text, profile], [(b"tEXt", b"Comment\0" + b"x" * (2 * 2**20))])
    picture = decode(Source("a.png", data=data))
    assert picture.icc == icc
    np.testing.assert_array_equal(picture.pixels, numbers(depth, 3))
    assert decode(Source("a.png", data=encode(picture.pixels, ".png", icc))).icc == icc


def test_a_damaged_or_oversized_profile_is_left_out_with_a_note() -> None:
    for body in (b"x\0\0abc", b"x\0\0" + zlib.compress(b"profile")[:-3], b"x"):
        picture = decode(Source("a.png", data=png_of(numbers(8, 3), 8, 2, [(b"iCCP", body)])))
        assert picture.icc is None
        assert "damaged" in picture.notes[0]
    bomb = zlib.compressobj(9)
    data = b"".join(bomb.compress(bytes(2**22)) for _ in range(17)) + bomb.flush()
    picture = decode(Source("a.png", data=png_of(numbers(8, 3), 8, 2, [(b"iCCP", b"x\0\0" + data)])))
    assert picture.icc is None
    assert "more than" in picture.notes[0]


GAMMA = (b"gAMA", struct.pack(">I", 100000))
PQ = (b"cICP", bytes([9, 16, 0, 1]))
WIDE = (b"cHRM", struct.pack(">8I", 31270, 32900, 70800, 29200, 17000, 79700, 13100, 4600))
SRGB = [
    (b"gAMA", struct.pack(">I", 45455)),
    (b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)),
]


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("chunks", [[GAMMA], [PQ], [WIDE], [PQ, GAMMA, WIDE], [PQ, (b"cLLI", bytes(8))]])
def test_colours_other_than_srgb_are_noted_and_kept(depth: int, chunks: list[Chunk]) -> None:
    data = png_of(numbers(depth, 3), depth, 2, chunks)
    signal = Image.load(Source("a.png", data=data), {})
    assert "not sRGB" in signal.notes[0]
    assert signal.meta["colour_chunks"] == {name.decode(): body.hex() for name, body in chunks}
    out = io.BytesIO()
    assert write(Bands.of(signal.values.numpy()), signal.meta, out, ".png") == ()
    again = decode(Source("a.png", data=out.getvalue()))
    assert again.colour_chunks == signal.meta["colour_chunks"]
    np.testing.assert_array_equal(again.pixels, numbers(depth, 3))
    with Pillow.open(io.BytesIO(out.getvalue())) as image:
        image.verify()
    for suffix in (".webp", ".jpg", ".tif"):
        notes = write(Bands.of(signal.values.numpy()), signal.meta, io.BytesIO(), suffix)
        assert any("colours will look different" in note for note in notes)


def test_srgb_in_any_form_needs_no_note() -> None:
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = (b"iCCP", b"x\0\0" + zlib.compress(icc))
    for chunks in (
        [], SRGB, SRGB[:1], [(b"sRGB", b"\0"), GAMMA], [profile, GAMMA], [(b"cICP", bytes([1, 13, 0, 1])), GAMMA],
        [(b"gAMA", b"\0\0\0\0")], [(b"cICP", b"\1")],
    ):  # fmt: skip
        signal = Image.load(Source("a.png", data=png_of(numbers(8, 3), 8, 2, chunks)), {})
        assert signal.notes == ()
        assert "colour_chunks" not in signal.meta


def test_chunks_of_an_untrusted_model_are_written_only_if_valid() -> None:
    values = np.full((2, 3, 3), 0.5, np.float32)
    for colours in (
        {"gAMA": "zz"},
        {"IHDR": "00" * 13},
        {"gAMA": "00"},
        {"cICP": [1, 2]},
        "gAMA",
        3,
        {"gAMA": "0001\n000"},
    ):
        out = io.BytesIO()
        assert write(Bands.of(values), {"dtype": "uint8", "colour_chunks": colours}, out, ".png") == ()
        assert decode(Source("a.png", data=out.getvalue())).colour_chunks == {}


@pytest.mark.parametrize("where", ["before", "after", "text", "xmp"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("depth", [4, 8, 16])
def test_orientation_is_found_in_every_place(where: str, orientation: int, depth: int) -> None:
    exif = Pillow.Exif()
    exif[274] = orientation
    body = exif.tobytes()
    hexed = f"\nexif\n{len(body):8d}\n{body.hex()}\n".encode()
    xmp = f'<x:xmpmeta xmlns:x="adobe:ns:meta/" tiff:Orientation="{orientation}"></x:xmpmeta>'.encode()
    chunk = {
        "text": (b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(hexed)),
        "xmp": (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp),
    }.get(where, (b"eXIf", body.removeprefix(b"Exif\0\0")))
    samples = numbers(depth, 1)
    given = full(samples, depth)[..., 0]
    upright = Pillow.fromarray(given.astype(np.int32), "I") if depth == 16 else Pillow.fromarray(given)
    upright.getexif()[274] = orientation
    expected = np.asarray(ImageOps.exif_transpose(upright)).astype(given.dtype)[..., None]
    chunks = {"before": [chunk], "after": []}.get(where, [chunk])
    check(png_of(samples, depth, 0, chunks, [chunk] if where == "after" else []), expected)


@pytest.mark.parametrize(("colour", "depth"), DEPTHS)
def test_every_truncation_is_refused_or_whole(colour: int, depth: int) -> None:
    chunks = (
        [(b"PLTE", bytes(range(3 * 2**depth % 768 or 256)) if depth < 8 else bytes(range(256)) * 3)]
        if colour == 3
        else []
    )
    if colour == 0:
        chunks = [(b"tRNS", b"\0\1")]
    data = png_of(numbers(depth, SAMPLES[colour], 30, 40), depth, colour, chunks)
    whole = decode(Source("a.png", data=data)).pixels
    for n in sorted({*range(1, len(data), max(1, len(data) // 50)), *range(len(data) - 30, len(data))}):
        try:
            found = decode(Source("a.png", data=data[:n])).pixels
        except UnreadableError:
            continue
        np.testing.assert_array_equal(found, whole)


@pytest.mark.parametrize(("colour", "depth"), DEPTHS)
@pytest.mark.parametrize("is_interlaced", [False, True])
def test_rows_that_are_missing_are_not_black(colour: int, depth: int, is_interlaced: bool) -> None:
    """A header that asks for one row more than there are, with all sums right."""
    chunks = [(b"PLTE", bytes(3 * 2**depth))] if colour == 3 else []
    data = png_of(numbers(depth, SAMPLES[colour]), depth, colour, chunks, is_interlaced=is_interlaced)
    decode(Source("a.png", data=data))
    header = bytearray(data[16:29])
    header[7] += 1
    taller = SIGNATURE + joined([(b"IHDR", bytes(header))]) + data[33:]
    with pytest.raises(UnreadableError, match=r"ends .* bytes early"):
        decode(Source("a.png", data=taller))


def damaged() -> dict[str, tuple[bytes, str]]:
    samples = numbers(4, 1)
    good = png_of(samples, 4, 0, [(b"tRNS", b"\0\1")])
    at = good.index(b"tRNS")
    return {
        "a used chunk": (good[: at + 5] + b"\7" + good[at + 6 :], "tRNS"),
        "no header": (SIGNATURE + joined([(b"IEND", b"")]), "header"),
        "no such depth": (png_of(samples, 4, 2), "depth 4 and colour type 2"),
        "no palette": (png_of(samples, 4, 3), "palette has 0 bytes"),
        "beyond the palette": (png_of(samples, 4, 3, [(b"PLTE", bytes(9))]), "palette of 3"),
        "a long palette": (png_of(samples, 4, 3, [(b"PLTE", bytes(51))]), "palette has 51"),
        "a transparent colour of another type": (png_of(samples, 4, 0, [(b"tRNS", bytes(6))]), "6 bytes"),
        "no pixels": (png_of(np.zeros((0, 4, 1), np.uint8), 4, 0), "4x0"),
    }


@pytest.mark.parametrize("name", damaged())
def test_damage_is_named(name: str) -> None:
    data, message = damaged()[name]
    with pytest.raises(UnreadableError, match=message) as caught:
        decode(Source("a.png", data=data))
    assert "\n" not in caught.value.message


def test_chunks_that_do_not_affect_pixels_may_be_damaged() -> None:
    samples = numbers(8, 3)
    data = png_of(samples, 8, 2, [(b"tEXt", b"Comment\0abc"), (b"eXIf", b"nonsense"), (b"tIME", b"")])
    broken = data.replace(b"Comment\0abc", b"Comment\0abd") + b"junk after the end"
    check(broken, samples)


def test_the_first_frame_of_an_animation_is_read_with_a_note() -> None:
    out = io.BytesIO()
    frames = [Pillow.new("RGB", (5, 4), colour) for colour in ("red", "blue", "green")]
    frames[0].save(out, "PNG", save_all=True, append_images=frames[1:])
    picture = decode(Source("a.png", data=out.getvalue()))
    assert "first of 3 frames" in picture.notes[0]
    assert picture.pixels[0, 0].tolist() == [255, 0, 0]
    assert outline(io.BytesIO(out.getvalue()), "a.png").n_frames == 3


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_bytes_load_or_are_unreadable(data: st.DataObject) -> None:
    colour, depth = data.draw(st.sampled_from(DEPTHS))
    chunks = [(b"PLTE", bytes(3 * 2**depth))] if colour == 3 else [(b"tRNS", bytes(2 * SAMPLES[colour]))]
    made = png_of(numbers(depth, SAMPLES[colour]), depth, colour, [*chunks, GAMMA])
    broken = bytearray(made)
    for _ in range(data.draw(st.integers(1, 3))):
        broken[data.draw(st.integers(8, len(broken) - 1))] = data.draw(st.integers(0, 255))
    try:
        picture = decode(Source("a.png", data=bytes(broken)))
    except UnreadableError as error:
        printed = error.message
    else:
        reported = outline(io.BytesIO(bytes(broken)), "a.png")
        assert (reported.height, reported.width, reported.channels) == picture.pixels.shape
        printed = ""
    assert "\n" not in printed
