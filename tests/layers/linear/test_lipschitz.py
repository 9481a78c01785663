"""Layers and fields with bounded slopes."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from inr.core.config import parse
from inr.core.domain import Spec
from inr.core.errors import ConfigError
from inr.encodings.identity import Identity
from inr.fields import Field, FieldConfig
from inr.fields.lbdn import Lbdn
from inr.fields.lipmlp import LipMlp
from inr.layers import BlockSpec
from inr.layers.activations.relu import Relu
from inr.layers.activations.sine import Sine
from inr.layers.blocks.sandwich import Sandwich, SandwichBlock
from inr.layers.linear.cayley import Cayley, cayley, inverse_cayley
from inr.layers.linear.dense import DenseLinear
from inr.layers.linear.lipschitz import Lipschitz, LipschitzLinear
from tests.assertions import assert_near

SHAPE = Spec("shape", 3, 1)


def identity(n: int) -> Tensor:
    return torch.eye(n, dtype=torch.float64)


@pytest.mark.parametrize("shape", [(6, 6), (9, 4), (5, 1)])
def test_the_cayley_transform_gives_orthonormal_columns_and_has_an_inverse(
    shape: tuple[int, int], generator: torch.Generator
) -> None:
    matrix = torch.randn(*shape, generator=generator, dtype=torch.float64)
    q = cayley(matrix)
    assert_near(q.T @ q, identity(shape[1]), 1e-12)
    assert_near(cayley(inverse_cayley(q)), q, 1e-12)


def test_a_large_single_precision_transform_is_still_orthonormal(generator: torch.Generator) -> None:
    layer = Cayley().build(512, 256, has_bias=False, role="hidden", generator=generator)
    q = layer.effective()[0].detach()
    assert_near(q @ q.T, torch.eye(256), 1e-5)


def test_it_becomes_the_nearest_orthonormal_matrix(generator: torch.Generator) -> None:
    layer = Cayley().build(9, 5, has_bias=False, role="hidden", generator=generator)
    weight = torch.randn(5, 9, generator=generator)
    layer.assign(weight)
    u, _, vt = torch.linalg.svd(weight, full_matrices=False)
    assert_near(layer.effective()[0].detach(), u @ vt, 1e-5)


@pytest.mark.parametrize(("d_in", "d_out"), [(9, 5), (5, 9), (6, 6)])
def test_first_and_last_layers_share_gamma_and_the_last_may_shrink(
    d_in: int, d_out: int, generator: torch.Generator
) -> None:
    linear = Cayley(gamma=9.0)
    norms = {}
    for role in ("first", "hidden", "last"):
        layer = linear.build(d_in, d_out, has_bias=True, role=role, generator=generator)
        norms[role] = float(torch.linalg.matrix_norm(layer.effective()[0].detach(), 2))
    assert abs(norms["first"] - 3) < 1e-5
    assert abs(norms["hidden"] - 1) < 1e-5
    assert 0.1 < norms["last"] < 3


def block_of(activation: Any, width: int, d_h: int, generator: torch.Generator) -> SandwichBlock:
    block = (
        Sandwich().build(BlockSpec(d_h, d_h, d_h, width, 1, "hidden", True, Cayley(), activation, generator)).double()
    )
    assert isinstance(block, SandwichBlock)
    return block


def test_the_sandwich_is_the_formula(generator: torch.Generator) -> None:
    block = block_of(Relu(), 6, 4, generator)
    with torch.no_grad():
        block.psi.copy_(torch.randn(6, generator=generator))
    q = block.linear.orthonormal()
    a, b, psi = q[:, :6], q[:, 6:], torch.diag(block.psi.exp())
    assert_near(a @ a.T + b @ b.T, identity(6), 1e-12)
    h = torch.randn(5, 4, generator=generator, dtype=torch.float64)
    inner = math.sqrt(2) * torch.linalg.inv(psi) @ b @ h.T + block.linear.bias[:, None]  # type: ignore[index]
    expected = (math.sqrt(2) * a.T @ psi @ torch.relu(inner)).T
    assert_near(block(h, h, h), expected, 1e-12)


def rotation_block(activation: Any) -> SandwichBlock:
    """A = R diag(1, 0) R', B = R diag(0, 1) R' for R by 45 degrees: stretches most where signs of slopes differ."""
    block = block_of(activation, 2, 2, torch.Generator().manual_seed(0))
    r = torch.tensor([[1.0, -1.0], [1.0, 1.0]], dtype=torch.float64) / math.sqrt(2)
    a, b = (r @ torch.diag(torch.tensor(d, dtype=torch.float64)) @ r.T for d in ([1.0, 0.0], [0.0, 1.0]))
    block.linear.assign(torch.cat([a, b], dim=1))
    with torch.no_grad():
        assert block.linear.bias is not None
        block.linear.bias.copy_(torch.tensor([0.0, math.pi]))
    return block


def test_sines_need_the_half_that_they_are_given() -> None:
    """sin(z) has slope 1 at 0 and -1 at pi: with sigma = sin(z) alone this block would have slope 2."""
    block = rotation_block(Sine(omega=1.0))
    h = torch.zeros(1, 2, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda v: block(v, v, v)[0], h)[:, 0]  # type: ignore[no-untyped-call]
    assert abs(float(torch.linalg.matrix_norm(jacobian, 2)) - 1) < 1e-9
    assert block.squash == 0.5


def test_sandwiches_refuse_what_has_no_bound(generator: torch.Generator) -> None:
    with pytest.raises(ConfigError, match="needs linear 'cayley', not 'dense'"):
        parse(FieldConfig, {"type": "lbdn", "linear": "dense"}).resolve(SHAPE).build(SHAPE, generator)


def slopes(field: Field, generator: torch.Generator, n: int = 4000) -> Tensor:
    """|f(x) - f(y)| / |x - y| over random pairs, far and near."""
    field = field.double()
    x = torch.rand(n, field.d_in, generator=generator, dtype=torch.float64)
    far = torch.rand(n, field.d_in, generator=generator, dtype=torch.float64)
    near = x + 1e-4 * torch.randn(n, field.d_in, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        return torch.cat([(field(x) - field(y)).norm(dim=-1) / (x - y).norm(dim=-1) for y in (far, near)])


def push(field: Field, generator: torch.Generator, steps: int = 60) -> None:
    """Train the field towards far too steep values."""
    x = torch.rand(256, field.d_in, generator=generator)
    y = 50 * torch.sin(20 * x.sum(-1, keepdim=True))
    optimizer = torch.optim.Adam(field.parameters(), lr=0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        (field(x) - y).square().mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()


@pytest.mark.parametrize("activation", ["relu", "sine"])
@pytest.mark.parametrize("gamma", [1.0, 5.0])
def test_no_pair_of_points_is_steeper_than_gamma_however_it_is_trained(
    activation: str, gamma: float, generator: torch.Generator
) -> None:
    document = {"type": "lbdn", "width": 16, "depth": 2, "activation": activation}
    config = parse(FieldConfig, {**document, "linear": {"type": "cayley", "gamma": gamma}}).resolve(SHAPE)
    field = config.build(SHAPE, generator)
    push(field, generator)
    bound = field.lipschitz_bound()
    assert bound is not None
    assert bound <= gamma * (1 + 1e-6)
    steepest = float(slopes(field, generator).max())
    assert steepest <= bound * (1 + 1e-6)
    assert steepest > 0.05 * gamma
    folded = field.fold()
    assert all(isinstance(m, DenseLinear) for m in folded.modules() if hasattr(m, "effective") and hasattr(m, "d_in"))
    x = torch.rand(100, 3, generator=generator, dtype=torch.float64)
    assert_near(folded.double()(x), field.double()(x), 1e-5)
    assert folded.lipschitz_bound() is not None


def test_the_certificate_counts_the_encoding_in(generator: torch.Generator) -> None:
    for encoding, factor in (({"low": -1.0, "high": 1.0}, 2.0), ({"low": 0.0, "high": 1.0}, 1.0)):
        config = parse(
            FieldConfig, {"type": "lbdn", "width": 8, "depth": 1, "encoding": {"type": "identity", **encoding}}
        ).resolve(SHAPE)
        field = config.build(SHAPE, torch.Generator().manual_seed(0))
        bound = field.lipschitz_bound()
        last = float(torch.linalg.matrix_norm(field.body.last.effective()[0].detach(), 2))  # type: ignore[union-attr, operator]
        assert bound is not None
        assert abs(bound - factor * last) < 1e-5


@pytest.mark.parametrize("document", [{"type": "mlp"}, {"type": "siren"}, {"type": "lipmlp"}, {"type": "hash_grid"}])
def test_other_fields_are_bounded_by_the_product_of_their_layers_or_have_no_bound(
    document: dict[str, Any], generator: torch.Generator
) -> None:
    small = {"encoding": {"type": "hash_grid", "levels": 2, "log2_table": 8}} if document["type"] == "hash_grid" else {}
    field = parse(FieldConfig, {**document, **small, "width": 16, "depth": 2}).resolve(SHAPE).build(SHAPE, generator)
    bound = field.lipschitz_bound()
    if document["type"] == "hash_grid":
        assert bound is None
        return
    assert bound is not None
    assert float(slopes(field, generator).max()) <= bound


def test_gamma_is_one_for_distances() -> None:
    config = Lbdn().resolve(SHAPE)
    assert isinstance(config.linear, Cayley)
    assert config.linear.gamma == 1.0
    picture = Spec("image", 2, 3, (64, 32))
    octaves, raw = Lbdn().resolve(picture).linear, Lbdn(encoding=Identity(low=-1.0, high=1.0)).resolve(picture).linear
    assert isinstance(octaves, Cayley)
    assert octaves.gamma == 4.0
    assert isinstance(raw, Cayley)
    assert raw.gamma == pytest.approx(8 * math.pi)


# -- LipMLP


def test_row_sums_stay_under_the_learned_bound_and_small_rows_are_left(generator: torch.Generator) -> None:
    layer = Lipschitz().build(6, 5, has_bias=False, role="hidden", generator=generator)
    assert isinstance(layer, LipschitzLinear)
    assert_near(layer.effective()[0].detach(), layer.rows.detach(), 1e-6)  # initially nothing is scaled
    with torch.no_grad():
        layer.c.copy_(torch.tensor(0.3))
        layer.rows[0] *= 0.01
    bound = math.log1p(math.exp(0.3))
    sums = layer.effective()[0].detach().abs().sum(1)
    own = layer.rows.detach().abs().sum(1)
    assert_near(sums, own.clamp_max(bound), 1e-5)
    assert own[1:].max() > bound > own[0]


def test_the_penalty_is_the_weighted_product_and_training_lowers_the_bound(generator: torch.Generator) -> None:
    field = LipMlp(width=16, depth=2, linear=Lipschitz(weight=1e-3)).resolve(SHAPE).build(SHAPE, generator)
    layers = [m for m in field.modules() if isinstance(m, LipschitzLinear)]
    penalty = field.penalty()
    assert penalty is not None
    expected = 1e-3 * math.prod(float(torch.nn.functional.softplus(m.c.detach())) for m in layers)
    assert abs(float(penalty.detach()) - expected) < 1e-6 * expected + 1e-9
    assert len(layers) == 3
    x = torch.rand(64, 3, generator=generator)
    optimizer = torch.optim.Adam(field.parameters(), lr=0.02)
    for _ in range(100):
        optimizer.zero_grad()
        term = field.penalty()
        assert term is not None
        ((field(x) - x[:, :1]).square().mean() + term).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    after = field.penalty()
    assert after is not None
    assert float(after.detach()) < 0.7 * expected
    for layer in layers:
        assert float(layer.effective()[0].detach().abs().sum(1).max()) <= float(layer.bound().detach()) * (1 + 1e-6)
    assert LipMlp(linear=Lipschitz(weight=0.0)).linear.penalty(layers) is None
