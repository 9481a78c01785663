"""Profile "grids": sounds in closed form, shapes and arrays by training; latents come back; aims are met."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from inr._errors import FormatError, UsageError
from inr.codec._header import Header
from inr.codec._limits import Limits
from inr.codec.grids import Grids, architecture, pack, unpack
from inr.codec.pieces import pieces
from inr.codec.profile import Aim, Payload
from inr.codec.quantise import Step
from inr.signals import Signal
from inr.signals.array import Array
from inr.signals.audio import Audio


def chord(channels: int = 1, n: int = 6000) -> Audio:
    t = np.arange(n) / 8000
    wave = sum(np.sin(2 * np.pi * f * t + f) * np.exp(-2 * t) / 4 for f in (220, 277, 330, 1100))
    noise = np.random.default_rng(0).normal(0, 0.02, (n, channels))
    return Audio.of_samples((np.stack([wave * (0.9**c) for c in range(channels)], -1) + noise).astype(np.float32), 8000)


def decoded(signal: Signal, payload: Payload) -> dict[str, float]:
    found = Grids().decode(Header.of(signal), payload, Limits()).fit()
    return signal.metrics(found)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_sound_meets_its_snr_and_its_size(channels: int) -> None:
    signal = chord(channels)
    payload = Grids().encode(signal, Aim(target_psnr_db=30.0), effort=3, seed=0)
    snr = decoded(signal, payload)["snr_db"]
    assert 30.0 <= snr < 30.2
    assert payload.size < 0.5 * 2 * 6000 * channels, "half of 16 bits"
    smaller = Grids().encode(signal, Aim(size_bytes=payload.size - 100), effort=3, seed=0)
    assert 0.95 * (payload.size - 100) <= smaller.size <= payload.size - 100
    assert decoded(signal, smaller)["snr_db"] < snr


def test_the_weight_of_the_rate_sets_the_error_of_a_sound() -> None:
    signal = chord()
    errors = [
        decoded(signal, Grids().encode(signal, Aim(lambda_=lambda_), effort=1, seed=0))["mse"]
        for lambda_ in (1e-7, 1e-6, 1e-5)
    ]
    assert errors == sorted(errors)


def test_channels_alike_cost_hardly_more_than_one() -> None:
    t = np.arange(6000) / 8000
    wave = (np.sin(2 * np.pi * 300 * t) * np.exp(-t)).astype(np.float32)[:, None]
    sizes = [
        Grids().encode(Audio.of_samples(values, 8000), Aim(target_psnr_db=40.0), effort=1, seed=0).size
        for values in (wave, np.concatenate([wave, 0.5 * wave], 1))
    ]
    assert sizes[1] < 1.25 * sizes[0]


@pytest.mark.parametrize("shape", [(40,), (40, 30), (12, 14, 13)])
def test_an_array_is_trained_to_its_size(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inr.codec.grids.STEPS", 1600)
    axes = np.meshgrid(*[np.linspace(0, 2, n) for n in shape], indexing="ij")
    signal = Array.of_array(np.stack([np.sin(3 * a + i) for i, a in enumerate(axes)]).sum(0).astype(np.float32))
    limit = 300 if len(shape) == 1 else 2500
    payload = Grids().encode(signal, Aim(size_bytes=limit), effort=1, seed=0)
    assert payload.size <= limit
    again = Grids().encode(signal, Aim(size_bytes=limit), effort=1, seed=0)
    assert again == payload, "a seed decides every byte"
    specs = Grids().outline(Header.of(signal), memoryview(payload.arch), Limits())
    assert any(spec.is_own for spec in specs)
    assert decoded(signal, payload)["psnr_db"] > 10


def test_latents_of_dense_and_hashed_levels_come_back() -> None:
    signal = Array.of_array(np.random.default_rng(0).random((30, 20, 10)).astype(np.float32))
    config = architecture(signal.spec, 60000.0)
    field = config.build(signal.spec, torch.Generator().manual_seed(0))
    parts = pieces(field)
    with torch.no_grad():
        for part in parts:
            part.values.normal_(generator=torch.Generator().manual_seed(1))
    payload = pack(config, parts, [part.quantise(Step.near(0.1)) for part in parts])
    found = unpack(parts, payload, Limits())
    for part, coded in zip(parts, found, strict=True):
        own = part.quantise(Step.near(0.1)).symbols
        np.testing.assert_array_equal(
            coded.symbols, own if part.layout is None else part.from_planes(part.to_planes(own))
        )


@pytest.mark.parametrize("part", ["arch", "table", "data"])
def test_damage_is_a_format_error_or_the_same_symbols(part: str) -> None:
    signal = chord(n=1500)
    whole = Grids().encode(signal, Aim(target_psnr_db=25.0), effort=1, seed=0)
    data = getattr(whole, part)
    for bit in range(0, 8 * len(data), max(1, len(data) // 5)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << (bit % 8)
        try:
            found = Grids().decode(Header.of(signal), dataclasses.replace(whole, **{part: bytes(changed)}), Limits())
        except FormatError:
            continue
        assert found.symbols_sha256 == whole.symbols_sha256
    for n in range(0, len(data), max(1, len(data) // 9)):
        with pytest.raises(FormatError):
            Grids().decode(Header.of(signal), dataclasses.replace(whole, **{part: data[:n]}), Limits())


def test_point_clouds_are_refused() -> None:
    signal = chord()
    signal.spec = dataclasses.replace(signal.spec, kind="points")
    with pytest.raises(UsageError, match="weights"):
        Grids().encode(signal, Aim(), effort=1, seed=0)
