"""Sounds: integer samples survive exactly, clipping is said, damaged files are refused in one line."""

from __future__ import annotations

import contextlib
import io
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from inr._errors import UnreadableError, UsageError
from inr.signals import Source, View, load_signal
from inr.signals.audio import Audio

Samples = np.ndarray[Any, np.dtype[Any]]


def encoded(samples: Samples, subtype: str = "PCM_16", form: str = "WAV", rate_hz: int = 8000) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, samples, rate_hz, format=form, subtype=subtype)
    return out.getvalue()


def piped(data: bytes, name: str = "sound.wav") -> Audio:
    return Audio.load(Source(name, data=data), {})


def written(signal: Audio, suffix: str) -> tuple[bytes, tuple[str, ...]]:
    out = io.BytesIO()
    notes = Audio.write(signal.values.numpy(), signal.meta, out, suffix)
    return out.getvalue(), notes


def integers(bits: int, channels: int = 1) -> Samples:
    rng = np.random.default_rng(1)
    q = rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (300, channels))
    q[0], q[1] = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return (q << (32 - bits)).astype(np.int32)


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize(
    ("form", "subtype", "bits"),
    [
        ("WAV", "PCM_U8", 8),
        ("WAV", "PCM_16", 16),
        ("WAV", "PCM_24", 24),
        ("FLAC", "PCM_16", 16),
        ("FLAC", "PCM_24", 24),
    ],
)
def test_integer_samples_come_back_exactly(tmp_path: Path, form: str, subtype: str, bits: int, channels: int) -> None:
    samples = integers(bits, channels)
    suffix = f".{form.lower()}"
    path = tmp_path / f"a{suffix}"
    path.write_bytes(encoded(samples, subtype, form))
    signal = load_signal(path)
    assert isinstance(signal, Audio)
    assert (signal.spec.shape, signal.spec.d_out, signal.meta) == (
        (300,),
        channels,
        {"rate_hz": 8000, "subtype": subtype},
    )
    data, notes = written(signal, suffix)
    assert notes == ()
    again, rate_hz = soundfile.read(io.BytesIO(data), dtype="int32", always_2d=True)
    np.testing.assert_array_equal(again, samples)
    assert rate_hz == 8000


def test_float_wav_beyond_full_scale_is_kept() -> None:
    samples = np.array([[-3.5], [0.25], [2.0]], np.float32)
    signal = piped(encoded(samples, "FLOAT"))
    assert signal.frame.scale == (3.5,)
    assert signal.peak == 3.5
    data, notes = written(signal, ".wav")
    assert notes == ()
    np.testing.assert_array_equal(piped(data).values.numpy(), samples)


def test_flac_has_no_floats_and_clips_aloud() -> None:
    signal = piped(encoded(np.array([[-3.5], [0.25], [2.0]], np.float32), "FLOAT"))
    data, notes = written(signal, ".flac")
    assert "PCM_24" in notes[0]
    assert notes[1].startswith("2 of 3 samples")
    again, _ = soundfile.read(io.BytesIO(data), dtype="float32")
    np.testing.assert_allclose(again, [-1, 0.25, 1 - 2**-23])


def test_ogg_and_its_way_back_to_wav() -> None:
    t = np.arange(8000) / 8000
    signal = piped(encoded(0.5 * np.sin(2 * np.pi * 440 * t)[:, None]))
    data, notes = written(signal, ".ogg")
    assert "VORBIS" in notes[0]
    lossy = piped(data, "a.ogg")
    assert abs(len(lossy.values) - 8000) <= 64
    assert written(lossy, ".wav")[1] == (".wav is written as PCM_16, the source was VORBIS",)


def test_coordinate_is_time_at_sample_centres() -> None:
    signal = piped(encoded(integers(16, 2)))
    index = torch.tensor([0, 7, 299])
    batch = signal.pool(torch.Generator()).batch(index)
    torch.testing.assert_close(signal.frame.domain.from_unit(batch.x)[:, 0], (index + 0.5) / 8000)
    torch.testing.assert_close(signal.frame.from_field(batch.y), signal.values[index])
    assert float(signal.pool(torch.Generator()).batch(torch.arange(300)).y.abs().max()) == 1.0


