"""Lattices: fields are evaluated and measured band by band, in bounded memory, with the same results."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from inr.core.domain import Grid
from inr.signals import Lattice, evaluate_bands, evaluate_grid
from inr.signals.array import Array
from inr.signals.audio import Audio
from inr.signals.image import Image
from inr.signals.video import Video

SIZE = 1_800_000
LIMIT = 2**14
CALL = 2**18


def transparent() -> Lattice:
    pixels = np.random.default_rng(0).integers(0, 256, (900, 500, 4)).astype(np.uint8)
    pixels[100:200, :, 3] = 0
    return Image.of_pixels(pixels)


SIGNALS: dict[str, Callable[[], Lattice]] = {
    "picture": lambda: Image.of_pixels(np.random.default_rng(0).integers(0, 256, (1000, 600, 3)).astype(np.uint8)),
    "transparent": transparent,
    "video": lambda: Video.of_frames(np.random.default_rng(0).integers(0, 256, (60, 100, 100, 3)).astype(np.uint8), 9),
    "sound": lambda: Audio.of_samples(np.random.default_rng(0).normal(0, 0.3, (SIZE // 2, 2)).astype(np.float32), 8000),
    "array": lambda: Array.of_array(np.random.default_rng(0).integers(-9, 9, (180, 100, 100)).astype(np.int16)),
}


class Field:
    """A field that notes how many points it is called with."""

    def __init__(self, channels: int) -> None:
        self.channels = channels
        self.calls: list[int] = []

    def __call__(self, x: Tensor) -> Tensor:
        self.calls.append(len(x))
        # the count of points in a call changes the values, as rounding can do
        return (torch.sin(5 * x.sum(-1, keepdim=True)) + 1e-3 * len(x) % 7).expand(-1, self.channels).contiguous()


def small_bands(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("inr.signals.files.bands.BAND_VALUES", LIMIT)
    patch.setattr("inr.signals.metrics.BLOCK", LIMIT // 4)
    patch.setattr("inr.signals.metrics.PIXELS", LIMIT // 2)
    patch.setattr("inr.signals.files.picture_writing.BLOCK", LIMIT // 4)


@pytest.mark.parametrize("name", SIGNALS)
def test_metrics_need_a_small_part_of_the_memory_of_a_signal(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    signal = SIGNALS[name]()
    assert signal.values.numel() == SIZE
    field = Field(signal.spec.d_out)
    signal.metrics(field)  # imports
    small_bands(monkeypatch)
    field.calls.clear()
    tracemalloc.start()
    found = signal.metrics(field)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < SIZE * 4 // 2, "half of the values as float32"
    assert max(field.calls) <= CALL
    assert sum(field.calls) == signal.values[..., 0].numel()
    assert all(np.isfinite(value) for value in found.values())


@pytest.mark.parametrize("name", SIGNALS)
def test_metrics_do_not_depend_on_the_bands(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    signal = SIGNALS[name]()
    field = Field(signal.spec.d_out)
    whole = signal.metrics(field)
    monkeypatch.setattr("inr.signals.files.bands.BAND_VALUES", LIMIT)
    assert signal.metrics(field) == whole
    grid = Grid.whole(tuple(signal.values.shape[:-1]), signal.order)
    assert signal.metrics_of(evaluate_grid(field, grid, signal.spec.d_out)) == whole


@pytest.mark.parametrize("shape", [(700, 500), (1, 300_000), (70, 80, 90), (300_000,)])
def test_bands_of_a_field_are_its_values(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    field, grid = Field(3), Grid.whole(shape)
    expected = torch.cat([field(grid.points(part)) for part in torch.split(torch.arange(grid.size), CALL)])
    for most in (100, 5000, 10**7):
        monkeypatch.setattr("inr.signals.files.bands.BAND_VALUES", most)
        bands = evaluate_bands(field, grid, 3)
        assert bands.shape == (*shape, 3)
        assert np.array_equal(bands.whole().reshape(-1, 3), expected.numpy())
    flat = evaluate_bands(field, grid, 3, (grid.size,))
    assert np.array_equal(flat.whole(), expected.numpy())


def test_a_field_is_evaluated_no_further_than_its_bands_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inr.signals.files.bands.BAND_VALUES", 3000)
    field = Field(3)
    bands = iter(evaluate_bands(field, Grid.whole((1000, 1000)), 3))
    next(bands)
    assert field.calls == [CALL]


@pytest.mark.parametrize("name", SIGNALS)
def test_a_pool_shares_the_memory_of_its_signal(name: str, generator: Generator) -> None:
    signal = SIGNALS[name]()
    pool = signal.pool(generator)
    index = torch.tensor([0, 5, pool.size - 1])
    before = pool.batch(index).y
    assert torch.equal(signal.frame.to_field(signal.values.reshape(-1, signal.spec.d_out))[index], before)
    signal.values[...] = signal.values.clone().flip(0)
    assert not torch.equal(pool.batch(index).y, before)


@pytest.mark.parametrize(("name", "suffix"), [("picture", ".npy"), ("picture", ".tif"), ("sound", ".wav"),
                                              ("sound", ".flac"), ("sound", ".ogg"), ("array", ".npy"),
                                              ("array", ".npz"), ("video", ".npy")])  # fmt: skip
def test_files_are_written_in_a_small_part_of_the_memory_of_their_values(
    name: str, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signal = SIGNALS[name]()
    field = Field(signal.spec.d_out)
    grid = Grid.whole(tuple(signal.values.shape[:-1]), signal.order)

    def written(file: Any) -> None:
        signal.write_bands(evaluate_bands(field, grid, signal.spec.d_out), signal.meta, file, suffix)

    written(io.BytesIO())  # imports
    small_bands(monkeypatch)
    tracemalloc.start()
    with (tmp_path / "file").open("w+b") as file:
        written(file)
        _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < SIZE * 4 // 2
