"""Videos: files, metrics, views and every command, on a clip that the test makes."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np
import pytest
from PIL import Image as Pillow

import inr
from inr.codec.container.header import Header
from inr.core.errors import UnreadableError, UsageError
from inr.inspection import describe
from inr.signals import View, load_signal
from inr.signals.files.videos import encode
from inr.signals.metrics import psnr
from inr.signals.video import Video
from tests.cli.conftest import TINY, document, invoke

FPS = 10.0


def moving(n: int = 6, rows: int = 16, columns: int = 24) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Frames [n, rows, columns, 3]: smooth colours that move."""
    t, y, x = np.mgrid[0:n, 0:rows, 0:columns].astype(np.float64)
    channels = (np.sin(0.2 * x + 0.5 * t), np.cos(0.3 * y - 0.4 * t), np.sin(0.1 * (x + y) + t))
    return np.rint(127.5 + 100 * np.stack(channels, -1)).astype(np.uint8)


@pytest.fixture(params=[".mp4", ".gif"])
def clip(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"clip{request.param}"
    path.write_bytes(encode(moving(), FPS, request.param)[0])
    return path


def test_a_clip_is_a_lattice_in_time_and_space(clip: Path) -> None:
    signal = load_signal(clip)
    assert isinstance(signal, Video)
    assert (signal.kind, signal.spec.shape, signal.frame.domain.axes) == ("video", (6, 16, 24), ("t", "y", "x"))
    assert signal.meta == {"fps": FPS, "channels": 3}
    assert signal.metrics_of((moving() / 255).astype(np.float32))["psnr_db"] > 28


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_other_programs_read_what_is_written(suffix: str) -> None:
    data, _ = encode(moving(), 12.5, suffix)
    plugin = "pyav" if suffix == ".mp4" else "pillow"
    opened: Any = imageio.imopen
    with opened(io.BytesIO(data), "r", plugin=plugin, extension=suffix) as file:
        frames = np.stack([frame[..., :3] for frame in file.iter()])
        stated = file.metadata()
    assert frames.shape == moving().shape
    assert np.abs(frames.astype(float) - moving()).mean() < 6
    assert stated.get("fps", 1000 / stated.get("duration", 80)) == pytest.approx(12.5)


def test_odd_sizes_and_grey_frames_are_written_with_notes_where_needed() -> None:
    data, notes = encode(moving(rows=15)[..., :1], 25.0, ".mp4")
    assert any("4:4:4" in note for note in notes)
    with imageio.imopen(io.BytesIO(data), "r", plugin="pyav") as file:
        assert file.properties().shape == (6, 15, 24, 3)
    with pytest.raises(UsageError, match="expected frames of 1 or 3 channels"):
        encode(moving()[0], 25.0, ".gif")
    _, notes = encode(moving(), 17.0, ".gif")
    assert any("16.67 frames per second" in note for note in notes)


def test_equal_frames_give_equal_bytes_whatever_memory_held_before() -> None:
    frames, found = moving(6, 104, 152), set()
    for i in range(20):
        stale = [np.full(1000 * j, i + j, np.uint8) for j in range(1, 60)]
        del stale
        found.add(encode(frames, FPS, ".mp4")[0])
    assert len(found) == 1


@pytest.mark.slow
def test_a_clip_filmed_sideways_is_turned_upright(tmp_path: Path) -> None:
    data = bytearray(encode(moving(), FPS, ".mp4")[0])
    at = data.index(b"tkhd") + 44  # the matrix of the track
    data[at : at + 20] = struct.pack(">5i", 0, 1 << 16, 0, -(1 << 16), 0)  # shown a quarter turn clockwise
    (tmp_path / "a.mp4").write_bytes(data)
    signal = load_signal(tmp_path / "a.mp4")
    assert isinstance(signal, Video)
    assert signal.spec.shape == (6, 24, 16)
    upright = np.rot90(moving(), -1, axes=(1, 2))
    assert np.abs(signal.values.numpy() * 255 - upright).mean() < 6
    found = describe(tmp_path / "a.mp4")
    assert (found["width"], found["height"]) == (16, 24)


def test_frames_of_a_gif_have_their_stated_durations(tmp_path: Path) -> None:
    pictures = [Pillow.fromarray(frame).quantize(64) for frame in moving(3)]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=[100, 300, 100])
    signal = load_signal(tmp_path / "a.gif")
    assert isinstance(signal, Video)
    assert (signal.spec.shape, signal.meta["fps"]) == ((5, 16, 24), FPS)
    assert (signal.values[1] == signal.values[3]).all()
    assert (signal.values[0] != signal.values[1]).any()
    pictures[0].save(tmp_path / "b.gif", save_all=True, append_images=pictures[1:], duration=[100, 150, 50])
    signal = load_signal(tmp_path / "b.gif")
    assert signal.spec.shape == (6, 16, 24)
    pictures[0].save(tmp_path / "c.gif", save_all=True, append_images=pictures[1:], duration=[100, 170, 90])
    signal = load_signal(tmp_path / "c.gif")
    assert (signal.spec.shape, signal.meta["fps"]) == ((3, 16, 24), pytest.approx(1000 / 120))
    assert any("different durations" in note for note in signal.notes)