def test_silence_has_scale_one() -> None:
    assert piped(encoded(np.zeros((10, 2)))).frame.scale == (1.0, 1.0)


def test_views() -> None:
    signal = piped(encoded(integers(16)))

    def shape_rate(view: View) -> tuple[tuple[int, ...], int]:
        grid, meta = Audio.grid(signal.spec, signal.frame, signal.meta, view)
        return grid.shape, meta["rate_hz"]

    assert shape_rate(View()) == ((300,), 8000)
    assert shape_rate(View(rate_hz=16000)) == ((600,), 16000)
    assert shape_rate(View(scale=0.5)) == ((150,), 4000)
    assert shape_rate(View(crop=(0.01, 0.02))) == ((160,), 8000)
    assert shape_rate(View(crop=(0.01, 0.02), rate_hz=4000)) == ((80,), 4000)
    assert shape_rate(View(size=(600,))) == ((600,), 16000)
    grid, _ = Audio.grid(signal.spec, signal.frame, signal.meta, View(crop=(0.01, 0.02)))
    t = signal.frame.domain.from_unit(grid.points(torch.arange(2)))
    torch.testing.assert_close(t[:, 0], torch.tensor([80.5, 81.5]) / 8000)
    for bad in (View(rate_hz=0.5), View(rate_hz=4000, scale=2), View(crop=(0.03, 0.02)), View(slices={"t": 0})):
        with pytest.raises(UsageError):
            shape_rate(bad)


def test_metrics_closed_form() -> None:
    signal = piped(encoded(np.full((100, 1), 0.5)))
    assert signal.metrics(lambda x: torch.full((len(x), 1), 0.5)) == {"snr_db": math.inf, "psnr_db": math.inf, "mse": 0}
    tenth_off = signal.metrics(lambda x: torch.full((len(x), 1), 0.45))
    assert tenth_off["snr_db"] == pytest.approx(20, abs=0.01)
    assert tenth_off["psnr_db"] == pytest.approx(-20 * math.log10(0.05), abs=0.01)
    assert signal.metrics(lambda x: torch.full((len(x), 1), 9.0))["mse"] == pytest.approx(0.25, rel=1e-3)

    def nearly(x: Tensor) -> Tensor:
        return torch.full((len(x), 1), 0.5 + 0.4 / 32768)

    assert signal.metrics(nearly)["snr_db"] == math.inf  # rounds to the same 16 bits


def bad_sounds() -> dict[str, tuple[bytes, str]]:
    good = encoded(integers(16))
    flac = encoded(integers(16), form="FLAC")
    nan = encoded(np.array([[0.0], [np.nan]], np.float32), "FLOAT")
    return {
        "empty": (b"", "is empty"),
        "text": (b"not a sound at all, but text", "can not read"),
        "truncated wav": (good[:-100], "truncated"),
        "truncated flac": (flac[: len(flac) // 2], "can not read"),
        "no samples": (encoded(np.zeros((0, 1))), "no samples"),
        "nan": (nan, "NaN"),
    }


@pytest.mark.parametrize("name", bad_sounds())
def test_bad_sounds_are_refused_in_one_line(name: str) -> None:
    data, message = bad_sounds()[name]
    with pytest.raises(UnreadableError) as caught:
        piped(data)
    assert message in caught.value.message
    assert "\n" not in caught.value.message


def test_wav_written_to_a_pipe_is_read() -> None:
    good = encoded(integers(16))
    streamed = good[:4] + struct.pack("<I", 0xFFFFFFFF) + good[8:]
    assert len(piped(streamed).values) == 300


SEEDS = [encoded(integers(16, 2)), encoded(integers(24), "PCM_24"), encoded(integers(16), form="FLAC")]


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_damaged_bytes_load_or_are_unreadable(data: st.DataObject) -> None:
    damaged = bytearray(data.draw(st.sampled_from(SEEDS)))
    for _ in range(data.draw(st.integers(0, 4))):
        damaged[data.draw(st.integers(0, 200))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(damaged)))
    with contextlib.suppress(UnreadableError):
        assert bool(torch.isfinite(piped(bytes(damaged[:cut])).values).all())
