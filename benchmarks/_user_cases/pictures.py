"""Pictures that people bring: depths, colours, orientation, profiles, damage, names; whole and through the codec."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image, ImageCms

from _user_cases._case import Case, case

Array = np.ndarray[Any, np.dtype[Any]]
EXACT = ("--field", "polyharmonic")
"""A field that passes through every pixel, so that its rendering is the picture that was read."""
SHORT = ("--steps", "2", "--no-progress", "-f")


def pixels(data: Path | bytes) -> Array:
    """A written picture's pixels [rows, columns, C]."""
    with Image.open(io.BytesIO(data) if isinstance(data, bytes) else data) as image:
        found = np.asarray(image)
    return found[..., None] if found.ndim == 2 else found


def fit_and_render(tried: Case, name: str, out: str = "out.png") -> Array | None:
    """An exact fit of a picture, rendered: it shows how the picture is read."""
    if not tried.expect_done(tried.inr("fit", name, *EXACT, "-o", "exact.safetensors", "-f", "--no-progress")):
        return None
    if not tried.expect_done(tried.inr("render", "exact.safetensors", "-o", out, "-f")):
        return None
    return tifffile.imread(tried.path(out)) if out.endswith(".tif") else pixels(tried.path(out))


def expect_pixels(tried: Case, name: str, expected: Array, most: float = 1) -> None:
    """The file is read as the expected picture."""
    found = fit_and_render(tried, name)
    if found is None:
        return
    same = found.shape == expected.shape
    worst = np.abs(found.astype(float) - expected).max() if same else float("inf")
    tried.expect(worst <= most, f"{name}: shape {found.shape}, expected {expected.shape}, largest difference {worst}")


def compress(tried: Case, name: str, out: str) -> bool:
    return tried.expect_done(tried.inr("compress", name, "-o", out, "--effort", "1", "--no-progress", "-f"))


@case("pictures/01-rgb16-compress")
def rgb16_compress(tried: Case) -> None:
    if compress(tried, "rgb16.png", "rgb16.inrz"):
        given = tried.path("rgb16.png").read_bytes()
        for suffix in ("png", "tif", "npy", "webp", "jpg"):
            done = tried.inr("decompress", "rgb16.inrz", "-o", f"b.{suffix}", "-f")
            tried.expect_done(done)
        back = tried.path("b.png").read_bytes()
        tried.expect(back[16:26] == given[16:26], "b.png has not the size, depth and colour type of rgb16.png")
        tried.expect(tifffile.imread(tried.path("b.tif")).dtype == np.uint16, "b.tif is not of 16 bits")
        same = np.array_equal(tifffile.imread(tried.path("b.tif")), np.load(tried.path("b.npy")))
        tried.expect(same, "b.tif and b.npy differ")


@case("pictures/03-float-tif-decompress-default")
def float_decompress(tried: Case) -> None:
    if compress(tried, "f.tif", "f.inrz"):
        done = tried.inr("decompress", "f.inrz", "-o", "f.png", "-f")
        tried.expect_done(done)
        tried.expect("cannot hold float32" in done.err, f"no note: {done.err!r}")
        data = tried.path("f.png").read_bytes()
        tried.expect((data[24], data[25]) == (16, 2), f"f.png has depth {data[24]} and colour type {data[25]}")


@case("pictures/04-grey16-compress")
def grey16_compress(tried: Case) -> None:
    if compress(tried, "g16.png", "g.inrz"):
        tried.expect_done(tried.inr("decompress", "g.inrz", "-o", "g.png", "-f"))
        with Image.open(tried.path("g.png")) as image:
            tried.expect(image.mode == "I;16", f"g.png has mode {image.mode}")


def as_pillow_reads(name: str) -> Callable[[Case], None]:
    def check(tried: Case) -> None:
        with Image.open(tried.path(name)) as image:
            expected = np.asarray(image.convert("L" if image.mode == "L" else "RGB"))
        expect_pixels(tried, name, expected[..., None] if expected.ndim == 2 else expected)

    return check


