"""Networks that start as a linear map."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from inr.assemblies.linear_start import read_through
from inr.core.domain import Spec
from inr.encodings import GridEncoding
from inr.fields.hash_grid import HashGrid
from inr.fields.mlp import MlpField
from inr.layers.activations.sine import Sine
from inr.layers.blocks.ccp import Ccp

SPEC = Spec("image", 2, 3, (20, 16))


def field_of(config: HashGrid) -> MlpField:
    field = config.resolve(SPEC).build(SPEC, torch.Generator().manual_seed(0))
    assert isinstance(field, MlpField)
    return field


def grid_of(field: MlpField) -> GridEncoding:
    grid = field.body.get_submodule("encoding")
    assert isinstance(grid, GridEncoding)
    return grid


def last_weight(field: MlpField) -> torch.nn.Parameter:
    return field.body.get_parameter("last.weight")


def map_of(field: MlpField) -> Tensor:
    return torch.randn(3, grid_of(field).d_out, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("has_bias", [False, True])
def test_the_network_is_the_map(depth: int, has_bias: bool) -> None:
    field = field_of(HashGrid(depth=depth, has_bias=has_bias))
    read = map_of(field)
    assert read_through(field.body, lambda: read)
    x = torch.rand(200, 2, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        grid_of(field).table.normal_()
        features = grid_of(field)(x)
        found = field.body(x)
    assert torch.allclose(found.double(), features.double() @ read.T, atol=1e-4)


def test_the_units_that_it_does_not_use_can_still_learn() -> None:
    field = field_of(HashGrid())
    read = map_of(field)
    read_through(field.body, lambda: read)
    with torch.no_grad():
        grid_of(field).table.normal_()
    x = torch.rand(500, 2, generator=torch.Generator().manual_seed(3))
    (gradient,) = torch.autograd.grad(field(x).square().sum(), [last_weight(field)])
    assert (gradient[:, 6:].abs().amax(0) > 0).sum() > 20


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_other_units_read_other_features_and_count_a_part(depth: int) -> None:
    field = field_of(HashGrid(depth=depth, has_bias=True))
    read = map_of(field)
    read[:, 1:] = 0  # it reads one feature
    assert read_through(field.body, lambda: read, rest=0.1)
    x = torch.rand(300, 2, generator=torch.Generator().manual_seed(2))
    table = grid_of(field).table
    finest = grid_of(field).geometry.offset[-1]
    with torch.no_grad():
        table.normal_()
        mixed, only = field.body(x), grid_of(field)(x).double() @ read.T
        rest = mixed - only
        table[: grid_of(field).geometry.entries[0], 0] += 1  # the feature that the map reads
        assert torch.allclose(field.body(x) - grid_of(field)(x).double() @ read.T, rest, atol=1e-4)
        table[finest:] += 1  # one that it does not read
        assert (field.body(x) - grid_of(field)(x).double() @ read.T - rest).abs().max() > 1e-3
    assert 1e-3 < rest.abs().max() < 1


@pytest.mark.parametrize(
    "config", [HashGrid(activation=Sine()), HashGrid(depth=0), HashGrid(width=5), HashGrid(depth=2, block=Ccp())]
)
def test_networks_that_cannot_stay_as_they_are(config: HashGrid) -> None:
    field = field_of(config)
    before = {name: value.clone() for name, value in field.state_dict().items()}

    def unexpected() -> Tensor:
        raise AssertionError("the table would be changed in vain")

    assert not read_through(field.body, unexpected)
    assert all(torch.equal(value, before[name]) for name, value in field.state_dict().items())
