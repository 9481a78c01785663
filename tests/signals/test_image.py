"""Pictures: files round-trip, upright, at their depth; bad files are refused in one line."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL import ImageCms, ImageOps
from torch import Tensor

from inr.core.domain import Grid
from inr.core.errors import UnreadableError, UsageError
from inr.inspection import describe
from inr.signals import Signal, Source, View, evaluate_grid, load_signal
from inr.signals.files.picture_writing import encode
from inr.signals.files.pictures import decode, outline
from inr.signals.files.png import Png
from inr.signals.image import Image

Pixels = np.ndarray[Any, np.dtype[Any]]


def random_pixels(dtype: str, channels: int, rows: int = 13, columns: int = 17) -> Pixels:
    rng = np.random.default_rng(3)
    if dtype == "float32":
        return rng.normal(0.4, 0.7, (rows, columns, channels)).astype(np.float32)
    return rng.integers(0, np.iinfo(dtype).max, (rows, columns, channels), dtype, endpoint=True)


def piped(data: bytes, name: str = "picture.png") -> Image:
    return Image.load(Source(name, data=data), {})


def rewritten(signal: Signal, suffix: str) -> bytes:
    """The file that holds a perfect field's values."""
    assert isinstance(signal, Image)
    grid, meta = Image.grid(signal.spec, signal.frame, signal.meta, View())
    assert grid == Grid.whole(tuple(signal.values.shape[:-1]), (1, 0))
    out = io.BytesIO()
    Image.write(signal.values.numpy(), meta, out, suffix)
    return out.getvalue()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("suffix", "dtype"),
    [(".png", "uint8"), (".png", "uint16"), (".tif", "uint8"), (".tiff", "uint16"), (".tif", "float32")],
)
def test_lossless_formats_come_back_exactly(tmp_path: Path, suffix: str, dtype: str, channels: int) -> None:
    pixels = random_pixels(dtype, channels)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(encode(pixels, suffix))
    signal = load_signal(path)
    assert signal.spec.shape == (17, 13)
    assert signal.spec.d_out == channels
    assert signal.meta["dtype"] == dtype
    path.write_bytes(rewritten(signal, suffix))
    again = load_signal(path)
    assert isinstance(signal, Image)
    assert isinstance(again, Image)
    peak = 1.0 if dtype == "float32" else float(np.iinfo(dtype).max)
    np.testing.assert_array_equal(again.values.numpy(), signal.values.numpy())
    np.testing.assert_array_equal(signal.values.numpy(), pixels.astype(np.float32) / np.float32(peak))


@pytest.mark.parametrize("channels", [3, 4])
def test_webp_is_lossless(channels: int) -> None:
    pixels = random_pixels("uint8", channels)
    signal = piped(encode(pixels, ".webp"), "a.webp")
    np.testing.assert_array_equal(np.rint(signal.values.numpy() * 255), pixels)


def test_16_bit_png_is_also_what_others_read() -> None:
    pixels = random_pixels("uint16", 3)
    data = encode(pixels, ".png")
    with Pillow.open(io.BytesIO(data)) as image:
        image.verify()
    with Pillow.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(np.asarray(image), pixels >> 8)
    with Pillow.open(io.BytesIO(encode(pixels[..., :1], ".png"))) as image:
        np.testing.assert_array_equal(np.asarray(image), pixels[..., 0])


