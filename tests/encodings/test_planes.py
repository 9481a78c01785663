"""Planes, dense grids and dictionaries: closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from inr.core.domain import Spec
from inr.core.errors import ConfigError
from inr.encodings.dense_grid import DenseGridConfig
from inr.encodings.dictionary import Dictionary, wrapped
from inr.encodings.identity import Identity
from inr.encodings.planes import Planes
from inr.kernels.multilinear import multilinear
from tests.assertions import assert_near

SPACE = Spec("shape", 3, 1)


def test_every_plane_sees_its_own_two_axes() -> None:
    """One entry of one plane is set at a time: the response is the product of two hats of the right coordinates."""
    encoding = Planes(resolution=(5, 6, 7), features=1).resolve(SPACE).build(3, torch.Generator())
    sides = (5, 6, 7)
    x = torch.rand(200, 3, generator=torch.Generator().manual_seed(0))
    for i, j in ((0, 1), (0, 2), (1, 2)):
        with torch.no_grad():
            for p in encoding.parameters():
                p.zero_()
            encoding.get_parameter(f"plane_{i}{j}")[2, 3] = 1.0
        hats = [(1 - (x[:, d] * (sides[d] - 1) - v).abs()).clamp_min(0) for d, v in ((i, 2), (j, 3))]
        assert_near(encoding(x)[:, 0], hats[0] * hats[1], 1e-5)


@pytest.mark.parametrize(("d_in", "planes"), [(1, 1), (2, 1), (3, 3), (4, 6)])
def test_there_is_a_plane_for_every_pair_of_axes(d_in: int, planes: int, generator: torch.Generator) -> None:
    spec = Spec("array", d_in, 1, (16,) * d_in)
    x = torch.rand(9, d_in, generator=generator)
    e = {}
    for combine in ("sum", "mean", "product"):
        encoding = Planes(combine=combine, features=2).resolve(spec).build(d_in, torch.Generator())
        assert len(list(encoding.parameters())) == planes
        e[combine] = encoding(x)
    assert_near(e["sum"], planes * e["mean"], 1e-5)
    assert_near(e["product"], torch.ones_like(e["product"]), 0.02)


def test_features_beside_the_planes_are_those_of_the_nearest_point_of_the_box(generator: torch.Generator) -> None:
    encoding = Planes(beside=Identity(), features=2).resolve(SPACE).build(3, generator)
    x = torch.tensor([[0.5, 2.0, -1.0]])
    assert encoding.d_out == 5
    assert encoding(x)[0, 2:].tolist() == [0.0, 1.0, -1.0]


def test_coordinates_repeat_with_period_one_and_mirror_with_period_two() -> None:
    v = torch.arange(0, 6, 0.125)
    assert torch.equal(wrapped(v, "sawtooth"), v % 1)
    assert torch.equal(wrapped(v + 1, "sawtooth"), wrapped(v, "sawtooth"))
    triangle = wrapped(v, "triangle")
    assert torch.equal(triangle, wrapped(v + 2, "triangle"))
    assert torch.equal(triangle, wrapped(-v, "triangle"))
    assert torch.equal(triangle[:9], v[:9])
    assert triangle.diff().abs().max() == 0.125  # continuous, unlike the sawtooth


def test_a_dictionary_is_coefficients_times_a_repeated_basis(generator: torch.Generator) -> None:
    config = Dictionary(
        features=(3,), frequencies=(2.0,), vertices=(8,), finest=(1024,), coefficients=(5,), lookup="linear",
        is_inset=False,
    )  # fmt: skip
    encoding = config.resolve(Spec("image", 2, 3, (64, 64))).build(2, generator)
    with torch.no_grad():
        for p in encoding.parameters():
            p.normal_(generator=generator)
    basis, coefficients = encoding.get_parameter("basis_0"), encoding.get_parameter("coefficients")
    assert basis.shape == (8, 8, 3)
    x = torch.rand(50, 2, generator=generator) * 0.49
    for shift in (0.0, 0.5):
        expected = multilinear(x + shift, coefficients) * multilinear(2 * x, basis)
        assert_near(encoding(x + shift), expected, 1e-4)


def test_the_nearest_vertex_of_every_basis_is_one_per_sample() -> None:
    encoding = Dictionary().resolve(Spec("image", 2, 3, (1024, 1024))).build(2, torch.Generator())
    with torch.no_grad():
        encoding.get_parameter("coefficients").fill_(1.0)
        basis = encoding.get_parameter("basis_1")
        basis.copy_(torch.arange(51.0)[:, None, None].expand_as(basis))
    at = (torch.arange(1024) + 0.5) / 1024
    first = encoding(torch.stack([at, torch.full_like(at, 0.3)], -1))[:, 32]  # of the second level
    assert_near(first, torch.arange(1024.0) % 51, 1e-4)


def test_the_papers_grids_for_the_papers_side_and_a_share_of_them_else() -> None:
    for side, sides in ((1024, (32, 51, 70, 89, 108, 128)), (256, (8, 13, 18, 22, 27, 32))):
        encoding = Dictionary().resolve(Spec("image", 2, 3, (side, side))).build(2, torch.Generator())
        assert tuple(len(encoding.get_parameter(f"basis_{level}")) for level in range(6)) == sides
        assert encoding.d_out == 144
        assert float(encoding.get_parameter("coefficients").detach().max()) == pytest.approx(1e-3)
    with pytest.raises(ConfigError, match="have 2, 6 and 6 numbers"):
        Dictionary(features=(1, 2)).resolve(SPACE)


def test_dense_levels_share_no_entry_and_double(generator: torch.Generator) -> None:
    config = DenseGridConfig(levels=3, features=2).resolve(Spec("image", 2, 3, (64, 48)))
    geometry = config.geometry()
    assert all(geometry.is_dense)
    assert geometry.resolution == ((8, 6), (16, 12), (32, 24))
    count = sum(math.ceil(a * b / 8) * 8 for a, b in geometry.resolution) * 2
    assert sum(p.numel() for p in config.build(2, generator).parameters()) == count
    with pytest.raises(ConfigError, match=r"finest \(4096, 4096, 4096\)"):
        DenseGridConfig(finest=(4096,)).resolve(SPACE)
