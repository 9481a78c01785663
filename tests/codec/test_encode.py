"""Compression and decompression as a whole, with a minimal profile."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh

import inr
from inr.codec import Limits, RateTarget, inspect, verification
from inr.codec.container.file import Container
from inr.codec.profiles.pyramid.encoder import STEPS
from inr.core.errors import FormatError, UnreadableError, UsageError
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
    again = tmp_path / f"again{decoded.header.codec_kind.lossless_suffix(decoded.header)}"
    decoded.save(again)
    assert verification.measure(again, signal) == made.metrics


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_deep_pictures_come_back_in_every_container(
    channels: int, dtype: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pyramid's values are not contiguous in memory; each container holds them at its depth."""
    monkeypatch.setitem(STEPS, 1, 4)
    signal = picture(np.uint16, channels)
    if dtype is np.float32:
        signal = Image.of_pixels(signal.values.numpy())
    made = inr.compress(signal, tmp_path / "a.inrz", effort=1, verify=False)
    decoded = inr.decompress(made.data)
    values = decoded.values()
    if dtype is np.float32:
        values = values.clip(0, 1)
    for suffix in (".png", ".tif", ".npy", ".webp", ".jpg"):
        if suffix == ".jpg" and channels in (2, 4):
            continue
        path = tmp_path / f"b{suffix}"
        notes = decoded.save(path)
        again = load_signal(path, "image")
        kept = "uint8" if suffix in (".webp", ".jpg") else "uint16" if suffix == ".png" else np.dtype(dtype).name
        assert again.meta["dtype"] == kept
        assert any("cannot hold" in note for note in notes) == (kept != np.dtype(dtype).name)
        assert isinstance(again, Image)
        found = again.values.numpy()
        if suffix == ".webp" and channels < 3:  # grey as three equal colours
            found = np.concatenate([found[..., :1], found[..., 3:]], axis=-1)
        tolerance = {"uint8": 0.5 / 255, "uint16": 0.5 / 65535, "float32": 0}[kept] + 1e-6
        shown = found.clip(0, 1) if dtype is np.float32 else found
        assert np.abs(shown - values).max() <= (0.1 if suffix == ".jpg" else tolerance)


def test_a_colour_profile_is_kept(tmp_path: Path) -> None:
    made = inr.compress(SIGNALS["picture"], tmp_path / "a.inrz", profile="minimal", verify=False)
    assert made.sizes["iccp"] == len(b"a colour profile")
    inr.decompress(tmp_path / "a.inrz").save(tmp_path / "a.png")
    assert load_signal(tmp_path / "a.png").meta["icc"] == SIGNALS["picture"].meta["icc"]


def test_colour_chunks_of_png_are_kept_and_a_large_profile_is_left_out(tmp_path: Path) -> None:
    signal = picture(np.uint16, 3)
    signal.meta["colour_chunks"] = {"gAMA": "000186a0", "cICP": "09100001"}
    made = inr.compress(signal, tmp_path / "a.inrz", profile="minimal", size_bytes=3000, verify=False)
    assert len(made.data) <= 3000
    assert made.notes == ()
    for suffix in (".png", ".webp"):
        notes = inr.decompress(tmp_path / "a.inrz").save(tmp_path / f"a{suffix}")
        assert any("colours will look different" in note for note in notes) == (suffix == ".webp")
    assert load_signal(tmp_path / "a.png").meta["colour_chunks"] == signal.meta["colour_chunks"]
    vast = Image.of_pixels(np.zeros((8, 8, 3), np.uint8), icc=bytes(Limits().icc_bytes + 1))
    made = inr.compress(vast, profile="minimal", verify=False)
    assert "left out" in made.notes[0]
    assert inr.decompress(made.data).header.meta["icc"] is None


def test_unknown_json_in_a_file_is_ignored() -> None:
    data = inr.compress(SIGNALS["picture"], profile="minimal", verify=False).data
    strange = (
        b"{",
        b"[]",
        b"\xff",
        b'{"colour_chunks": 3}',
        b'{"colour_chunks": {"gAMA": 1, "IDAT": "00"}}',
        b"[" * 9999,
    )
    for meta in strange:
        again = dataclasses.replace(Container.read(data), meta=meta).to_bytes()
        assert "colour_chunks" not in inr.decompress(again).header.meta