for _case, _name in (
    ("05-ycbcr-tif", "ycbcr.tif"),
    ("07-ycbcr-tif-lzw", "y.tif"),
    ("08-tif-palette-4bit", "p4.tif"),
    ("09-tif-grey-4bit", "g4.tif"),
    ("10-tif-palette-1bit", "p1.tif"),
):
    case(f"pictures/{_case}")(as_pillow_reads(_name))


def white_is_zero(name: str) -> Callable[[Case], None]:
    def check(tried: Case) -> None:
        stored = tifffile.imread(tried.path("u.tif")).astype(int)
        expect_pixels(tried, name, 65535 - stored[..., None], 2)

    return check


case("pictures/13-tif-miniswhite16-lzw")(white_is_zero("w.tif"))
case("pictures/14-tif-miniswhite16-raw")(white_is_zero("u.tif"))


@case("pictures/15-png-grey2bit-trns")
def grey_two_bits(tried: Case) -> None:
    levels = np.tile(np.arange(4), (2, 2))
    expected = np.stack([levels * 85, np.where(levels == 3, 0, 255)], -1)
    found = fit_and_render(tried, "t.png")
    if found is not None:
        shown = expected[..., 1] > 0
        tried.expect(np.array_equal(found[..., 1], expected[..., 1]), f"alpha is {found[0, :, 1]}")
        tried.expect(np.abs(found[..., 0].astype(int) - expected[..., 0])[shown].max() <= 1, "grey differs")


@case("pictures/24-grey-icc-webp")
def grey_profile(tried: Case) -> None:
    tried.inr("fit", "g.png", *SHORT, "-o", "m.safetensors")
    done = tried.inr("render", "m.safetensors", "-o", "g.webp", "-f")
    tried.expect_done(done)
    tried.expect("profile" in done.err, f"no note on the profile: {done.err!r}")
    with Image.open(tried.path("g.webp")) as image:
        profile = image.info.get("icc_profile")
    tried.expect(profile is None, "g.webp has a profile")
    tried.expect_done(tried.inr("render", "m.safetensors", "-o", "h.png", "-f"))
    with Image.open(tried.path("h.png")) as image:
        kept = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"])).profile.xcolor_space
    tried.expect(kept.strip() == "GRAY", f"h.png has a profile for {kept!r}")


@case("pictures/25-png-gamma-cicp")
def gamma(tried: Case) -> None:
    for name, chunk in (("lin", b"gAMA"), ("pq", b"cICP")):
        printed = tried.inr("fit", f"{name}.png", *SHORT, "-o", f"{name}.safetensors")
        tried.expect("not sRGB" in printed.err, f"{name}: no note: {printed.err!r}")
        tried.expect_done(tried.inr("render", f"{name}.safetensors", "-o", f"{name}2.png", "-f"))
        given, back = (tried.path(f"{name}{n}.png").read_bytes() for n in ("", "2"))
        at = given.index(chunk)
        n_bytes = struct.unpack(">I", given[at - 4 : at])[0] + 4
        tried.expect(given[at : at + n_bytes] in back, f"{name}: {chunk!r} is lost")
        done = tried.inr("render", f"{name}.safetensors", "-o", f"{name}2.webp", "-f")
        tried.expect("look different" in done.err, f"{name}.webp: no note: {done.err!r}")


@case("pictures/26-png-icc-larger-than-1MiB")
def large_profile(tried: Case) -> None:
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    icc += np.random.default_rng(0).bytes(2_000_000)
    for suffix in ("png", "jpg"):
        if not tried.path(f"big.{suffix}").exists():
            Image.new("RGB", (24, 16), "teal").save(tried.path(f"big.{suffix}"), icc_profile=icc)
        tried.expect_done(tried.inr("fit", f"big.{suffix}", *SHORT, "-o", "m.safetensors"))
        tried.expect_done(tried.inr("render", "m.safetensors", "-o", "back.png", "-f"))
        tried.expect(b"iCCP" in tried.path("back.png").read_bytes(), f"big.{suffix}: the profile is lost")


