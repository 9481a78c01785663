"""Trained Gaussians and Gaussian units."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from inr.core.config import parse
from inr.core.domain import Spec
from inr.core.errors import ConfigError
from inr.encodings.gaussians import Gaussians, GaussiansEncoding
from inr.fields import FIELDS, FieldConfig
from inr.kernels import use_backend
from inr.kernels.splat import splat
from inr.layers import BlockSpec
from inr.layers.activations.relu import Relu
from inr.layers.blocks.radial import Radial
from inr.layers.linear.dense import Dense
from inr.signals.array import Array
from inr.workflows.fit import fit
from tests.assertions import assert_near

Scene = tuple[Tensor, Tensor, Tensor, Tensor]  # points, centres, factors, values
PICTURE = Spec("image", 2, 3, (48, 32))


def _scene(d: int, generator: torch.Generator) -> tuple[Scene, tuple[float, ...]]:
    size = (30.0, 20.0, 10.0)[:d]
    box = torch.tensor(size, dtype=torch.float64)
    centres = torch.rand(80, d, generator=generator, dtype=torch.float64) * box
    factors = torch.tril(torch.randn(80, d, d, generator=generator, dtype=torch.float64))
    factors = (
        factors
        - torch.diag_embed(factors.diagonal(dim1=-2, dim2=-1))
        + torch.eye(d) * (0.5 + 3 * torch.rand(80, d, 1, generator=generator, dtype=torch.float64))
    )
    values = torch.randn(80, 3, generator=generator, dtype=torch.float64)
    p = (torch.rand(200, d, generator=generator, dtype=torch.float64) * 1.4 - 0.2) * box
    return (p, centres, factors, values), size


def _dense(p: Tensor, centres: Tensor, factors: Tensor, values: Tensor, reach: float) -> Tensor:
    offset = p[:, None] - centres
    precision = torch.linalg.inv(factors @ factors.mT)
    q = torch.einsum("nmi,mij,nmj->nm", offset, precision, offset)
    return torch.where(q <= reach**2, torch.exp(-q / 2), 0.0) @ values


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("reach", [0.5, 3.5])
def test_no_gaussian_that_reaches_a_point_is_missed(d: int, reach: float, generator: torch.Generator) -> None:
    scene, size = _scene(d, generator)
    assert_near(splat(*scene, size, reach), _dense(*scene, reach), 1e-9)


def test_gradients_are_those_of_the_whole_sum(generator: torch.Generator) -> None:
    scene, size = _scene(2, generator)
    p, centres, factors, values = (t.clone().requires_grad_() for t in scene)
    leaves = (p, centres, factors, values)
    weight = torch.randn(200, 3, generator=generator, dtype=torch.float64)
    found = torch.autograd.grad((splat(*leaves, size, 3.0) * weight).sum(), leaves)
    expected = torch.autograd.grad((_dense(*leaves, 3.0) * weight).sum(), leaves)
    for a, b in zip(found, expected, strict=True):
        assert_near(a.tril() if a.ndim == 3 else a, b.tril() if b.ndim == 3 else b, 1e-8)


def test_parts_of_the_points_give_the_same(generator: torch.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    scene, size = _scene(2, generator)
    with use_backend("reference"):
        whole = splat(*scene, size, 3.0)
        monkeypatch.setattr("inr.kernels.splat.reference.MAX_PAIRS", 50)
        assert_near(splat(*scene, size, 3.0), whole, 1e-12)


def _encoding(generator: torch.Generator, **settings: Any) -> GaussiansEncoding:
    encoding = Gaussians(**settings).resolve(PICTURE).build(2, generator)
    assert isinstance(encoding, GaussiansEncoding)
    return encoding


def test_the_start_is_the_papers(generator: torch.Generator) -> None:
    encoding = _encoding(generator)
    assert len(encoding.position) == 48 * 32 // 8
    assert sum(p.numel() for p in encoding.parameters()) == 8 * len(encoding.position)
    centres = torch.tanh(encoding.position.detach())
    assert abs(float(centres.mean())) < 0.1
    assert abs(float(centres.square().mean()) - 1 / 3) < 0.05
    diagonal = encoding.factors().detach().diagonal(dim1=-2, dim2=-1)
    assert diagonal.min() >= 0.5
    assert 1.4 < diagonal.max() <= 1.5
    low, high = encoding.values.weight.detach().aminmax()
    assert 0 <= low < 0.1
    assert 1.9 < high <= 2


def test_a_gaussian_is_never_narrower_than_half_a_sample(generator: torch.Generator) -> None:
    encoding = _encoding(generator, n_gaussians=50)
    with torch.no_grad():
        encoding.factor.normal_(0, 2, generator=generator)
    factors = encoding.factors()
    assert factors.diagonal(dim1=-2, dim2=-1).min() >= 0.5
    assert factors[:, 0, 1].abs().max() == 0
    assert_near(factors[:, 1, 0], encoding.factor[:, 1], 1e-7)


def test_one_gaussian_is_its_formula_in_samples(generator: torch.Generator) -> None:
    encoding = _encoding(generator, n_gaussians=1)
    with torch.no_grad():
        encoding.position.zero_()  # the middle of the picture
        encoding.factor.copy_(torch.tensor([[1.5, 1.0, 0.5]]))  # L = [[2, 0], [1, 1]]
        encoding.values.weight.fill_(0.8)
    at = torch.tensor([[24 + 2.0, 16 + 2.0]]) / torch.tensor([48.0, 32.0])
    expected = -1 + 0.8 * torch.exp(torch.tensor(-0.5 * 2.0))  # L^-1 (2, 2) = (1, 1)
    assert_near(encoding(at), expected.expand(1, 3), 1e-5)
    assert torch.equal(encoding(torch.zeros(1, 2)), -torch.ones(1, 3))  # black where none reaches


def test_the_bare_assembly_needs_a_feature_per_channel() -> None:
    config = parse(FieldConfig, {"type": "gaussian_image", "encoding": {"features": 2}}).resolve(PICTURE)
    with pytest.raises(ConfigError, match=r"2 features, assembly 'bare' expects one per channel \(3\)"):
        config.build(PICTURE, torch.Generator())


def test_a_sum_of_gaussians_learns_a_picture() -> None:
    t = torch.linspace(0, 6, 24)
    signal = Array.of_array((torch.sin(t)[:, None] * torch.cos(t)).numpy())
    done = fit(signal, {"type": "gaussian_image"}, {"steps": 150, "batch": 576})
    assert done.metrics["psnr_db"] > 30


@pytest.mark.parametrize("is_isotropic", [True, False])
def test_units_are_gaussians_of_the_distance_to_their_centres(is_isotropic: bool, generator: torch.Generator) -> None:
    spec = BlockSpec(5, 5, 2, 7, 1, "first", True, Dense(), Relu(), generator)
    block = Radial(spread=2.0, reach=None, is_isotropic=is_isotropic).build(spec)
    h = torch.randn(9, 5, generator=generator)
    with torch.no_grad():
        block.log_width.normal_(generator=generator)  # type: ignore[operator]
    widths = block.log_width.exp().reshape(7, -1)  # type: ignore[operator]
    distance = ((h[:, None] - block.centres) / widths).norm(dim=-1)  # type: ignore[operator]
    assert_near(block(h, h, h[:, :2]), torch.exp(-0.5 * distance**2), 1e-4)


def test_units_start_near_their_maximum(generator: torch.Generator) -> None:
    spec = BlockSpec(40, 40, 2, 500, 1, "first", True, Dense(), Relu(), generator)
    block = Radial(spread=0.3, reach=None, is_isotropic=True).build(spec)
    awake = block(torch.zeros(1, 40), torch.zeros(1, 40), torch.zeros(1, 2))
    assert abs(float(awake.detach().mean()) - 0.61) < 0.02


def test_rbfnet_is_one_layer_of_units() -> None:
    spec = Spec("image", 2, 3, (32, 32))
    field = FIELDS["rbfnet"]().resolve(spec).build(spec, torch.Generator())
    groups = field.param_groups()
    assert [tuple(p.shape) for p in groups["first"]] == [(128, 20), (128, 20)]
    assert [tuple(p.shape) for p in groups["last"]] == [(3, 128), (3,)]
