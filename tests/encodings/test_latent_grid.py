"""Latents on grids: the same values as a grid of decoded features."""

from __future__ import annotations

import pytest
import torch

from inr.core.config import parse
from inr.core.domain import Spec
from inr.core.errors import ConfigError
from inr.encodings import EncodingConfig, GridEncoding
from inr.encodings.latent_grid import LatentGridEncoding
from tests.assertions import assert_near

SPEC = Spec("image", 2, 3, (20, 30))
GRID = {"type": "hash_grid", "levels": 3, "features": 2, "log2_table": 6, "finest": [24], "base": 4, "init_range": 1.0}


def _encoding(generator: torch.Generator, **settings: object) -> LatentGridEncoding:
    config = parse(EncodingConfig, {"type": "latent_grid", "grid": GRID, "features": 5, **settings})
    encoding = config.resolve(SPEC).build(2, generator)
    assert isinstance(encoding, LatentGridEncoding)
    with torch.no_grad():
        encoding.maps.shift.normal_(generator=generator)
    return encoding


def test_it_equals_a_grid_of_decoded_features(generator: torch.Generator) -> None:
    encoding = _encoding(generator, divisor=0.7)
    geometry = encoding.grid.geometry
    decoded = GridEncoding(geometry, 5, "linear", 1.0, generator)
    with torch.no_grad():
        for level, (start, n) in enumerate(zip(geometry.offset, geometry.entries, strict=True)):
            z = encoding.grid.table[start : start + n]
            decoded.table[start : start + n] = z / 0.7 @ encoding.maps.weight[level] + encoding.maps.shift[level]
    x = torch.rand(7, 11, 2, generator=generator)
    assert encoding(x).shape == (7, 11, 15)
    assert_near(encoding(x).detach(), decoded(x).detach(), 1e-5)


def test_its_map_as_one_matrix(generator: torch.Generator) -> None:
    maps = _encoding(generator).maps
    z = torch.rand(9, 6, generator=generator)
    weight, shift = maps.as_matrix()
    assert_near(maps(z).detach(), (z @ weight.T + shift).detach(), 1e-5)


def test_by_default_there_is_one_latent_per_vertex() -> None:
    config = parse(EncodingConfig, "latent_grid").resolve(SPEC)
    grid = config.to_json()["grid"]
    assert (grid["type"], grid["features"], grid["init_range"]) == ("hash_grid", 1, 0.1)
    assert config.resolve(SPEC) == config


def test_only_a_grid_has_latents() -> None:
    with pytest.raises(ConfigError, match="grid is 'frequency', expected hash_grid or dense_grid"):
        parse(EncodingConfig, {"type": "latent_grid", "grid": "frequency"}).resolve(SPEC)