@case("pictures/29-bigtiff-stdin-inspect")
def bigtiff(tried: Case) -> None:
    data = tried.path("big.tif").read_bytes()
    tried.expect_done(tried.inr("fit", "big.tif", *SHORT, "-o", "m.safetensors"))
    tried.expect_done(tried.inr("fit", "-", *SHORT, "-o", "n.safetensors", stdin=data))
    tried.expect_done(tried.inr("fit", "big.tif", *SHORT, "-o", "t.safetensors", "--set", "signal.read=tiles"))
    printed = tried.inr("inspect", "big.tif")
    tried.expect_done(printed)
    tried.expect("picture 24x16" in printed.out, f"inspect says {printed.out!r}")
    for name, dtype, shape in (("f.tif", np.float32, (16, 24, 3)), ("d.tif", np.float64, (16, 24))):
        options = {"photometric": "rgb"} if len(shape) == 3 else {}
        tifffile.imwrite(tried.path(name), np.random.default_rng(0).random(shape).astype(dtype), **options)
        printed = tried.inr("inspect", name)
        tried.expect(
            printed.code == 0 and "picture 24x16" in printed.out, f"inspect {name}: {printed.out!r} {printed.err!r}"
        )


@case("pictures/35-half-pixel-alignment")
def alignment(tried: Case) -> None:
    tried.expect_done(tried.inr("fit", "ramp.tif", *EXACT, "-o", "r.safetensors", "-f", "--no-progress"))
    for name, arguments, (x0, width, y0, height) in (
        ("a.tif", ("--scale", "4"), (0, 20, 0, 12)),
        ("b.tif", ("--crop", "5,3,6,4"), (5, 6, 3, 4)),
        ("c.tif", ("--crop", "5.25,3,6.5,4", "--size", "13x16"), (5.25, 6.5, 3, 4)),
        ("d.npy", ("--size", "7x5"), (0, 20, 0, 12)),
        ("e.tif", ("--scale", "0.5"), (0, 20, 0, 12)),
    ):
        if tried.expect_done(tried.inr("render", "r.safetensors", "-o", name, "-f", *arguments)):
            found = np.load(tried.path(name)) if name.endswith(".npy") else tifffile.imread(tried.path(name))
            rows, columns = found.shape[:2]
            x = x0 + (np.arange(columns) + 0.5) * width / columns
            y = y0 + (np.arange(rows) + 0.5) * height / rows
            expected = np.stack(np.broadcast_arrays(x[None], y[:, None], 2 * x[None] - y[:, None]), -1)
            worst = np.abs(found - expected).max()
            tried.expect(worst < 1e-4, f"{name}: off by {worst}")


@case("pictures/36-exif-orientations")
def orientations(tried: Case) -> None:
    names = sorted(path.name for path in tried.folder.glob("[ol]?.*"))
    code = (
        "import json, sys, inr\n"
        "print(json.dumps({n: inr.load_signal(n).values.mul(255).round().int().tolist() for n in sys.argv[1:]}))"
    )
    read = tried.run("python", "-c", code, *names).json
    tried.expect(len(read) == len(names) == 32, f"{len(read)} of {len(names)} files are read")
    corners = [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 0]]]
    for name, values in read.items():
        found = np.array(values)
        is_right = found.shape == (4, 6, 3) and (found[[0, -1]][:, [0, -1]] == corners).all()
        tried.expect(is_right, f"{name}: shape {found.shape}, corners {found[[0, -1]][:, [0, -1]].tolist()}")
    for name, size in (("o6.png", [6, 4]), ("l8.tif", [6, 4])):
        printed = tried.inr("inspect", name, "--json").json["files"][0]
        tried.expect([printed["width"], printed["height"]] == size, f"inspect {name}: {printed}")


@case("pictures/37-cmyk")
def cmyk(tried: Case) -> None:
    tried.expect_refused(tried.inr("fit", "c.tif", *SHORT), 3, "colour mode CMYK", "hint")
    tried.expect_refused(tried.inr("compress", "c.jpg", "--effort", "1"), 3, "colour mode CMYK", "hint")
    tried.expect(not list(tried.folder.glob("*.inrz")), "something was written")