def test_targets_of_size_count_the_whole_file() -> None:
    signal = SIGNALS["picture"]
    made = inr.compress(signal, profile="minimal", size_bytes=900, verify=False)
    assert 400 < len(made.data) <= 900
    made = inr.compress(signal, profile="minimal", bpp=5.0, verify=False)
    assert made.bpp is not None
    assert 2.5 < made.bpp <= 5.0
    with pytest.raises(UsageError, match="too few"):
        inr.compress(signal, profile="minimal", size_bytes=40)
    rough = inr.compress(SIGNALS["array"], profile="minimal", size_bytes=190, verify=False)
    assert (rough.outcome == "done") == (len(rough.data) <= 190)


def test_a_target_of_quality_is_checked_on_the_decoded_signal() -> None:
    made = inr.compress(SIGNALS["picture"], profile="minimal", target_psnr_db=35, verify=False)
    assert made.metrics["psnr_db"] >= 35
    assert made.outcome == "done"
    beyond = inr.compress(SIGNALS["sound"], profile="minimal", target_psnr_db=150, verify=False)
    assert beyond.outcome == "target_not_reached"


def test_a_file_that_fails_verification_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "a.inrz"
    monkeypatch.setattr(verification, "MODULE", "tests.codec.fresh_unlucky")
    with pytest.raises(FormatError, match="no such luck"):
        inr.compress(SIGNALS["array"], out, profile="minimal")
    monkeypatch.setattr(verification, "MODULE", "tests.codec.fresh_other")
    with pytest.raises(FormatError, match="other symbols"):
        inr.compress(SIGNALS["array"], out, profile="minimal")
    assert list(tmp_path.iterdir()) == []


def test_contradictory_requests_are_refused(tmp_path: Path) -> None:
    signal = SIGNALS["picture"]
    with pytest.raises(UsageError, match="`effort` is 10"):
        inr.compress(signal, effort=10)
    with pytest.raises(UsageError, match="unknown profile 'minimul'"):
        inr.compress(signal, profile="minimul")
    with pytest.raises(UsageError, match="takes neither `field` nor `settings`"):
        inr.compress(signal, profile="minimal", field="siren")
    with pytest.raises(UsageError, match="lattices only"):
        inr.compress("analytic:torus", profile="minimal")
    with pytest.raises(UsageError, match="`bpp` needs a signal of samples"):
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


def test_inspection_lists_the_bytes_of_every_part() -> None:
    made = inr.compress(SIGNALS["picture"], profile="minimal", verify=False)
    found = inspect(made.data)
    assert (found.name, found.header.shape, found.work) == ("minimal", (32, 24), 768)
    (usage,) = found.usage()
    assert usage.spec.name == "values"
    assert usage.bits == pytest.approx(8 * made.sizes["DATA"], abs=17)


def test_decoding_needs_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from inr.codec import decompress, inspect; "
        "import inr.signals.files.pictures, inr.codec.entropy.tensors; "
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_default_target_is_a_quality() -> None:
    assert RateTarget().quality == 50


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "profile"), [("image", "pyramid"), ("audio", "grids"), ("array", "grids"), ("shape", "weights")]
)
def test_every_kind_has_a_default_profile(kind: str, profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inr.codec.profiles.weights.STEPS", 32)
    monkeypatch.setattr("inr.codec.profiles.grids.STEPS", 32)
    monkeypatch.setitem(STEPS, 1, 20)
    cube = trimesh.creation.box((1, 1, 1))
    signals = {
        "image": SIGNALS["picture"],
        "audio": SIGNALS["sound"],
        "array": SIGNALS["array"],
        "shape": Shape.of_mesh(cube.vertices, cube.faces, n_points=1000),
    }
    assert inr.compress(signals[kind], quality=30, effort=1, verify=False).profile == profile