def filtered_png(pixels: Pixels, *, interlaced: bool) -> bytes:
    """A 16-bit PNG by the specification, byte by byte, with a different filter on every row."""
    rows, columns, channels = pixels.shape
    passes = [(0, 0, 1, 1)]
    if interlaced:
        passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    raw = b""
    for r0, c0, dr, dc in passes:
        part = pixels[r0::dr, c0::dc]
        above = bytes(part.shape[1] * 2 * channels)
        for r in range(part.shape[0] if part.shape[1] else 0):
            line = part[r].astype(">u2").tobytes()
            kind = r % 5
            coded = bytearray()
            for i, byte in enumerate(line):
                step = 2 * channels
                a = line[i - step] if i >= step else 0
                b = above[i]
                c = above[i - step] if i >= step else 0
                nearest = min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]
                coded.append((byte - (0, a, b, (a + b) // 2, nearest)[kind]) % 256)
            raw += bytes([kind]) + bytes(coded)
            above = line
    header = struct.pack(">IIBBBBB", columns, rows, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, int(interlaced))
    data = b"\x89PNG\r\n\x1a\n"
    for name, body in ((b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b"")):
        data += struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    return data


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("shape", [(13, 17), (1, 1), (3, 2)])
def test_16_bit_png_reader_knows_all_filters(shape: tuple[int, int], channels: int, interlaced: bool) -> None:
    pixels = random_pixels("uint16", channels, *shape)
    np.testing.assert_array_equal(Png(io.BytesIO(filtered_png(pixels, interlaced=interlaced))).pixels(), pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_orientation_is_applied_and_not_written(orientation: int, suffix: str) -> None:
    pixels = np.zeros((16, 24, 3), np.uint8)
    pixels[:, :12, 0] = 255  # left half red, top half green: no two orientations look the same
    pixels[:8, :, 1] = 255
    image = Pillow.fromarray(pixels)
    exif = Pillow.Exif()
    exif[274] = orientation
    out = io.BytesIO()
    settings_of: dict[str, dict[str, Any]] = {".webp": {"lossless": True}, ".jpg": {"quality": 100, "subsampling": 0}}
    image.save(
        out,
        format={".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".tif": "TIFF"}[suffix],
        exif=exif,
        **settings_of.get(suffix, {}),
    )
    image.getexif()[274] = orientation
    upright = np.asarray(ImageOps.exif_transpose(image))
    signal = piped(out.getvalue(), f"a{suffix}")
    np.testing.assert_allclose(signal.values.numpy() * 255, upright, atol=16 if suffix == ".jpg" else 0)
    assert signal.spec.shape == (upright.shape[1], upright.shape[0])
    with Pillow.open(io.BytesIO(rewritten(signal, suffix))) as written:
        assert written.getexif().get(274, 1) == 1
        assert written.size == (upright.shape[1], upright.shape[0])


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_colour_profile_is_carried(suffix: str, dtype: str) -> None:
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    loaded = piped(encode(random_pixels(dtype, 3), ".png", icc))
    with Pillow.open(io.BytesIO(rewritten(loaded, suffix))) as image:
        assert image.info["icc_profile"] == icc
    assert piped(rewritten(loaded, suffix)).meta["icc"] == loaded.meta["icc"]


def grey_profile() -> bytes:
    """A profile with GRAY in place of RGB: only its head is read."""
    icc = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    icc[16:20] = b"GRAY"
    return bytes(icc)


@pytest.mark.parametrize(
    ("suffix", "channels"),
    [*((s, c) for s in (".png", ".webp", ".tif") for c in (1, 2, 3, 4)), (".jpg", 1), (".jpg", 3)],
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("space", ["GRAY", "RGB "])
def test_a_profile_is_only_written_to_files_of_its_colour_space(
    suffix: str, dtype: str, channels: int, space: str
) -> None:
    icc = grey_profile() if space == "GRAY" else ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    signal = Image.of_pixels(random_pixels(dtype, channels), icc=icc)
    out = io.BytesIO()
    notes = Image.write(signal.values.numpy(), signal.meta, out, suffix)
    fits = (channels < 3 and suffix != ".webp") == (space == "GRAY")
    assert decode(Source("a", data=out.getvalue())).icc == (icc if fits else None)
    assert any("colour profile" in note for note in notes) != fits


@pytest.mark.parametrize("size", [3_000_000, 20_000_000])
def test_profiles_of_any_size_are_read_and_written(size: int) -> None:
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes().ljust(size, b"\x7f")
    signal = Image.of_pixels(random_pixels("uint8", 3), icc=icc)
    for suffix in (".png", ".jpg", ".webp", ".tif"):
        out = io.BytesIO()
        notes = Image.write(signal.values.numpy(), signal.meta, out, suffix)
        is_too_long = suffix == ".jpg" and size > 16_700_000
        assert (notes != ()) == is_too_long
        assert decode(Source("a", data=out.getvalue())).icc == (None if is_too_long else icc)


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize(("form", "mode"), [("JPEG", "L"), ("JPEG", "RGB"), ("WEBP", "RGB"), ("WEBP", "RGBA")])
def test_the_header_describes_what_is_read(form: str, mode: str, orientation: int) -> None:
    exif = Pillow.Exif()
    exif[274] = orientation
    out = io.BytesIO()
    Pillow.new(mode, (7, 5), (1, 2, 3, 4)[: len(mode)] if len(mode) > 1 else 9).save(out, form, exif=exif)
    reported, pixels = outline(io.BytesIO(out.getvalue()), "a"), piped(out.getvalue()).values
    assert (reported.height, reported.width, reported.channels) == tuple(pixels.shape)
    assert (reported.width, reported.height) == ((7, 5) if orientation == 1 else (5, 7))
    assert (reported.dtype, reported.bits, reported.n_frames) == ("uint8", 8, 1)


@pytest.mark.parametrize("form", ["jpeg", "progressive", "webp", "webp lossless", "webp with alpha"])
def test_every_truncation_is_refused_or_whole(form: str) -> None:
    smooth = np.cumsum(np.random.default_rng(0).integers(0, 3, (64, 80, 4), np.uint8), 1, np.uint8)
    out = io.BytesIO()
    if "jpeg" in form or form == "progressive":
        Pillow.fromarray(smooth[..., :3]).save(out, "JPEG", quality=90, progressive=form == "progressive")
    else:
        given = smooth if "alpha" in form else smooth[..., :3]
        Pillow.fromarray(given).save(out, "WEBP", lossless="lossless" in form)
    data = out.getvalue()
    whole = piped(data).values.numpy()
    for n in sorted({*range(1, len(data), max(1, len(data) // 50)), *range(len(data) - 20, len(data))}):
        with contextlib.suppress(UnreadableError):
            np.testing.assert_array_equal(piped(data[:n]).values.numpy(), whole)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".npy"])
def test_values_may_lie_in_memory_in_any_order(suffix: str, dtype: str, channels: int) -> None:
    signal = Image.of_pixels(random_pixels(dtype, channels))
    values = signal.values.numpy()
    turned = values.transpose(2, 0, 1).copy().transpose(1, 2, 0)
    assert channels == 1 or not turned.flags.c_contiguous
    outs = [io.BytesIO(), io.BytesIO()]
    for out, array in zip(outs, (values, turned), strict=True):
        Image.write(array, signal.meta, out, suffix)
    assert outs[0].getvalue() == outs[1].getvalue()


def test_palette_and_bilevel_are_expanded() -> None:
    image = Pillow.fromarray(random_pixels("uint8", 3)).quantize(7)
    out = io.BytesIO()
    image.save(out, "PNG")
    np.testing.assert_array_equal(np.rint(piped(out.getvalue()).values.numpy() * 255), np.asarray(image.convert("RGB")))
    out = io.BytesIO()
    image.save(out, "PNG", transparency=2)
    assert piped(out.getvalue()).spec.d_out == 4
    out = io.BytesIO()
    Pillow.fromarray(random_pixels("uint8", 1)[..., 0]).convert("1").save(out, "PNG")
    assert set(np.unique(piped(out.getvalue()).values.numpy())) == {0.0, 1.0}


def test_tiff_by_pillow_with_lzw_palette_and_white_is_zero() -> None:
    grey = random_pixels("uint8", 1)
    out = io.BytesIO()
    Pillow.fromarray(random_pixels("uint8", 3)).save(out, "TIFF", compression="tiff_lzw")
    np.testing.assert_array_equal(np.rint(piped(out.getvalue()).values.numpy() * 255), random_pixels("uint8", 3))
    out = io.BytesIO()
    palette = Pillow.fromarray(random_pixels("uint8", 3)).quantize(7)
    palette.save(out, "TIFF")
    np.testing.assert_array_equal(
        np.rint(piped(out.getvalue()).values.numpy() * 255), np.asarray(palette.convert("RGB"))
    )
    out = io.BytesIO()
    tifffile.imwrite(out, grey[..., 0], photometric="miniswhite")
    np.testing.assert_array_equal(np.rint(piped(out.getvalue()).values.numpy() * 255), 255 - grey)
    out = io.BytesIO()
    planar = random_pixels("uint16", 3)
    tifffile.imwrite(out, planar.transpose(2, 0, 1), photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(np.rint(piped(out.getvalue()).values.numpy() * 65535), planar)


def test_premultiplied_alpha_becomes_straight() -> None:
    pixels = np.array([[[64, 32, 0, 128], [0, 0, 0, 0]]], np.uint8)
    out = io.BytesIO()
    tifffile.imwrite(out, pixels, photometric="rgb", extrasamples=["assocalpha"])
    signal = piped(out.getvalue())
    np.testing.assert_array_equal(np.rint(signal.values.numpy() * 255), [[[128, 64, 0, 128], [0, 0, 0, 0]]])
    assert "premultiplied" in signal.notes[0]


def test_first_frame_with_a_note() -> None:
    out = io.BytesIO()
    frames = [Pillow.new("RGB", (5, 4), colour) for colour in ("red", "blue")]
    frames[0].save(out, "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    signal = piped(out.getvalue())
    assert "first of 2 frames" in signal.notes[0]
    np.testing.assert_array_equal(signal.values[0, 0], [1, 0, 0])
    out = io.BytesIO()
    tifffile.imwrite(out, np.zeros((2, 5, 6), np.uint8), photometric="minisblack")
    assert "first of 2 pages" in piped(out.getvalue()).notes[0]


def test_coordinates_are_x_then_y_at_pixel_centres() -> None:
    signal = Image.of_pixels(random_pixels("uint8", 3, rows=4, columns=6))
    pool = signal.pool(torch.Generator())
    index = torch.tensor([0, 5, 6, 23])
    batch = pool.batch(index)
    pixels = signal.frame.domain.from_unit(batch.x)
    torch.testing.assert_close(pixels, torch.tensor([[0.5, 0.5], [5.5, 0.5], [0.5, 1.5], [5.5, 3.5]]))
    torch.testing.assert_close(signal.frame.from_field(batch.y), signal.values.reshape(-1, 3)[index])
    assert pool.size == 24
    grid, _ = Image.grid(signal.spec, signal.frame, signal.meta, View())
    torch.testing.assert_close(grid.points(index), batch.x, rtol=0, atol=0)


def ramp(x: Tensor) -> Tensor:
    return x[:, :1] * 0.9 + x[:, 1:] * 0.1


def test_views_scale_size_and_crop() -> None:
    signal = Image.of_pixels(random_pixels("uint8", 1, rows=4, columns=6))

    def render(view: View) -> Pixels:
        return evaluate_grid(ramp, Image.grid(signal.spec, signal.frame, signal.meta, view)[0], 1)

    whole = render(View())
    assert whole.shape == (4, 6, 1)
    np.testing.assert_allclose(render(View(crop=(1, 2, 3, 2))), whole[2:4, 1:4], atol=1e-6)
    assert render(View(scale=2)).shape == (8, 12, 1)
    np.testing.assert_allclose(render(View(scale=2)).reshape(4, 2, 6, 2).mean((1, 3)), whole[..., 0], atol=1e-6)
    assert render(View(size=(3, 5))).shape == (5, 3, 1)
    assert render(View(size=(7, 5), crop=(0, 0, 1, 1))).shape == (5, 7, 1)


@pytest.mark.parametrize(
    "view",
    [
        View(crop=(0, 0, 7, 1)),
        View(crop=(0, 0, 1)),
        View(crop=(0, 0, 0, 1)),
        View(crop=(float("nan"), 0, 1, 1)),
        View(size=(3,)),
        View(size=(0, 3)),
        View(size=(3, 3), scale=2),
        View(scale=-1),
        View(scale=1e9),
        View(rate_hz=3),
        View(slices={"x": 1}),
    ],
)
def test_bad_views_are_refused(view: View) -> None:
    signal = Image.of_pixels(random_pixels("uint8", 1, rows=4, columns=6))
    with pytest.raises(UsageError) as caught:
        Image.grid(signal.spec, signal.frame, signal.meta, view)
    assert "\n" not in caught.value.message


def test_metrics_are_of_the_written_picture() -> None:
    signal = Image.of_pixels(random_pixels("uint8", 3))
    flat = signal.values.reshape(-1, 3)

    def field(offset: float) -> Any:
        def evaluate(x: Tensor) -> Tensor:
            at = (x * torch.tensor([17.0, 13.0])).long()
            return flat[at[:, 1] * 17 + at[:, 0]] + offset

        return evaluate

    perfect = signal.metrics(field(0.4 / 255))
    assert perfect == {"psnr_db": float("inf"), "ssim": pytest.approx(1.0), "mse": 0.0}
    dark = signal.metrics(lambda x: torch.full((len(x), 3), -5.0))
    assert dark["mse"] == pytest.approx(float(flat.square().mean()), rel=1e-5)


def test_hidden_colours_have_no_weight_and_do_not_count() -> None:
    pixels = random_pixels("uint8", 4)
    pixels[:3, :, 3] = 0
    pixels[3:, :, 3] = 9
    signal = Image.of_pixels(pixels)
    batch = signal.pool(torch.Generator()).batch(torch.arange(13 * 17))
    assert batch.weight is not None
    torch.testing.assert_close(batch.weight[: 3 * 17], torch.tensor([0.0, 0, 0, 1]).expand(51, 4))
    assert bool((batch.weight[3 * 17 :] == 1).all())
    shown = signal.values.clone()
    shown[:3, :, :3] = 0.123
    flat = shown.reshape(-1, 4)

    def evaluate(x: Tensor) -> Tensor:
        at = (x * torch.tensor([17.0, 13.0])).long()
        return flat[at[:, 1] * 17 + at[:, 0]]

    assert signal.metrics(evaluate)["psnr_db"] == float("inf")
    assert Image.of_pixels(pixels[3:]).pool(torch.Generator()).batch(torch.arange(3)).weight is None


def test_writing_notes_what_was_changed() -> None:
    signal = Image.of_pixels(random_pixels("uint16", 3))
    values = signal.values.numpy().copy()
    values[0, 0, 0], values[0, 0, 1] = -0.1, 1.1
    notes = Image.write(values, signal.meta, io.BytesIO(), ".jpg")
    assert any("uint8" in note for note in notes)
    assert any(note.startswith("2 of 663 values") for note in notes)
    with pytest.raises(UsageError, match="alpha"):
        Image.write(np.zeros((2, 2, 4), np.float32), {"dtype": "uint8"}, io.BytesIO(), ".jpg")
    with pytest.raises(UsageError, match="70000x1"):
        Image.write(np.zeros((1, 70000, 3), np.float32), {"dtype": "uint8"}, io.BytesIO(), ".jpg")


def bad_pictures() -> dict[str, tuple[bytes, str]]:
    good = encode(random_pixels("uint8", 3, 40, 40), ".png")
    cmyk, nan, deep = io.BytesIO(), io.BytesIO(), io.BytesIO()
    Pillow.new("CMYK", (4, 4)).save(cmyk, "JPEG")
    tifffile.imwrite(nan, np.full((3, 3), np.nan, np.float32))
    tifffile.imwrite(deep, np.zeros((3, 3), np.int32))
    header = struct.pack(">IIBBBBB", 2**15, 2**14, 8, 2, 0, 0, 0)
    bomb = good[:8] + struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    tiff = encode(random_pixels("uint16", 3, 40, 40), ".tif")
    wide = encode(random_pixels("uint16", 3, 40, 40), ".png")
    return {
        "empty": (b"", "is empty"),
        "text": (b"not a picture at all", "is not a PNG, JPEG, WebP, GIF or TIFF"),
        "truncated png": (good[: len(good) // 2], "as a picture: "),
        "truncated jpeg": (encode(random_pixels("uint8", 3, 40, 40), ".jpg")[:700], "as a picture: "),
        "truncated webp": (encode(random_pixels("uint8", 3, 40, 40), ".webp")[:700], "as a picture: "),
        "truncated tiff": (tiff[:-2000], "as a picture: "),
        "truncated 16-bit png": (wide[: len(wide) // 2], "as a picture: "),
        "cmyk": (cmyk.getvalue(), "CMYK"),
        "nan": (nan.getvalue(), "NaN"),
        "int32": (deep.getvalue(), "int32"),
        "bomb": (bomb + good[33:], "2^27"),
    }


@pytest.mark.parametrize("name", bad_pictures())
def test_bad_pictures_are_refused_in_one_line(name: str) -> None:
    data, message = bad_pictures()[name]
    with pytest.raises(UnreadableError) as caught:
        piped(data)
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert "picture.png" in caught.value.message


def test_unknown_option_is_refused_with_a_reason() -> None:
    with pytest.raises(UsageError, match="unknown option 'depth'"):
        Image.load(Source("a.png", data=b"x"), {"depth": "8"})


SEEDS = [
    encode(random_pixels(dtype, channels, 5, 6), suffix)
    for suffix, dtype, channels in [
        (".png", "uint8", 3), (".png", "uint16", 4), (".jpg", "uint8", 3), (".webp", "uint8", 4), (".tif", "uint16", 3),
        (".tif", "float32", 1),
    ]
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_bytes_load_or_are_unreadable(data: st.DataObject) -> None:
    damaged = bytearray(data.draw(st.sampled_from(SEEDS)))
    for _ in range(data.draw(st.integers(0, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(damaged)))
    with contextlib.suppress(UnreadableError):
        assert bool(torch.isfinite(piped(bytes(damaged[:cut])).values).all())


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP", b"II*\0"]),
    st.binary(max_size=200),
)
def test_random_bytes_are_unreadable(magic: bytes, tail: bytes) -> None:
    with pytest.raises(UnreadableError):
        piped(magic + tail)


@pytest.mark.parametrize("is_transparent", [False, True])
def test_a_still_gif_is_a_picture(is_transparent: bool, tmp_path: Path) -> None:
    colours = np.zeros((6, 9, 3), np.uint8)
    colours[2:4, 3:7] = (250, 120, 10)
    palette = Pillow.fromarray(colours).quantize(4)
    options: dict[str, Any] = {"transparency": palette.getpixel((0, 0))} if is_transparent else {}
    palette.save(tmp_path / "still.gif", **options)
    signal = load_signal(tmp_path / "still.gif")
    assert (signal.kind, signal.spec.shape, signal.spec.d_out) == ("image", (9, 6), 4 if is_transparent else 3)
    assert isinstance(signal, Image)
    np.testing.assert_array_equal(np.rint(signal.values[2:4, 3:7, :3].numpy() * 255), colours[2:4, 3:7])
    if is_transparent:
        assert set(signal.values[..., 3].flatten().tolist()) == {0, 1}
    found = describe(tmp_path / "still.gif")
    assert (found["what"], found["channels"], found["frames"]) == ("picture", signal.spec.d_out, 1)


def test_a_damaged_gif_is_refused(tmp_path: Path) -> None:
    out = io.BytesIO()
    Pillow.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8)).save(out, "GIF")
    for n in (8, 200, len(out.getvalue()) // 2):
        (tmp_path / "cut.gif").write_bytes(out.getvalue()[:n])
        with pytest.raises(UnreadableError):
            load_signal(tmp_path / "cut.gif")