@case("pictures/38-animated-and-mpo")
def frames(tried: Case) -> None:
    if not tried.path("m.jpg").exists():
        two = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
        two[0].save(tried.path("m.jpg"), "MPO", save_all=True, append_images=two[1:])
    for name, words in (("a.png", "2 frames"), ("a.webp", "2 frames"), ("m.jpg", "2 frames"), ("s.tif", "3 pages")):
        printed = tried.inr("fit", name, *SHORT)
        tried.expect_done(printed)
        tried.expect(f"first of {words}" in printed.err, f"{name}: {printed.err!r}")


@case("pictures/39-other-formats")
def other_formats(tried: Case) -> None:
    for name in sorted(path.name for path in tried.folder.glob("x.*")):
        if name.endswith(".gif"):  # is read as a video since
            tried.expect_done(tried.inr("fit", name, *SHORT))
            continue
        tried.expect_refused(tried.inr("fit", name, *SHORT), 2, "suffix")
        tried.expect_refused(tried.inr("fit", name, "--kind", "image", *SHORT), 3, "PNG, JPEG, WebP, GIF or TIFF")


@case("pictures/40-bombs-and-damage")
def bombs(tried: Case) -> None:
    for path in sorted(tried.folder.iterdir()):
        if path.suffix in (".png", ".jpg", ".npy"):
            printed = tried.inr("fit", path.name, *SHORT, "-o", "m.safetensors", timeout_s=60)
            tried.expect_refused(printed, 3, path.name)
            tried.expect(printed.seconds < 30, f"{path.name}: took {printed.seconds:.0f} s")
    tried.expect(not tried.path("m.safetensors").exists(), "something was written")


@case("pictures/43-tiny-and-constant")
def tiny(tried: Case) -> None:
    for name in ("one", "row", "col", "const", "clear"):
        tried.expect_done(tried.inr("fit", f"{name}.png", *SHORT))
        found = tried.inr("eval", f"{name}.safetensors", f"{name}.png", "--json")
        tried.expect_done(found)
        tried.expect(found.json != {} and "NaN" not in found.out, f"eval of {name}: {found.out!r}")
        tried.expect_done(tried.inr("render", f"{name}.safetensors", "--scale", "3", "-o", f"{name}3.png", "-f"))
        given, scaled = pixels(tried.path(f"{name}.png")), pixels(tried.path(f"{name}3.png"))
        tried.expect(scaled.shape[:2] == (3 * given.shape[0], 3 * given.shape[1]), f"{name}: {scaled.shape}")


@case("pictures/44-names")
def names(tried: Case) -> None:
    Image.new("RGB", (12, 9), "olive").save(tried.path("plain.png"))
    data = tried.path("plain.png").read_bytes()
    for name in ("ünï cødé.png", "%s{x}[a]*.png"):
        tried.path(name).write_bytes(data)
    given = ["my pic.png", "-dash.png", "ünï cødé.png", "UP.PNG", "wrong.jpg", "%s{x}[a]*.png"]
    for name in given:
        tried.expect_done(tried.inr("fit", *SHORT, "--", name))
    tried.expect_done(tried.inr("fit", "noext", "--kind", "image", *SHORT))
    made = sorted(path.stem for path in tried.folder.glob("*.safetensors"))
    tried.expect(len(made) == 7, f"models: {made}")


@case("pictures/45-crop-and-size-errors")
def crops(tried: Case) -> None:
    tried.expect_done(tried.inr("fit", "a.png", *SHORT, "-o", "m.safetensors"))
    for arguments in (
        "--crop nan,0,1,1", "--crop -1,0,5,5", "--crop 0,0,24,16.5", "--crop 1,2,3", "--size 0x5", "--size -3x4",
        "--size 99999999x99999999", "--scale 0", "--scale nan", "--scale inf", "--scale 2 --size 3x3", "--rate 8000",
    ):  # fmt: skip
        tried.expect_refused(tried.inr("render", "m.safetensors", *arguments.split(), "-o", "x.png", "-f"), 2)
    tried.expect(not tried.path("x.png").exists(), "something was written")


