"""Compression and decompression as a whole, with a profile that does next to nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh

import inr
from inr._errors import FormatError, UnreadableError, UsageError
from inr.codec import Aim, Limits, _verify, inspect
from inr.codec.pyramid.profile import STEPS
from inr.signals import Signal, load_signal
from inr.signals.array import Array
from inr.signals.audio import Audio
from inr.signals.image import Image
from inr.signals.shape import Shape
from tests.codec.minimal import Minimal

RANDOM = np.random.default_rng(0)


def picture(dtype: type = np.uint8, channels: int = 3) -> Image:
    y, x = np.mgrid[0:24, 0:32]
    pixels = np.stack([x * 7, y * 9, (x + y) * 4, x * 0 + 200], axis=-1)[..., :channels]
    pixels = pixels + RANDOM.integers(0, 5, pixels.shape)
    return Image.of_pixels(pixels.astype(dtype) * (257 if dtype is np.uint16 else 1), icc=b"a colour profile")


SIGNALS: dict[str, Signal] = {
    "picture": picture(),
    "16 bits": picture(np.uint16, 1),
    "floats": picture(np.float32, 4),
    "sound": Audio.of_samples(np.sin(np.arange(2000) / 9).astype(np.float32)[:, None], 8000),
    "array": Array.of_array(np.cumsum(RANDOM.normal(size=(6, 5, 4)), axis=0)),
    "channels": Array.of_array(RANDOM.integers(0, 90, (20, 3)).astype(np.int16), has_channels=True),
}


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_comes_back_as_what_was_measured(name: str, tmp_path: Path) -> None:
    signal = SIGNALS[name]
    path = tmp_path / "a.inrz"
    is_verified = name in ("picture", "sound")
    made = inr.compress(signal, path, profile="minimal", quality=60, verify=is_verified)
    assert path.read_bytes() == made.data
    assert made.is_verified == is_verified
    assert made.outcome == "done"
    assert sum(made.sizes.values()) == len(made.data)
    assert made.metrics["psnr_db"] > 40
    decoded = inr.decompress(path)
    assert decoded.header.spec() == signal.spec
    again = tmp_path / f"again{_verify.suffix_of(decoded.header)}"
    decoded.save(again)
    assert _verify.measure(again, signal) == made.metrics


def test_a_colour_profile_comes_along(tmp_path: Path) -> None:
    made = inr.compress(SIGNALS["picture"], tmp_path / "a.inrz", profile="minimal", verify=False)
    assert made.sizes["iccp"] == len(b"a colour profile")
    inr.decompress(tmp_path / "a.inrz").save(tmp_path / "a.png")
    assert load_signal(tmp_path / "a.png").meta["icc"] == SIGNALS["picture"].meta["icc"]


def test_aims_of_size_count_the_whole_file() -> None:
    signal = SIGNALS["picture"]
    made = inr.compress(signal, profile="minimal", size_bytes=900, verify=False)
    assert 400 < len(made.data) <= 900
    made = inr.compress(signal, profile="minimal", bpp=5.0, verify=False)
    assert made.bpp is not None
    assert 2.5 < made.bpp <= 5.0
    with pytest.raises(UsageError, match="not enough"):
        inr.compress(signal, profile="minimal", size_bytes=40)
    rough = inr.compress(SIGNALS["array"], profile="minimal", size_bytes=190, verify=False)
    assert (rough.outcome == "done") == (len(rough.data) <= 190)


def test_an_aim_of_quality_is_checked_by_what_was_decoded() -> None:
    made = inr.compress(SIGNALS["picture"], profile="minimal", target_psnr_db=35, verify=False)
    assert made.metrics["psnr_db"] >= 35
    assert made.outcome == "done"
    beyond = inr.compress(SIGNALS["sound"], profile="minimal", target_psnr_db=150, verify=False)
    assert beyond.outcome == "target_not_reached"


def test_a_file_that_fails_verification_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "a.inrz"
    monkeypatch.setattr(_verify, "COMMAND", (sys.executable, "-c", "raise SystemExit('no such luck')"))
    with pytest.raises(FormatError, match="no such luck"):
        inr.compress(SIGNALS["array"], out, profile="minimal")
    code = "import json, sys, pathlib; pathlib.Path(sys.argv[3]).write_text(json.dumps({'symbols_sha256': '00' * 32}))"
    monkeypatch.setattr(_verify, "COMMAND", (sys.executable, "-c", code))
    with pytest.raises(FormatError, match="other symbols"):
        inr.compress(SIGNALS["array"], out, profile="minimal")
    assert list(tmp_path.iterdir()) == []


def test_requests_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    signal = SIGNALS["picture"]
    with pytest.raises(UsageError, match="effort is 10"):
        inr.compress(signal, effort=10)
    with pytest.raises(UsageError, match="unknown profile 'minimul'"):
        inr.compress(signal, profile="minimul")
    with pytest.raises(UsageError, match="no field and no settings"):
        inr.compress(signal, profile="minimal", field="siren")
    with pytest.raises(UsageError, match="lattices only"):
        inr.compress("analytic:torus", profile="minimal")
    with pytest.raises(UsageError, match="bits per pixel"):
        inr.compress("analytic:torus", bpp=1)
    with pytest.raises(UnreadableError, match="no such file"):
        inr.compress(tmp_path / "none.png")
    with pytest.raises(UnreadableError, match="no such file"):
        inr.decompress(tmp_path / "none.inrz")
    (tmp_path / "b.inrz").touch()
    with pytest.raises(UsageError, match="exists"):
        inr.compress(signal, tmp_path / "b.inrz")


def test_budgets_are_held_before_anything_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = inr.compress(SIGNALS["picture"], profile="minimal", verify=False).data
    monkeypatch.setattr(Minimal, "decode", None)
    for limits in (Limits(samples=100), Limits(symbols=100), Limits(work=100), Limits(tensors=0)):
        with pytest.raises(FormatError, match="the limit is"):
            inr.decompress(data, limits=limits)


def test_a_fault_in_a_profile_is_still_a_format_error(monkeypatch: pytest.MonkeyPatch) -> None:
    data = inr.compress(SIGNALS["picture"], profile="minimal", verify=False).data
    for fault in (MemoryError(), KeyError("x"), OverflowError(), RuntimeError("torch says no")):

        def fail(*_: object, fault: Exception = fault) -> None:
            raise fault

        monkeypatch.setattr(Minimal, "decode", fail)
        with pytest.raises(FormatError):
            inr.decompress(data)


def test_inspection_says_where_the_bytes_go() -> None:
    made = inr.compress(SIGNALS["picture"], profile="minimal", verify=False)
    found = inspect(made.data)
    assert (found.name, found.header.shape, found.work) == ("minimal", (32, 24), 768)
    (usage,) = found.usage()
    assert usage.spec.name == "values"
    assert usage.bits == pytest.approx(8 * made.sizes["DATA"], abs=17)


def test_decoding_needs_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from inr.codec import decompress, inspect; import inr.signals._pictures, inr.codec.tensors;"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_default_aim_is_a_quality() -> None:
    assert Aim().quality == 50


@pytest.mark.parametrize(
    ("kind", "profile"), [("image", "pyramid"), ("audio", "grids"), ("array", "grids"), ("shape", "weights")]
)
def test_every_kind_has_a_default_profile(kind: str, profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inr.codec.weights.STEPS", 32)
    monkeypatch.setattr("inr.codec.grids.STEPS", 32)
    monkeypatch.setitem(STEPS, 1, 20)
    cube = trimesh.creation.box((1, 1, 1))
    signals = {
        "image": SIGNALS["picture"],
        "audio": SIGNALS["sound"],
        "array": SIGNALS["array"],
        "shape": Shape.of_mesh(cube.vertices, cube.faces, n_points=1000),
    }
    assert inr.compress(signals[kind], quality=30, effort=1, verify=False).profile == profile
