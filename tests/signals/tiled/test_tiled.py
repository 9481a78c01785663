"""Signals that stay in their file: the same samples, metrics and renderings as in memory, in bounded memory."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import tifffile
import torch
from PIL import Image as Pillow
from torch import Generator, Tensor

from inr.core.errors import UnreadableError, UsageError
from inr.fitting import Fit, Run, resolve, resume, save_checkpoint
from inr.signals import SIGNALS, Signal, Source, load_signal
from inr.signals.image import Image
from inr.signals.tiled.image import TiledImage
from inr.signals.tiled.signal import Tiled
from inr.signals.tiled.stores import Tiles, own_tile
from inr.workflows.fresh import fresh

AnyArray = np.ndarray[Any, np.dtype[Any]]


def pixels(dtype: str, channels: int = 3, rows: int = 70, columns: int = 101) -> AnyArray:
    generator = np.random.default_rng(0)
    found: AnyArray = generator.random((rows, columns, channels)).astype(np.float32)
    if channels in (2, 4):
        found[..., -1] = found[..., -1] > 0.3
    return found if dtype == "float32" else (found * np.iinfo(dtype).max).astype(dtype)


def tiff(path: Path, data: AnyArray, **options: Any) -> None:
    channels = data.shape[-1]
    tifffile.imwrite(
        path,
        data if channels > 1 else data[..., 0],
        photometric="rgb" if channels > 2 else "minisblack",
        planarconfig="contig" if channels > 1 else None,
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
        **options,
    )


def write_sound(path: Path, subtype: str = "PCM_16") -> None:
    t = np.arange(300_000) / 8000
    soundfile.write(path, np.stack([0.5 * np.sin(900 * t), 0.8 * np.cos(70 * t)], -1), 8000, subtype=subtype)


FILES: dict[str, tuple[str, dict[str, str], Callable[[Path], None]]] = {
    "rgb-tiles.tif": ("image", {}, lambda p: tiff(p, pixels("uint8"), tile=(32, 48), compression="zlib")),
    "rgba-tiles.tif": ("image", {}, lambda p: tiff(p, pixels("uint16", 4), tile=(16, 16))),
    "grey-strips.tif": ("image", {}, lambda p: tiff(p, pixels("uint16", 1), rowsperstrip=9, compression="zlib")),
    "float-tiles.tif": ("image", {}, lambda p: tiff(p, pixels("float32"), tile=(64, 64))),
    "big-endian.tif": ("image", {}, lambda p: tiff(p, pixels("uint16"), tile=(32, 32), byteorder=">")),
    "rgb.npy": ("image", {}, lambda p: np.save(p, pixels("uint8"))),
    "floats.npy": ("image", {}, lambda p: np.save(p, pixels("float32", 1)[..., 0])),
    "channels.npy": ("array", {"channels": "last"}, lambda p: np.save(p, pixels("float32", 2))),
    "volume.npy": ("array", {}, lambda p: np.save(p, np.arange(40 * 50 * 60, dtype=">i4").reshape(40, 50, 60))),
    "stereo.wav": ("audio", {}, write_sound),
    "stereo.flac": ("audio", {}, lambda p: write_sound(p, "PCM_24")),
}


def both(name: str, folder: Path) -> tuple[Tiled, Signal]:
    """A file read in blocks, and whole."""
    kind, options, write = FILES[name]
    write(folder / name)
    tiled = load_signal(folder / name, kind, {**options, "read": "tiles", "measure": "0"})
    assert isinstance(tiled, Tiled)
    return tiled, load_signal(folder / name, kind, {**options, "read": "memory"})


def wave(channels: int) -> Callable[[Tensor], Tensor]:
    return lambda x: (0.4 * torch.sin(9 * x.sum(-1, keepdim=True)) + 0.5).expand(-1, channels)


@pytest.mark.parametrize("name", FILES)
def test_samples_and_metrics_are_those_of_the_signal_in_memory(name: str, tmp_path: Path, generator: Generator) -> None:
    tiled, whole = both(name, tmp_path)
    assert (tiled.spec, tiled.frame, tiled.meta, tiled.peak) == (whole.spec, whole.frame, whole.meta, whole.peak)
    a, b = tiled.pool(generator), whole.pool(generator)
    assert (a.size, a.order) == (b.size, b.order)
    index = torch.cat([torch.randint(a.size, (4000,), generator=generator), torch.tensor([0, a.size - 1])])
    mine, theirs = a.batch(index), b.batch(index)
    assert torch.equal(mine.x, theirs.x)
    assert torch.equal(mine.y, theirs.y)
    ones = torch.ones_like(mine.y)
    assert torch.equal(ones if mine.weight is None else mine.weight, ones if theirs.weight is None else theirs.weight)
    found, expected = tiled.metrics(wave(tiled.spec.d_out)), whole.metrics(wave(tiled.spec.d_out))
    assert found == pytest.approx({key: expected[key] for key in found}, rel=1e-6)


class FullDisk(io.BytesIO):
    """Takes this number of bytes."""

    def __init__(self, n_bytes: int) -> None:
        super().__init__()
        self.n_bytes = n_bytes

    def write(self, data: Any) -> int:
        if self.tell() + memoryview(data).nbytes > self.n_bytes:
            raise OSError(28, "No space left on device")
        return super().write(data)


@pytest.mark.parametrize("n_bytes", [0, 20, 1000])
@pytest.mark.parametrize("suffix", [".npy", ".tif", ".png", ".jpg", ".webp", ".wav", ".flac", ".ogg"])
def test_a_full_disk_ends_a_rendering_in_parts_with_the_message_of_the_system(
    suffix: str, n_bytes: int, capfd: pytest.CaptureFixture[str]
) -> None:
    is_sound = suffix in (".wav", ".flac", ".ogg")
    shape = (8000, 1) if is_sound else (80, 60, 3)
    meta = {"rate_hz": 8000, "subtype": "PCM_16"} if is_sound else {"dtype": "uint8"}
    values = np.random.default_rng(0).random(shape).astype(np.float32)
    with pytest.raises(OSError, match="No space left"):
        SIGNALS["audio" if is_sound else "image"].write(values, meta, FullDisk(n_bytes), suffix)
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("name", FILES)
def test_renderings_in_bands_are_the_files_written_whole(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiled, _ = both(name, tmp_path)
    run = Run(tiled, *resolve(tiled, {"type": "siren", "width": 8, "depth": 1}, {"steps": 1, "batch": 64}))
    fit = run.result("done", with_metrics=False)
    suffix = Path(name).suffix
    values, meta = fit.render()
    whole, parts = io.BytesIO(), io.BytesIO()
    fit.kind.write(values, meta, whole, suffix)
    monkeypatch.setattr("inr.signals.files.bands.BAND_VALUES", 4096)
    bands, meta = fit.bands()
    fit.kind.write_bands(bands, meta, parts, suffix)
    assert parts.getvalue() == whole.getvalue()


def test_a_fit_of_tiles_learns_and_resumes_exactly(tmp_path: Path) -> None:
    rows, columns = np.mgrid[0:90, 0:120]
    smooth = np.stack([rows, columns, rows + columns], -1).astype(np.uint8)
    tiff(tmp_path / "a.tif", smooth, tile=(16, 16))
    signal = load_signal(tmp_path / "a.tif", None, {"read": "tiles"})
    field, settings = resolve(signal, "hash_grid", {"steps": 60})
    assert settings.sampler.type_name == "tiles"
    run = Run(signal, field, settings)
    run.advance(should_stop=lambda: run.step == 30)
    save_checkpoint(run, tmp_path / "saved")
    again = resume(tmp_path / "saved", signal)
    assert [run.advance(), again.advance()] == ["done", "done"]
    assert all(torch.equal(a, b) for a, b in zip(run.field.parameters(), again.field.parameters(), strict=True))
    found = run.result("done")
    assert found.metrics["psnr_db"] > 30
    found.save(tmp_path / "a.safetensors")
    assert Fit.load(tmp_path / "a.safetensors").kind is Image


def test_every_sample_is_equally_likely_and_batches_touch_few_tiles(tmp_path: Path, generator: Generator) -> None:
    tiff(tmp_path / "a.tif", pixels("uint8", rows=40, columns=70), tile=(16, 32))
    signal = load_signal(tmp_path / "a.tif", None, {"read": "tiles"})
    assert isinstance(signal, Tiled)
    options = {"steps": 400, "batch": 500, "sampler": {"type": "tiles", "held": 2, "fresh": 1}}
    run = Run(signal, *resolve(signal, {"type": "siren", "width": 4, "depth": 1}, options))
    count = torch.zeros(40, 70)
    for _ in range(400):
        drawn = run.batches.sampler.draw(None)  # type: ignore[arg-type]
        assert len({(i // 70 // 16, i % 70 // 32) for i in drawn.index.tolist()}) <= 2
        count += torch.bincount(drawn.index, minlength=2800).reshape(40, 70)
    # 400 draws of tiles: the mean over a tile of n samples of N varies by about sqrt(N / (400 n))
    for rows in (slice(0, 16), slice(16, 32), slice(32, 40)):
        for columns in (slice(0, 32), slice(32, 64), slice(64, 70)):
            part = count[rows, columns]
            expected = 400 * 500 / 2800
            assert abs(float(part.mean()) / expected - 1) < 5 * (2800 / (400 * part.numel())) ** 0.5


@pytest.mark.parametrize(("name", "least"), [("big.npy", 8), ("big.tif", 8)])
def test_memory_is_bounded_by_what_is_stated(name: str, least: int, tmp_path: Path, generator: Generator) -> None:
    """numpy's memory while batches and metrics of a picture much larger than the cache are read."""
    data = np.zeros((3000, 4000, 3), np.uint8)
    if name.endswith(".npy"):
        np.save(tmp_path / name, data)
    else:
        tiff(tmp_path / name, data, tile=(256, 256), compression="zlib")
    signal = load_signal(tmp_path / name, "image", {"read": "tiles", "measure": "30"})
    assert isinstance(signal, Tiled)
    del data
    signal.tiles.cache_bytes = 2**20
    assert signal.peak_bytes < 36_000_000 / 2
    tracemalloc.start()
    pool = signal.pool(generator)
    for _ in range(4):
        pool.batch(torch.randint(pool.size, (3000,), generator=generator))
    signal.metrics(lambda x: torch.zeros(len(x), 3))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < signal.peak_bytes
    assert signal.tiles.n_reads > least


