"""FreSh: spectra, their distance, and the setting it chooses."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import torch

from inr.core.config import parse
from inr.core.errors import ConfigError, UsageError
from inr.fields import FieldConfig
from inr.signals.analytic import demo
from inr.signals.array import Array as ArraySignal
from inr.workflows.fresh import DEFAULTS, DRAWS, ENTRIES, MAX_SIDE, fresh, spectrum, wasserstein
from tests.published import Array, Published, PublishedFormula, PublishedMethod, check

SIDE = 136


def _picture() -> Array:
    picture: Array = np.random.default_rng(0).standard_normal((SIDE, SIDE, 3)).cumsum(0).cumsum(1)
    return picture


def _published_spectrum() -> Array:
    """Amplitudes of the DFT, summed over channels and over k1 + k2 = 1 ... 64, as shares of their sum."""
    amplitude = np.abs(np.fft.fft2(_picture(), axes=(0, 1))).sum(-1)
    sums = [sum(amplitude[i, s - i] for i in range(s + 1)) for s in range(1, 65)]
    return np.asarray(np.array(sums) / sum(sums))


def _published_distance() -> Array:
    a, b = np.random.default_rng(1).random((2, 64))
    return np.array(scipy.stats.wasserstein_distance(np.arange(64), np.arange(64), a, b))


def _distance() -> Array:
    a, b = torch.from_numpy(np.random.default_rng(1).random((2, 64)))
    return np.array(wasserstein(a / a.sum(), b / b.sum()))


SOURCE = "gmum/FreSh"
PUBLISHED: tuple[Published, ...] = (
    PublishedFormula(
        name="fresh: spectrum",
        source=SOURCE,
        published=_published_spectrum,
        here=lambda: spectrum(torch.from_numpy(_picture())).numpy(),
        tolerance=1e-12,
    ),
    PublishedFormula(
        name="fresh: distance", source=SOURCE, published=_published_distance, here=_distance, tolerance=1e-12
    ),
    PublishedMethod(
        name="fresh",
        source=SOURCE,
        here={"draws": DRAWS, "entries": ENTRIES, "side": MAX_SIDE[2], **{k.split(".")[1]: v for k, v in DEFAULTS}},
        settings={
            "draws": 10,
            "entries": 64,
            "side": 1024,
            "omega_first": list(range(10, 201, 10)),
            "sigma": list(range(1, 21)),
            "first_bias": [k / 10 for k in range(31)],
        },
        told={
            "side": "The paper: the output on the signal's own lattice, both resized to a square",
            "sound": "The paper: pictures and videos",
        },
        documented=fresh,
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.name)
def test_it_is_the_published_method(statement: Published) -> None:
    check(statement)


@pytest.mark.parametrize(("kx", "ky", "expected"), [(3, 0, 3), (0, 5, 5), (3, 4, 7)])
def test_a_wave_has_all_its_spectrum_at_the_sum_of_its_frequencies(kx: int, ky: int, expected: int) -> None:
    a = torch.arange(32) / 32
    wave = torch.cos(2 * math.pi * (kx * a[:, None] + ky * a[None, :]))[..., None] + 7
    found = spectrum(wave)
    assert found[expected - 1] == pytest.approx(1, abs=1e-4)
    assert float(found.sum()) == pytest.approx(1)


def test_frequencies_count_per_picture_whatever_its_sides() -> None:
    x, y = (torch.arange(40) + 0.5) / 40, (torch.arange(90) + 0.5) / 90
    wave = torch.cos(2 * math.pi * (5 * x[:, None] + 11 * y[None, :]))[..., None]
    assert spectrum(wave)[15] == pytest.approx(1, abs=1e-4)


def test_no_bias_is_a_candidate_of_finer() -> None:
    finer = parse(FieldConfig, {"type": "finer", "width": 8, "depth": 1}, "field")
    choice = fresh(texture(3), finer, "activation.first_bias", [0.0], draws=1)
    assert choice.value == 0


def test_a_constant_has_no_spectrum() -> None:
    assert float(spectrum(torch.full((16, 9, 2), 0.7)).sum()) == 0


def test_the_distance_of_two_lines_is_how_far_they_are_apart() -> None:
    p, q = torch.zeros(20), torch.zeros(20)
    p[3], q[11] = 1, 1
    assert wasserstein(p, q) == pytest.approx(8)
    assert wasserstein(p, p) == 0


def texture(k: int, n: int = 64) -> ArraySignal:
    a = (np.arange(n) + 0.5) / n
    return ArraySignal.of_array(np.sin(2 * np.pi * k * a)[:, None] + np.sin(2 * np.pi * k * a + 1)[None, :])


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
    encoding = choice.config.resolve(demo("chirp").spec).to_json()["encoding"]
    assert (
        choice.value * (encoding["high"] - encoding["low"]) / 2 > 300
    )  # a tone up to 2000 Hz is 2000 cycles per unit: 30 cannot be near


def test_incomparable_candidates_are_refused() -> None:
    siren = parse(FieldConfig, "siren", "field")
    with pytest.raises(UsageError, match="spectra on a lattice, but this signal is of kind 'shape'"):
        fresh(demo("torus"), siren)
    with pytest.raises(UsageError, match="the signal is constant"):
        fresh(ArraySignal.of_array(np.ones((8, 8), np.float32)), siren)
    with pytest.raises(UsageError, match="no frequency setting of field 'hash_grid'"):
        fresh(texture(3), parse(FieldConfig, "hash_grid", "field"))
    with pytest.raises(ConfigError, match="unknown setting"):
        fresh(texture(3), siren, "activation.omgea", [1.0], draws=1)