@case("pictures/47-tif-zoo")
def zoo(tried: Case) -> None:
    code = (
        "import sys, numpy, inr\n"
        "for name in sys.argv[1:]: numpy.save(name + '.npy', inr.load_signal(name + '.tif').values.numpy())"
    )
    files = ("be", "pl", "ti", "h", "big", "g4", "lzw", "jpg")
    tried.expect_done(tried.run("python", "-c", code, *files))
    for name in files:
        stored = tifffile.imread(tried.path(f"{name}.tif"))
        if name == "pl":
            stored = np.moveaxis(stored, 0, -1)
        peak = np.iinfo(stored.dtype).max if stored.dtype.kind == "u" else 1
        expected = stored.astype(np.float64) / peak
        expected = expected[..., None] if expected.ndim == 2 else expected
        found = np.load(tried.path(f"{name}.npy"))
        is_right = found.shape == expected.shape and np.abs(found - expected).max() < 1e-3
        tried.expect(is_right, f"{name}.tif: shape {found.shape}, expected {expected.shape}")


@case("pictures/48-reproducible")
def reproducible(tried: Case) -> None:
    for threads in ("1", "2"):
        fit = ("fit", "a.png", "--steps", "30", "--no-progress", "--threads", threads)
        tried.expect_done(tried.inr(*fit, "-o", f"{threads}.safetensors", "-f"))
    same = tried.path("1.safetensors").read_bytes() == tried.path("2.safetensors").read_bytes()
    tried.expect(same, "one and two threads give other bytes")


@case("pictures/49-premultiplied-tif")
def premultiplied(tried: Case) -> None:
    printed = tried.inr("fit", "p.tif", *SHORT, "-o", "m.safetensors")
    tried.expect("premultiplied" in printed.err, f"no note: {printed.err!r}")
    code = "import inr; print((inr.load_signal('p.tif').values[0] * 255).round().int().tolist())"
    found = tried.run("python", "-c", code)
    tried.expect("[[199, 100, 50, 128], [0, 0, 0, 0], [200, 200, 200, 255]]" in found.out, f"{found.out} {found.err}")


@case("pictures/51-compress-edge-pictures")
def edges(tried: Case) -> None:
    for name in ("one", "row", "la"):
        if compress(tried, f"{name}.png", f"{name}.inrz"):
            tried.expect_done(tried.inr("decompress", f"{name}.inrz", "-o", f"{name}2.png", "-f"))
            given, back = (pixels(tried.path(f"{name}{n}.png")) for n in ("", "2"))
            tried.expect(given.shape == back.shape, f"{name}: {back.shape}, expected {given.shape}")


@case("pictures/52-export-numpy-aligned")
def export(tried: Case) -> None:
    tried.expect_done(tried.inr("fit", "a.png", "--steps", "60", "--no-progress", "-o", "m.safetensors", "-f"))
    tried.expect_done(tried.inr("render", "m.safetensors", "-o", "r.png", "-f"))
    tried.expect_done(tried.inr("export", "m.safetensors", "-o", "h.py", "-f"))
    code = (
        "import numpy as np\nfrom h import load\n"
        "x, y = np.meshgrid((np.arange(24) + .5) / 24, (np.arange(16) + .5) / 16)\n"
        "np.save('h.npy', load('h.npz')(np.stack([x.ravel(), y.ravel()], -1)).reshape(16, 24, -1))"
    )
    tried.expect_done(tried.run("python", "-c", code))
    shown = pixels(tried.path("r.png")) / 255
    worst = np.abs(np.clip(np.load(tried.path("h.npy")), 0, 1) - shown).max()
    tried.expect(worst <= 0.5 / 255 + 1e-4, f"the export differs from the rendering by {worst}")


@case("pictures/54-tif-cut-by-5-bytes")
def cut(tried: Case) -> None:
    tried.expect_refused(tried.inr("fit", "cut.tif", *SHORT, "-o", "m.safetensors"), 3, "cut.tif")
    tried.expect_refused(tried.inr("inspect", "cut.tif"), 3, "cut.tif")
    tried.expect(not tried.path("m.safetensors").exists(), "something was written")
    tried.expect_done(tried.inr("fit", "whole.tif", *SHORT, "-o", "m.safetensors"))
