"""Encodings: closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from inr.core.config import parse
from inr.core.domain import Grid, Spec
from inr.core.errors import ConfigError
from inr.encodings import EncodingConfig
from inr.encodings.frequency import Frequency
from inr.encodings.hash_grid import HashGridEncodingConfig
from inr.encodings.identity import Identity
from inr.encodings.random_fourier import RandomFourier
from inr.fields.hash_grid import HashGrid
from tests.assertions import assert_near


def test_frequency_is_the_nerf_formula_and_its_octaves_follow_nyquist(generator: torch.Generator) -> None:
    resolved = Frequency().resolve(Spec("image", 2, 3, (768, 512)))
    assert resolved.octaves == int(math.log2(512 / 4)) == 7
    assert Frequency().resolve(Spec("shape", 3, 1)).octaves == 6
    encoding = Frequency(octaves=3).build(2, generator)
    e = encoding(torch.tensor([[0.1, 0.8]]))
    u = [2 * 0.1 - 1, 2 * 0.8 - 1]
    angles = [2**k * math.pi * v for v in u for k in range(3)]
    assert_near(e[0], torch.tensor(u + [math.sin(a) for a in angles] + [math.cos(a) for a in angles]), 1e-5)
    assert encoding.d_out == e.shape[-1] == 14


def test_frequencies_of_another_base_reach_as_high(generator: torch.Generator) -> None:
    spec = Spec("image", 2, 3, (768, 512))
    assert Frequency(base=1.4).resolve(spec).octaves == int(math.log(128, 1.4)) == 14
    assert Frequency(base=1.01).resolve(spec).octaves == 24
    e = Frequency(octaves=3, base=1.4, has_raw=False).build(1, generator)(torch.tensor([[0.8]]))
    angles = [1.4**k * math.pi * 0.6 for k in range(3)]
    assert_near(e[0], torch.tensor([math.sin(a) for a in angles] + [math.cos(a) for a in angles]), 1e-5)


def test_random_fourier_features_give_the_gaussian_kernel(generator: torch.Generator) -> None:
    """<e(x), e(y)> / Q tends to exp(-2 pi^2 sigma^2 |x - y|^2): Bochner's theorem."""
    n, sigma = 200_000, 0.7
    encoding = RandomFourier(sigma=sigma, n_frequencies=n).build(2, generator)
    x, y = torch.tensor([[0.2, 0.3]]), torch.tensor([[0.4, 0.1]])
    found = float(encoding(x)[0] @ encoding(y)[0]) / n
    assert abs(found - math.exp(-2 * math.pi**2 * sigma**2 * 0.08)) < 5 / math.sqrt(n)


def test_random_frequencies_travel_with_the_state() -> None:
    encoding = RandomFourier(n_frequencies=4).build(2, torch.Generator().manual_seed(0))
    assert list(encoding.state_dict()) == ["frequencies"]


def test_identity_reaches_both_ends(generator: torch.Generator) -> None:
    encoding = Identity(low=-1, high=3).build(1, generator)
    assert encoding(torch.tensor([[0.0], [0.5], [1.0]])).flatten().tolist() == [-1.0, 1.0, 3.0]


def test_hash_grid_puts_a_vertex_of_its_finest_level_on_every_sample(generator: torch.Generator) -> None:
    """With one level of one feature, the encoding of the samples is the table itself, whatever the aspect."""
    config = HashGridEncodingConfig(levels=1, features=1, log2_table=12, base=49).resolve(Spec("image", 2, 3, (48, 32)))
    assert config.finest == (49, 33)
    encoding = config.build(2, generator)
    (table,) = encoding.parameters()
    with torch.no_grad():
        table.copy_(torch.arange(len(table), dtype=torch.float32)[:, None])
    e = encoding(Grid.whole((32, 48), (1, 0)).points(torch.arange(48 * 32)))
    assert_near(e, e.round(), 1e-5)
    assert len(set(e.round().flatten().tolist())) == 48 * 32


def test_hash_grid_follows_the_signals_own_sides() -> None:
    config = HashGridEncodingConfig().resolve(Spec("image", 2, 3, (768, 512)))
    geometry = config.geometry()
    assert geometry.resolution[0] == (128, 85)
    assert geometry.resolution[-1][0] in (769, 770)  # float32 rounding of the scale, as in tiny-cuda-nn
    assert geometry.total_entries * config.features < 1_000_000
    assert HashGridEncodingConfig(finest=(64,)).resolve(Spec("shape", 3, 1)).finest == (64, 64, 64)
    with pytest.raises(ConfigError, match=r"finest has 2 numbers, expected one per axis \(3\)"):
        HashGridEncodingConfig(finest=(64, 64)).resolve(Spec("shape", 3, 1))


def test_point_clouds_get_a_grid_with_useful_gradients() -> None:
    for kind, smoothness in (("points", 1), ("shape", 0)):
        spec = Spec(kind, 3, 1)
        field = HashGrid(encoding=HashGridEncodingConfig(log2_table=8, finest=(16,))).resolve(spec)
        assert field.build(spec, torch.Generator()).smoothness == smoothness


def test_an_encoding_can_be_named_alone() -> None:
    assert parse(EncodingConfig, {"type": "identity"}) == Identity()