def test_tiles_are_kept_while_memory_allows(tmp_path: Path) -> None:
    tiff(tmp_path / "a.tif", pixels("uint8", rows=64, columns=64), tile=(16, 16))
    signal = load_signal(tmp_path / "a.tif", None, {"read": "tiles"})
    assert isinstance(signal, TiledImage)
    tiles = Tiles(signal.tiles.store, cache_bytes=3 * 16 * 16 * 3)
    for i in (0, 1, 2, 0, 1, 2, 3, 2, 3, 0):
        tiles.tile(i)
    assert tiles.n_reads == 5


@pytest.mark.parametrize(("shape", "channels"), [((7,), 1), ((10**9,), 2), ((40_000, 30_000), 3), ((3, 9000, 9000), 1)])
def test_own_tiles_are_of_a_size(shape: tuple[int, ...], channels: int) -> None:
    tile = own_tile(shape, channels)
    assert all(1 <= t <= n for t, n in zip(tile, shape, strict=True))
    n = int(np.prod(tile)) * channels
    assert n <= 2**18
    assert n > 2**17 or tile == shape


def test_signals_that_cannot_be_read_in_tiles_are_refused(tmp_path: Path) -> None:
    Pillow.fromarray(pixels("uint8")).save(tmp_path / "a.png")
    with pytest.raises(UsageError, match="cannot be read in tiles"):
        load_signal(tmp_path / "a.png", None, {"read": "tiles"})
    with pytest.raises(UsageError, match="pipe"):
        load_signal(Source("a.npy", data=b""), "array", {"read": "tiles"})
    np.save(tmp_path / "nan.npy", np.full((9, 9), np.nan, np.float32))
    with pytest.raises(UnreadableError, match="NaN"):
        load_signal(tmp_path / "nan.npy", "array", {"read": "tiles"})
    tiff(tmp_path / "cut.tif", pixels("uint8"), tile=(16, 16))
    whole = (tmp_path / "cut.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(whole[: len(whole) // 3])
    with pytest.raises(UnreadableError):
        load_signal(tmp_path / "cut.tif", "image", {"read": "tiles"})


@pytest.mark.parametrize(
    ("name", "limit", "size"),
    [
        ("rgb-tiles.tif", "image.MAX_PIXELS", 70 * 101),
        ("rgb.npy", "image.MAX_PIXELS", 70 * 101),
        ("stereo.wav", "audio.MAX_VALUES", 600_000),
        ("volume.npy", "array.MAX_VALUES", 120_000),
    ],
)
def test_large_files_stay_on_disk_by_default(
    name: str, limit: str, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, options, write = FILES[name]
    write(tmp_path / name)
    for most, is_tiled in ((size, False), (size - 1, True)):
        monkeypatch.setattr(f"inr.signals.tiled.{limit}", most)
        assert isinstance(load_signal(tmp_path / name, kind, options), Tiled) == is_tiled


def test_requests_that_need_the_whole_signal_are_refused(tmp_path: Path) -> None:
    tiff(tmp_path / "a.tif", pixels("uint8"), tile=(16, 16))
    signal = load_signal(tmp_path / "a.tif", None, {"read": "tiles"})
    with pytest.raises(UsageError, match="in memory"):
        resolve(signal, "siren", {"sampler": "grid"})
    field, _ = resolve(signal, "siren")
    with pytest.raises(UsageError, match="in memory"):
        fresh(signal, field)
    memory = load_signal(tmp_path / "a.tif", None, {"read": "memory"})
    with pytest.raises(UsageError, match="in memory"):
        Run(memory, *resolve(memory, "siren", {"sampler": "tiles"}))
