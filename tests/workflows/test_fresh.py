"""FreSh: spectra, their distance, and the setting it chooses."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from inr.core.config import parse
from inr.core.errors import ConfigError, UsageError
from inr.fields import FieldConfig
from inr.signals.analytic import demo
from inr.signals.array import Array
from inr.workflows.fresh import AUDIO_OMEGAS_FIRST, fresh, spectrum, wasserstein


@pytest.mark.parametrize(("kx", "ky", "expected"), [(3, 0, 3), (0, 5, 5), (3, 4, 7), (3, -4, 7)])
def test_a_wave_has_all_its_spectrum_at_the_sum_of_its_frequencies(kx: int, ky: int, expected: int) -> None:
    a = torch.arange(32) / 32
    wave = torch.cos(2 * math.pi * (kx * a[:, None] + ky * a[None, :]))[..., None] + 7
    found = spectrum(wave)
    assert found[expected - 1] == pytest.approx(1, abs=1e-4)
    assert float(found.sum()) == pytest.approx(1)


def test_a_constant_has_no_spectrum() -> None:
    assert float(spectrum(torch.full((16, 9, 2), 0.7)).sum()) == 0


def test_the_distance_of_two_lines_is_how_far_they_are_apart() -> None:
    p, q = torch.zeros(20), torch.zeros(20)
    p[3], q[11] = 1, 1
    assert wasserstein(p, q) == pytest.approx(8)
    assert wasserstein(p, p) == 0


def texture(k: int, n: int = 64) -> Array:
    a = (np.arange(n) + 0.5) / n
    return Array.of_array(np.sin(2 * np.pi * k * a)[:, None] + np.sin(2 * np.pi * k * a + 1)[None, :])


def test_higher_frequencies_choose_higher_settings() -> None:
    siren = parse(FieldConfig, {"type": "siren", "width": 32, "depth": 2}, "field")
    chosen = [fresh(texture(k), siren, draws=3).value for k in (2, 12)]
    assert chosen[0] < chosen[1]
    features = parse(
        FieldConfig, {"type": "mlp", "width": 32, "encoding": {"type": "random_fourier", "n_frequencies": 64}}, "field"
    )
    choice = fresh(texture(24), features, draws=3)
    assert choice.setting == "encoding.sigma"
    assert choice.value > fresh(texture(2), features, draws=3).value
    assert choice.value == min(choice.distances, key=lambda v: choice.distances[v])
    assert choice.config.to_json()["encoding"]["sigma"] == choice.value


def test_dependent_settings_follow_the_setting() -> None:
    siren = parse(FieldConfig, {"type": "siren", "width": 8, "depth": 1}, "field")
    choice = fresh(texture(3), siren, "activation.omega", [50.0], draws=1)
    assert choice.config.resolve(texture(3).spec).to_json()["activation"]["omega_first"] == 50


def test_sound_is_chosen_by_its_first_factor() -> None:
    siren = parse(FieldConfig, {"type": "siren", "width": 16, "depth": 1}, "field")
    choice = fresh(demo("chirp"), siren, draws=2)
    assert choice.setting == "activation.omega_first"
    assert choice.value in AUDIO_OMEGAS_FIRST
    assert choice.value > 300  # a tone up to 2000 Hz is 2000 cycles per unit: 30 cannot be near


def test_incomparable_candidates_are_refused() -> None:
    siren = parse(FieldConfig, "siren", "field")
    with pytest.raises(UsageError, match="spectra on a lattice, but this signal is of kind 'shape'"):
        fresh(demo("torus"), siren)
    with pytest.raises(UsageError, match="the signal is constant"):
        fresh(Array.of_array(np.ones((8, 8), np.float32)), siren)
    with pytest.raises(UsageError, match="no frequency setting of field 'hash_grid'"):
        fresh(texture(3), parse(FieldConfig, "hash_grid", "field"))
    with pytest.raises(ConfigError, match="unknown setting"):
        fresh(texture(3), siren, "activation.omgea", [1.0], draws=1)