def test_damage_is_one_kind_of_error(clip: Path) -> None:
    whole = clip.read_bytes()
    for n in (10, 60, len(whole) // 2):
        clip.write_bytes(whole[:n])
        with pytest.raises(UnreadableError):
            load_signal(clip, "video")
    clip.write_bytes(b"no video at all")
    with pytest.raises(UnreadableError, match="not an MP4 or GIF video"):
        load_signal(clip, "video")


def test_too_many_values_are_refused_before_they_are_all_held(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inr.signals.files.videos.MAX_VALUES", 3 * 16 * 24 * 4)
    with pytest.raises(UnreadableError, match="more than"):
        load_signal(clip)


def test_views_keep_the_duration() -> None:
    signal = Video.of_frames(moving(), FPS)
    grid, meta = Video.grid(signal.spec, signal.frame, signal.meta, View(scale=2))
    assert (grid.shape, meta["fps"]) == ((12, 32, 48), 2 * FPS)
    grid, meta = Video.grid(signal.spec, signal.frame, signal.meta, View(crop=(2, 0, 0, 3, 8, 8)))
    assert (grid.shape, meta["fps"]) == ((3, 8, 8), pytest.approx(FPS))
    grid, meta = Video.grid(signal.spec, signal.frame, signal.meta, View(slices={"t": 2}))
    assert (grid.shape, meta["fps"], meta["sliced"]) == ((1, 16, 24), FPS, [0])
    out = io.BytesIO()
    Video.write(signal.values[2:3].numpy(), meta, out, ".png")
    np.testing.assert_array_equal(np.asarray(Pillow.open(out)), moving()[2])
    with pytest.raises(UsageError, match="one picture"):
        Video.write(signal.values.numpy(), signal.meta, out, ".png")


def test_a_header_in_a_compressed_file_keeps_the_frame_rate() -> None:
    signal = Video.of_frames(moving()[..., :1], 23.976)
    header = Header.read(Header.of(signal).to_bytes())
    assert (header.spec(), header.frame(), dict(header.meta)) == (signal.spec, signal.frame, signal.meta)
    assert header.array_shape == (6, 16, 24, 1)


def test_every_command_takes_a_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("clip.gif").write_bytes(encode(moving(), FPS, ".gif")[0])
    assert "video 6 frames of 24x16 RGB (gif)" in invoke("inspect", "clip.gif").stdout
    fitted = invoke("fit", "clip.gif", *TINY, "--steps", "3", "-o", "m.safetensors", "--json")
    assert fitted.exit_code == 0, fitted.output
    for output in ("r.mp4", "r.gif"):
        assert document(invoke("render", "m.safetensors", "-o", output, "--json"))["shape"] == [6, 16, 24]
        assert load_signal(output).spec.shape == (6, 16, 24)
    assert describe(Path("r.mp4"))["fps"] == FPS
    assert document(invoke("render", "m.safetensors", "--slice", "t=2", "--json"))["format"] == "png"
    assert invoke("eval", "m.safetensors", "clip.gif").exit_code == 0
    assert "the middle one is shown" in (
        Path("p.html").read_text("utf-8") if invoke("report", "m.safetensors", "-o", "p.html").exit_code == 0 else ""
    )
    analysed = invoke(
        "ntk", "clip.gif", *TINY[:-1], "--points", "16", "--steps", "20", "--rehearse", "0", "--no-trials", "--json"
    )
    assert analysed.exit_code in (0, 1), analysed.output
    assert document(analysed)["steps"] == 20


def test_a_compressed_clip_comes_back_as_measured() -> None:
    signal = Video.of_frames(moving(4, 8, 8), FPS)
    model = inr.fit(signal, {"type": "siren", "width": 8, "depth": 1}, {"steps": 3, "batch": 64})
    made = inr.compress(model, effort=1, profile="weights", verify=False)
    decoded = inr.decompress(made.data)
    assert decoded.values().shape == (4, 8, 8, 3)
    assert psnr(decoded.values(), model.render()[0]) > 40
    assert decoded.header.codec_kind.formats()[:2] == (".mp4", ".gif")


@pytest.mark.slow
def test_a_clip_is_compressed_verified_and_decompressed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("clip.mp4").write_bytes(encode(moving(4, 8, 12), FPS, ".mp4")[0])
    made = document(
        invoke("compress", "clip.mp4", "-o", "a.inrz", "--effort", "1", "--size", "1500", "--threads", "1", "--json")
    )
    assert (made["kind"], made["profile"], made["shape"]) == ("video", "grids", [4, 8, 12])
    assert made["is_verified"]
    for output in ("b.mp4", "b.gif", "b.npy"):
        assert document(invoke("decompress", "a.inrz", "-o", output, "--json"))["bytes"] == Path(output).stat().st_size
        again = load_signal(output, "video")
        assert again.spec.shape == (4, 8, 12)
    assert np.load("b.npy").dtype == np.uint8
    original = load_signal("clip.mp4")
    assert isinstance(original, Video)
    assert original.metrics_of(np.load("b.npy") / np.float32(255))["psnr_db"] == pytest.approx(
        made["metrics"]["psnr_db"]
    )
