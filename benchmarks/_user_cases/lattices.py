"""Arrays, sounds and point clouds that people bring: kinds, axes, containers, silence, dialects of text, normals."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import trimesh
from PIL import Image

from _user_cases._case import Case, case

EXACT = ("--field", "polyharmonic", "-f", "-q")
"""A field that passes through every sample, so that its rendering is the signal that was read."""

SHORT = ("--steps", "2", "--no-progress", "-f", "-q")


def fit(tried: Case, name: str, model: str, *options: str) -> bool:
    return tried.expect_done(tried.inr("fit", name, "-o", model, *options))


# -- arrays


@case("pictures/27-eval-array-against-picture")
def eval_array_against_picture(tried: Case) -> None:
    if fit(tried, "sq.npy", "a.safetensors", *SHORT) and fit(tried, "sq.png", "p.safetensors", *SHORT):
        tried.expect_done(tried.inr("eval", "a.safetensors", "sq.npy"))
        for model, reference in (("a", "sq.png"), ("p", "sq.npy")):
            done = tried.inr("eval", f"{model}.safetensors", reference)
            tried.expect_refused(done, 2, "'array'", "'image'", "compare a model with the kind of signal")
            tried.expect(not done.stdout, f"eval of {model} against {reference} has a result: {done.out!r}")


@case("pictures/31-npz-several")
def npz_several(tried: Case) -> None:
    done = tried.inr("fit", "many.npz", "--steps", "1", "-o", "m.safetensors", "--no-progress")
    if tried.expect_done(done):
        tried.expect("note: " in done.err and "first" in done.err and "second" in done.err, f"no note: {done.err!r}")
        printed = tried.inr("inspect", "m.safetensors", "--json").json["files"][0]["signal"]["shape"]
        tried.expect(printed == [16, 24], f"the first array is 16x24, the model has {printed}")
    refused = tried.inr("fit", "lab.npz", "--steps", "1", "-o", "l.safetensors", "--no-progress")
    tried.expect_refused(refused, 3, "label", "it has: label, img", "signal.key=img")
    tried.expect(not tried.path("l.safetensors").exists(), "a model was written for an array of strings")
    fit(tried, "lab.npz", "l.safetensors", "--set", "signal.key=img", *SHORT)


@case("pictures/32-slice-message")
def slice_message(tried: Case) -> None:
    if not fit(tried, "v.npy", "v.safetensors", *EXACT):
        return
    volume = np.load(tried.path("v.npy"))
    tried.expect_refused(tried.inr("render", "v.safetensors", "--slice", "axis2=6", "-o", "s.npy"), 2, "-0.5 to 5.5")
    tried.expect_refused(
        tried.inr("render", "v.safetensors", "--slice", "axis2=1", "--slice", "2=3", "-o", "s.npy"), 2, "two positions"
    )
    if tried.expect_done(tried.inr("render", "v.safetensors", "--slice", "axis2=5", "-o", "s.npy")):
        tried.expect(np.allclose(np.load(tried.path("s.npy")), volume[..., 5], atol=1e-3), "slice 5 is another one")
    tried.expect_done(tried.inr("render", "v.safetensors", "--slice", "axis2=5.5", "-o", "end.npy"))


@case("pictures/33-render-size-order")
def render_size_order(tried: Case) -> None:
    if not fit(tried, "a.png", "m.safetensors", *SHORT):
        return
    with Image.open(tried.path("a.png")) as image:
        size = image.size
    printed = tried.inr("render", "m.safetensors", "-o", "o.png", "-f", "--json").json
    tried.expect(printed.get("shape") == list(size), f"--json says {printed.get('shape')}, expected {list(size)}")
    text = tried.inr("render", "m.safetensors", "-o", "o.png", "-f").out
    tried.expect(f"{size[0]}x{size[1]}  " in text, f"render says {text!r}, expected {size[0]}x{size[1]}")
    flat = tried.inr("render", "m.safetensors", "--size", "9x1", "-o", "flat.png").out
    tried.expect("  9x1  " in flat, f"render says {flat!r}, expected 9x1")


@case("pictures/34-ntk-constant-and-transparent")
def ntk_constant_and_transparent(tried: Case) -> None:
    for name in ("const.png", "clear.png"):
        for command in (("ntk", name, "--steps", "20"), ("suggest", name)):
            done = tried.inr(*command)
            tried.expect_refused(done, 2, "constant")
            tried.expect("noise" not in done.out + done.err, f"{command}: speaks of noise")


@case("pictures/41-odd-arrays")
def odd_arrays(tried: Case) -> None:
    words = {"five": "axes", "inf": "infinite", "nan": "NaN", "obj": "object", "scalar": "axes", "st": "dtype"}
    words |= {"str": "dtype", "zero": "at least one element", "big": "float32", "c": "complex"}
    for path in sorted(tried.folder.glob("*.npy")):
        done = tried.inr("fit", path.name, *SHORT, "-o", "m.safetensors")
        tried.expect_refused(done, 3, words.get(path.stem, ""))
    tried.expect(not list(tried.folder.glob("*.safetensors")), "a model was written")


@case("pictures/42-good-arrays")
def good_arrays(tried: Case) -> None:
    for name in ("bool", "be", "one"):
        if fit(tried, f"{name}.npy", "m.safetensors", *EXACT):
            tried.expect_done(tried.inr("render", "m.safetensors", "-o", "back.npy", "-f", "-q"))
            given, back = np.load(tried.path(f"{name}.npy")), np.load(tried.path("back.npy"))
            is_same = given.shape == back.shape and given.dtype.newbyteorder("=") == back.dtype
            tried.expect(is_same and (given == back).all(), f"{name}.npy does not come back exactly")
    noted = tried.inr("fit", "u64.npy", "--steps", "2", "--no-progress", "-o", "m.safetensors", "-f")
    tried.expect(noted.code == 0 and "2^24" in noted.err, f"u64.npy: exit {noted.code}, {noted.err!r}")
    fit(tried, "f16.npy", "m.safetensors", *SHORT)


@case("pictures/46-volume-slices")
def volume_slices(tried: Case) -> None:
    if not fit(tried, "v.npy", "v.safetensors", *EXACT):
        return
    volume = np.load(tried.path("v.npy")).astype(float)
    wanted = {
        "axis0=2": volume[2],
        "axis0=1.5 1=3": (volume[1, 3] + volume[2, 3]) / 2,
        "axis2=5": volume[..., 5],
    }
    for slices, expected in wanted.items():
        options = [part for text in slices.split() for part in ("--slice", text)]
        if tried.expect_done(tried.inr("render", "v.safetensors", *options, "-o", "s.npy", "-f", "-q")):
            found = np.load(tried.path("s.npy")).astype(float)
            is_near = found.shape == expected.shape and np.abs(found - expected).max() <= 0.02 * np.ptp(volume)
            tried.expect(is_near, f"--slice {slices}: not what the volume has there")
    tried.expect_done(tried.inr("render", "v.safetensors", "--slice", "axis2=5", "-o", "s.png", "-f"))
    with Image.open(tried.path("s.png")) as image:
        tried.expect(image.size == volume.shape[1::-1], f"the picture of a slice has {image.size}")


@case("pictures/53-video-array")
def video_array(tried: Case) -> None:
    last = ("--set", "signal.channels=last")
    if not fit(tried, "v.npy", "v.safetensors", *last, *SHORT):
        return
    tried.expect_done(tried.inr("eval", "v.safetensors", "v.npy", *last))
    tried.expect_refused(tried.inr("eval", "v.safetensors", "v.npy"), 2, "coordinates")
    if tried.expect_done(tried.inr("render", "v.safetensors", "--slice", "axis0=1", "-o", "frame.png")):
        with Image.open(tried.path("frame.png")) as image:
            tried.expect((image.size, image.mode) == ((8, 8), "RGB"), f"the frame is {image.size} {image.mode}")


# -- sounds


def snr_db(given: Any, back: Any) -> float:
    return float(10 * np.log10((given**2).sum() / max(((given - back) ** 2).sum(), 1e-30)))


@case("cli/14-sound-roundtrip")
def sound_roundtrip(tried: Case) -> None:
    options = ("--effort", "1", "--quality", "30", "--no-verify", "-q", "--no-progress")
    for name in ("u8.wav", "p24.wav", "s51.wav", "f32over.wav", "r96k.wav", "f24.flac", "opus.ogg", "ulaw.wav"):
        if not tried.expect_done(tried.inr("compress", name, "-o", "a.inrz", "-f", *options)):
            continue
        tried.expect_done(tried.inr("decompress", "a.inrz", "-o", "back.wav", "-f"))
        a, b = soundfile.info(str(tried.path(name))), soundfile.info(str(tried.path("back.wav")))
        kept = ("frames", "channels", "samplerate")
        tried.expect(all(getattr(a, k) == getattr(b, k) for k in kept), f"{name}: {a} became {b}")
        if a.format in ("WAV", "WAVEX", "FLAC") and a.subtype != "ULAW":
            tried.expect(a.subtype == b.subtype, f"{name}: {a.subtype} became {b.subtype}")
        given, back = (soundfile.read(tried.path(n), always_2d=True)[0] for n in (name, "back.wav"))
        tried.expect(snr_db(given, back) > 15, f"{name}: {snr_db(given, back):.1f} dB")
        if name == "f32over.wav":
            tried.expect(np.abs(back).max() > 1.2, "a float sound beyond full scale was clipped")
        if a.format == "WAVEX":
            masks = [speakers(tried.path(n)) for n in (name, "back.wav")]
            tried.expect(b.format == "WAVEX" and masks[0] == masks[1], f"{name}: {a.format} {masks}, then {b.format}")


def speakers(path: Path) -> int:
    """The channel mask of a WAV of many channels."""
    data = path.read_bytes()
    return int(struct.unpack_from("<I", data, data.index(b"fmt ") + 28)[0])


@case("cli/15-sound-degenerate")
def sound_degenerate(tried: Case) -> None:
    for name in ("one", "silence", "dc", "clip"):
        if fit(tried, f"{name}.wav", f"{name}.safetensors", "--steps", "5", "-q", "-f"):
            tried.expect_done(tried.inr("render", f"{name}.safetensors", "-o", f"{name}.out.wav", "-q", "-f"))
    printed = tried.inr("eval", "silence.safetensors", "silence.wav", "--json")
    tried.expect(printed.json["models"][0]["metrics"]["snr_db"] is None, f"SNR of silence: {printed.out!r}")
    refused = tried.inr("fit", "zero.wav", "-o", "zero.safetensors", "--steps", "5", "-f")
    tried.expect_refused(refused, 3, "no samples")
    short = ("--effort", "1", "--no-progress", "--no-verify", "-f")
    for name, more in (("one", ()), ("silence", ()), ("silence", ("--target-psnr", "40"))):
        done = tried.inr("compress", f"{name}.wav", "-o", "a.inrz", *short, *more)
        if tried.expect_done(done):
            tried.expect_done(tried.inr("decompress", "a.inrz", "-o", "back.wav", "-f"))
            given, back = (soundfile.read(tried.path(n))[0] for n in (f"{name}.wav", "back.wav"))
            is_same = given.shape == back.shape and np.abs(given - back).max() <= (0 if name == "silence" else 1e-3)
            tried.expect(is_same, f"{name} {more} does not come back")
    tried.expect_done(tried.inr("compress", "dc.wav", "-o", "a.inrz", *short, "--target-psnr", "40"))


@case("cli/16-sound-rate-crop")
def sound_rate_crop(tried: Case) -> None:
    if not fit(tried, "r96k.wav", "m.safetensors", "--steps", "5", "-q", "-f"):
        return
    for rate, n in ((44100, 919), (192000, 4002), (1, 1)):
        tried.expect_done(tried.inr("render", "m.safetensors", "--rate", str(rate), "-o", "r.wav", "-f"))
        found = soundfile.info(str(tried.path("r.wav")))
        tried.expect(abs(found.frames - n) <= 1 and found.samplerate == rate, f"--rate {rate}: {found}")
    tried.expect_done(tried.inr("render", "m.safetensors", "--crop", "0.005,0.01", "-o", "c.wav"))
    tried.expect(soundfile.info(str(tried.path("c.wav"))).frames == 960, "10 ms of 96 kHz are not 960 samples")
    for wrong in (
        "--rate=0.5",
        "--rate=-5",
        "--rate=nan",
        "--rate=1e12",
        "--crop=0.02,0.01",
        "--scale=inf",
        "--size=0",
    ):
        tried.expect_refused(tried.inr("render", "m.safetensors", wrong, "-o", "w.wav"), 2)
    tried.expect(not tried.path("w.wav").exists(), "a wrong view has written a sound")


@case("cli/17-sound-unusual-containers")
def sound_unusual_containers(tried: Case) -> None:
    whole = ("stream.flac", "sizeplus8.wav", "stream.wav", "stream0.wav", "rf64.wav", "rifx.wav", "id3.flac", "a.aiff")
    files = tried.inr("inspect", *whole, "a.au", "a.w64", "a.mp3", "a.opus", "--json").json.get("files", [])
    counts = {entry["file"]: entry["n_samples"] for entry in files}
    for name in (*whole, "a.au", "a.w64"):
        tried.expect(counts.get(name) == 2001, f"inspect says {counts.get(name)} samples of {name}, expected 2001")
    tried.expect({"a.mp3", "a.opus"} <= set(counts), f"inspect does not read MP3 and Opus: {sorted(counts)}")
    for name in ("stream.flac", "sizeplus8.wav", "stream0.wav"):
        done = tried.inr("fit", name, "--dry-run", "-o", "x.safetensors")
        tried.expect(done.code == 0 and "2001x1" in done.out + done.err, f"fit {name}: {done.code} {done.err!r}")
    for name in ("rf64_trunc.wav", "trunc_honest_riff.wav"):
        for command in (("fit", name, "--dry-run", "-o", "x.safetensors"), ("inspect", name)):
            tried.expect_refused(tried.inr(*command), 3, "truncated")
    no_sound = tried.inr("fit", "png_named.wav", "--dry-run", "-o", "x.safetensors")
    tried.expect_refused(no_sound, 3, "png")
    tried.expect("object at" not in no_sound.err, f"a message of Python's: {no_sound.err!r}")
    for name in ("rf64.wav", "rifx.wav", "a.flac", "a.mp3", "a.aiff", "a.w64"):
        done = tried.inr("fit", "-", "--dry-run", "-o", "x.safetensors", stdin=tried.path(name).read_bytes())
        tried.expect(done.code == 0, f"stdin {name}: exit {done.code}, {done.err!r}")


@case("cli/34-long-sound")
def long_sound(tried: Case) -> None:
    """One minute of sound; ten need ten times the memory beyond that of the program."""
    n = 44_100 * 60
    t = np.arange(n) / 44_100
    soundfile.write(tried.path("long.wav"), 0.4 * np.sin(2 * np.pi * (200 + 50 * np.sin(t)) * t), 44_100)
    code = (
        "import resource, sys; sys.argv = ['inr', *sys.argv[1:]]\n"
        "from inr_cli.main import app\n"
        "try: app()\n"
        "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    )
    wanted = ("fit", "long.wav", "--steps", "5", "-o", "l.safetensors", "-q", "--no-progress")
    done = tried.run("python", "-c", code, *wanted)
    tried.expect(done.code == 0, f"fit of a minute: exit {done.code}, {done.err[-300:]!r}")
    kilobytes = int(done.err.split()[-1]) if done.code == 0 else 0
    tried.expect(kilobytes < 1_500_000, f"a minute of sound takes {kilobytes / 1e6:.2f} GB")
    if tried.expect_done(tried.inr("render", "l.safetensors", "-o", "l.wav")):
        tried.expect(soundfile.info(str(tried.path("l.wav"))).frames == n, "another number of samples comes back")


# -- point clouds

LOADED = """
import json, sys
from inr.core.errors import InrError
from inr.signals import load_signal
found = {}
for name in sys.argv[1:]:
    try:
        cloud = load_signal(name, "points")
        domain = cloud.frame.domain
        found[name] = {"n": cloud.meta["n_points"], "low": domain.low, "side": cloud.meta["side"], "notes": cloud.notes}
    except InrError as error:
        found[name] = {"error": error.message, "hint": error.hint, "code": error.exit_code}
