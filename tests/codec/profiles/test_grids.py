"""Profile "grids": sounds in closed form, shapes and arrays by training; latents come back; targets are reached."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
import torch

from inr.codec import Limits
from inr.codec.container.header import Header
from inr.codec.entropy.quantise import StepSize
from inr.codec.profile import Payload
from inr.codec.profiles.grids import STEPS, GridsProfile, architecture, pack, steps_at, unpack, with_latents
from inr.codec.rate_target import RateTarget
from inr.codec.training.coded_tensors import coded_tensors
from inr.codec.training.rate_control import FieldTarget
from inr.core.domain import Spec
from inr.core.errors import ConfigError, FormatError, UsageError
from inr.encodings.latent_grid import LatentGridEncoding
from inr.signals import Signal
from inr.signals.array import Array
from inr.signals.audio import Audio


def chord(channels: int = 1, n: int = 6000) -> Audio:
    t = np.arange(n) / 8000
    wave = sum(np.sin(2 * np.pi * f * t + f) * np.exp(-2 * t) / 4 for f in (220, 277, 330, 1100))
    noise = np.random.default_rng(0).normal(0, 0.02, (n, channels))
    return Audio.of_samples((np.stack([wave * (0.9**c) for c in range(channels)], -1) + noise).astype(np.float32), 8000)


def decoded(signal: Signal, payload: Payload) -> dict[str, float]:
    found = GridsProfile().decode(Header.of(signal), payload, Limits()).fit()
    return signal.metrics(found)


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 2])
def test_a_sound_meets_its_snr_and_its_size(channels: int) -> None:
    signal = chord(channels)
    payload = GridsProfile().encode(signal, RateTarget(target_psnr_db=30.0), effort=3, seed=0)
    snr = decoded(signal, payload)["snr_db"]
    assert 30.0 <= snr < 30.2
    assert payload.size < 0.5 * 2 * 6000 * channels, "half of 16 bits"
    smaller = GridsProfile().encode(signal, RateTarget(size_bytes=payload.size - 100), effort=3, seed=0)
    assert 0.95 * (payload.size - 100) <= smaller.size <= payload.size - 100
    assert decoded(signal, smaller)["snr_db"] < snr


def test_the_weight_of_the_rate_sets_the_error_of_a_sound() -> None:
    signal = chord()
    errors = [
        decoded(signal, GridsProfile().encode(signal, RateTarget(lambda_=lambda_), effort=1, seed=0))["mse"]
        for lambda_ in (1e-7, 1e-6, 1e-5)
    ]
    assert errors == sorted(errors)


def test_equal_channels_cost_hardly_more_than_one() -> None:
    t = np.arange(6000) / 8000
    wave = (np.sin(2 * np.pi * 300 * t) * np.exp(-t)).astype(np.float32)[:, None]
    sizes = [
        GridsProfile().encode(Audio.of_samples(values, 8000), RateTarget(target_psnr_db=40.0), effort=1, seed=0).size
        for values in (wave, np.concatenate([wave, 0.5 * wave], 1))
    ]
    assert sizes[1] < 1.25 * sizes[0]


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(40,), (40, 30), (12, 14, 13)])
def test_an_array_is_trained_to_its_size(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inr.codec.profiles.grids.STEPS", 500)
    axes = np.meshgrid(*[np.linspace(0, 2, n) for n in shape], indexing="ij")
    signal = Array.of_array(np.stack([np.sin(3 * a + i) for i, a in enumerate(axes)]).sum(0).astype(np.float32))
    limit = 300 if len(shape) == 1 else 2500
    payload = GridsProfile().encode(signal, RateTarget(size_bytes=limit), effort=1, seed=0)
    assert payload.size <= limit
    again = GridsProfile().encode(signal, RateTarget(size_bytes=limit), effort=1, seed=0)
    assert again == payload, "a seed decides every byte"
    specs = GridsProfile().outline(Header.of(signal), memoryview(payload.arch), Limits())
    assert any(spec.is_own for spec in specs)
    assert decoded(signal, payload)["psnr_db"] > 10


def test_whole_latents_are_decoded_by_a_map_per_level(monkeypatch: pytest.MonkeyPatch) -> None:
    """An array of two waves, in 1200 bytes."""
    monkeypatch.setattr("inr.codec.profiles.grids.STEPS", 250)
    y, x = np.mgrid[:40, :48]
    signal = Array.of_array((np.sin(x / 3) + np.cos(y / 4 + x / 9)).astype(np.float32))
    profile = GridsProfile().with_settings(None, ["encoding=latent_grid", "width=16"])
    payload = profile.encode(signal, RateTarget(size_bytes=1200), effort=5, seed=0)
    assert 900 < payload.size <= 1200
    assert decoded(signal, payload)["psnr_db"] > 26
    field = GridsProfile().decode(Header.of(signal), payload, Limits()).fit().field
    (encoding,) = (m for m in field.modules() if isinstance(m, LatentGridEncoding))
    assert encoding.grid.table.shape[1] == 1
    assert torch.equal(encoding.grid.table, encoding.grid.table.round())
    assert float(encoding.grid.table.detach().abs().max()) >= 1
    assert encoding.maps.weight.shape == (encoding.grid.geometry.n_levels, 1, 2)
    assert field.config.to_json()["width"] == 16


def test_twice_as_many_latents_for_half_as_many_per_vertex() -> None:
    spec = Spec("image", 2, 3, (384, 256))
    plain, whole = (f(spec, 60000.0).build(spec, torch.Generator()) for f in (architecture, with_latents))
    counts = [sum(p.values.numel() for p in coded_tensors(field) if p.is_table) for field in (plain, whole)]
    assert counts[1] == pytest.approx(counts[0], rel=0.1)


def test_other_families_and_settings_of_sounds_are_refused() -> None:
    with pytest.raises(UsageError, match="has the field 'hash_grid', but 'siren' is given"):
        GridsProfile().with_settings("siren", [])
    with pytest.raises(ConfigError, match="widht"):
        GridsProfile().with_settings(None, ["widht=3"])
    sound = GridsProfile().with_settings("hash_grid", ["encoding=latent_grid"])
    with pytest.raises(UsageError, match="no field settings"):
        sound.encode(chord(), RateTarget(), effort=1, seed=0)


def test_an_array_at_the_least_effort_has_left_the_mean_of_its_values() -> None:
    """The mean alone gives 12 dB."""
    y, x = np.mgrid[:20, :24]
    for values in (np.sin(x / 4) + np.cos(y / 5 + x / 9), (100 + 90 * np.sin(x / 4 + y / 6)).astype(np.uint8)):
        signal = Array.of_array(values)
        payload = GridsProfile().encode(signal, RateTarget(), effort=1, seed=0)
        assert decoded(signal, payload)["psnr_db"] > 24


def test_steps_grow_with_effort() -> None:
    array, shape = Spec("array", 2, 1, (20, 30)), Spec("shape", 3, 1)
    for spec in (array, shape):
        steps = [steps_at(effort, spec) for effort in range(1, 10)]
        assert all(b >= 1.4 * a for a, b in itertools.pairwise(steps))
        assert steps[4] == STEPS
    assert steps_at(1, array) >= 500


@pytest.mark.parametrize(
    "target", [RateTarget(), RateTarget(target_psnr_db=40.0), RateTarget(quality=100.0), RateTarget(lambda_=1e-4)]
)
@pytest.mark.parametrize("channels", [1, 2])
def test_silence_comes_back_as_silence_for_every_target(target: RateTarget, channels: int) -> None:
    signal = Audio.of_samples(np.zeros((900, channels), np.float32), 8000)
    payload = GridsProfile().encode(signal, target, effort=1, seed=0)
    assert decoded(signal, payload) == {"snr_db": np.inf, "psnr_db": np.inf, "mse": 0.0}
    assert payload.size < 120


@pytest.mark.parametrize("samples", [[0.3], [0.3, -0.2], [0.25] * 700, ([1.0] * 20 + [-1.0] * 20) * 20])
def test_sounds_of_one_sample_of_one_value_and_clipped_ones_reach_their_target(samples: list[float]) -> None:
    signal = Audio.of_samples(np.array(samples, np.float32)[:, None], 8000)
    payload = GridsProfile().encode(signal, RateTarget(target_psnr_db=30.0), effort=1, seed=0)
    assert decoded(signal, payload)["snr_db"] >= 30 - 0.01


@pytest.mark.parametrize("array", [np.full(40, 3.0), np.full((6, 5), 7, np.int32), np.zeros((3, 4, 5), bool)])
def test_constant_arrays_come_back_for_every_target(array: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inr.codec.profiles.grids.STEPS", 40)
    signal = Array.of_array(array)
    for aim in (RateTarget(), RateTarget(target_psnr_db=40.0)):
        assert decoded(signal, GridsProfile().encode(signal, aim, effort=1, seed=0))["mse"] < 1e-6


def test_the_default_target_of_a_small_array_is_at_most_its_size() -> None:
    small = Array.of_array(np.zeros((10, 20), np.uint8))
    large = Array.of_array(np.zeros((100, 200), np.uint8))
    assert FieldTarget.of(RateTarget(quality=50), small).size_bytes == 200 + 128 - 90
    assert FieldTarget.of(RateTarget(quality=50), large).size_bytes == 707


def test_latents_of_dense_and_hashed_levels_come_back() -> None:
    signal = Array.of_array(np.random.default_rng(0).random((30, 20, 10)).astype(np.float32))
    config = architecture(signal.spec, 60000.0)
    field = config.build(signal.spec, torch.Generator().manual_seed(0))
    parts = coded_tensors(field)
    with torch.no_grad():
        for part in parts:
            part.values.normal_(generator=torch.Generator().manual_seed(1))
    payload = pack(config, parts, [part.quantise(StepSize.near(0.1)) for part in parts])
    found = unpack(parts, payload, Limits())
    for part, coded in zip(parts, found, strict=True):
        own = part.quantise(StepSize.near(0.1)).symbols
        np.testing.assert_array_equal(
            coded.symbols, own if part.layout is None else part.from_planes(part.to_planes(own))
        )


@pytest.mark.parametrize("part", ["arch", "table", "data"])
def test_damage_is_a_format_error_or_the_same_symbols(part: str) -> None:
    signal = chord(n=1500)
    whole = GridsProfile().encode(signal, RateTarget(target_psnr_db=25.0), effort=1, seed=0)
    data = getattr(whole, part)
    for bit in range(0, 8 * len(data), max(1, len(data) // 5)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << (bit % 8)
        try:
            found = GridsProfile().decode(
                Header.of(signal), dataclasses.replace(whole, **{part: bytes(changed)}), Limits()
            )
        except FormatError:
            continue
        assert found.symbols_sha256 == whole.symbols_sha256
    for n in range(0, len(data), max(1, len(data) // 9)):
        with pytest.raises(FormatError):
            GridsProfile().decode(Header.of(signal), dataclasses.replace(whole, **{part: data[:n]}), Limits())


def test_point_clouds_are_refused() -> None:
    signal = chord()
    signal.spec = dataclasses.replace(signal.spec, kind="points")
    with pytest.raises(UsageError, match="weights"):
        GridsProfile().encode(signal, RateTarget(), effort=1, seed=0)