print(json.dumps(found))
"""


def loaded(tried: Case, names: list[str]) -> dict[str, Any]:
    """The signal that each file is read as, in one process."""
    done = tried.run("python", "-c", LOADED, *names)
    if not tried.expect(done.code == 0, f"loading: {done.err[-400:]!r}"):
        return {}
    found: dict[str, Any] = json.loads(done.out)
    return found


@case("shapes/14-points-no-normals")
def points_no_normals(tried: Case) -> None:
    names = ["plain.ply", "plain.xyz", "xyz.npy", "rgb.ply", "rgb.xyz", "only_two.ply"]
    for name, found in loaded(tried, names).items():
        is_estimated = any("normals were estimated" in note for note in found.get("notes", ()))
        is_refused = found.get("code") in (1, 3) and "normals are needed" not in found["error"]
        tried.expect(is_estimated or is_refused, f"{name}: {found}")
    refused = tried.inr("fit", "rgb.xyz", "-o", "rgb.safetensors", "--set", "signal.normals=given", *SHORT)
    tried.expect_refused(refused, 3, "colours", "normals are needed")
    tried.expect(not tried.path("rgb.safetensors").exists(), "a model of colours was written")


@case("shapes/16-points-dialects")
def points_dialects(tried: Case) -> None:
    names = [p.name for p in tried.folder.iterdir() if p.suffix.lower() in (".ply", ".xyz", ".txt", ".npy")]
    found = loaded(tried, sorted(set(names) - {"out.txt"}))
    for name, one in found.items():
        if name == "short.xyz":  # its last row is cut
            tried.expect("line 2001 has 2 numbers" in one.get("error", ""), f"{name}: {one}")
            continue
        tried.expect(one.get("n") == 2000, f"{name}: {one}")
        is_left_out = any("1 of 2001 points" in note for note in one.get("notes", ()))
        tried.expect(is_left_out == (name == "nanrow.xyz"), f"{name}: notes {one.get('notes')}")
        low = one.get("low", (0, 0, 0))
        tried.expect(max(abs(value + 1.1) for value in low) < 0.01, f"{name}: its cube begins at {low}")


def reported_volume(tried: Case, mesh: str) -> float:
    """The volume that a mesh encloses, by trimesh."""
    return float(trimesh.load_mesh(tried.path(mesh)).volume)


SMALL = ("--set", "field.width=64", "--set", "field.depth=2", "--no-progress", "-f", "-q")


@case("shapes/17-points-inward-normals")
def points_inward_normals(tried: Case) -> None:
    done = tried.inr("fit", "in.ply", "-o", "m.safetensors", *SMALL[:-1], "--steps", "300", "--batch", "2048")
    if not tried.expect_done(done):
        return
    tried.expect("point inwards and were turned over" in done.err, f"no note: {done.err!r}")
    code = (
        "import torch; from inr.fitting import Fit; fit = Fit.load('m.safetensors')\n"
        "x = torch.nn.functional.normalize(torch.randn(999, 3, generator=torch.Generator().manual_seed(0)), dim=1)\n"
        "print(*(float((fit(fit.frame.domain.to_unit(r * x)) < 0).float().mean()) for r in (0.95, 1.05)))"
    )
    shares = tried.run("python", "-c", code)
    inside, outside = map(float, shares.out.split()) if shares.code == 0 else (0.0, 1.0)
    tried.expect(inside > 0.95 and outside < 0.05, f"negative in the ball: {inside}, around it: {outside} {shares.err}")


@case("shapes/38-convert-points")
def convert_points(tried: Case) -> None:
    """Points: the ball of radius 3 at (10, 20, 30); its model converted has the same surface."""
    volume = 4 / 3 * np.pi * 27
    if fit(tried, "c.ply", "p.safetensors", *SMALL, "--steps", "300", "--batch", "2048"):
        tried.expect_done(tried.inr("mesh", "p.safetensors", "-o", "p.ply", "--resolution", "64", "-f"))
        first = reported_volume(tried, "p.ply")
        tried.expect(abs(first - volume) < 0.05 * volume, f"volume {first:.1f}, expected {volume:.1f} within 5 %")
        centre = trimesh.load_mesh(tried.path("p.ply")).bounds.mean(axis=0)
        tried.expect(np.abs(centre - [10, 20, 30]).max() < 0.2, f"the ball lies at {centre}")
        tried.expect_done(tried.inr("eval", "p.safetensors", "c.ply"))
        made = tried.inr(
            *("convert", "p.safetensors", "--field", "hash_grid", "--steps", "200"),
            *("-o", "h.safetensors", "--no-progress", "-f"),
        )
        if tried.expect_done(made):
            tried.expect_done(tried.inr("mesh", "h.safetensors", "-o", "h.ply", "--resolution", "64", "-f"))
            second = reported_volume(tried, "h.ply")
            tried.expect(abs(second - first) < 0.05 * first, f"converted: volume {second:.1f}, before {first:.1f}")
        tried.expect_done(tried.inr("report", "p.safetensors", "--signal", "c.ply", "-o", "p.html", "-f"))
    if fit(tried, "t.obj", "t.safetensors", "--steps", "20", "--no-progress", "-f", "-q"):
        for where, code in (("z=2", 0), ("z=99", 2)):
            done = tried.inr("render", "t.safetensors", "--slice", where, "-o", "s.png", "-f")
            tried.expect(done.code == code, f"--slice {where}: exit {done.code}, expected {code}: {done.err!r}")
