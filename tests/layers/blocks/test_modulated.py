"""Coordinate-aware modulation: its closed forms."""

from __future__ import annotations

import torch
from torch.nn import functional

from inr.core.domain import Spec
from inr.encodings.identity import Identity
from inr.fields.cam import Cam
from inr.fields.mlp import Mlp
from inr.kernels.multilinear import multilinear
from inr.layers.blocks.affine import Affine
from inr.layers.blocks.modulated import Modulated
from inr.layers.heads.standard import LinearHeadConfig
from tests.assertions import assert_near

PICTURE = Spec("image", 2, 3, (24, 16))


def test_a_table_is_read_by_the_bilinear_formula_also_where_it_is_not_square(generator: torch.Generator) -> None:
    table = torch.randn(4, 7, 2, generator=generator, dtype=torch.float64)
    x = torch.tensor([[0.2, 0.9]], dtype=torch.float64)
    i, j, s, t = 0, 5, 0.2 * 3, 0.9 * 6 - 5
    expected = (1 - s) * ((1 - t) * table[i, j] + t * table[i, j + 1])
    expected = expected + s * ((1 - t) * table[i + 1, j] + t * table[i + 1, j + 1])
    assert_near(multilinear(x, table)[0], expected, 1e-12)


def test_a_table_is_read_as_torch_reads_it_and_is_clamped_beyond_its_border(generator: torch.Generator) -> None:
    for sides in ((5, 7), (3, 4, 6)):
        table = torch.randn(*sides, 3, generator=generator, dtype=torch.float64)
        x = torch.rand(50, len(sides), generator=generator, dtype=torch.float64) * 2 - 0.5
        found = functional.grid_sample(
            table.movedim(-1, 0)[None],
            (2 * x - 1).flip(-1)[(None,) * len(sides)],
            align_corners=True,
            padding_mode="border",
        )
        assert_near(multilinear(x, table), found.reshape(3, -1).T, 1e-12)


def test_every_vertex_is_met_at_both_ends_too(generator: torch.Generator) -> None:
    table = torch.randn(5, 1, generator=generator)
    assert_near(multilinear(torch.linspace(0, 1, 5)[:, None], table), table, 1e-6)


def test_derivatives_of_both_orders_are_right(generator: torch.Generator) -> None:
    table = torch.randn(3, 4, 2, generator=generator, dtype=torch.float64).requires_grad_()
    x = torch.rand(6, 2, generator=generator, dtype=torch.float64).requires_grad_()
    for interpolation in ("linear", "smoothstep"):
        assert torch.autograd.gradcheck(lambda a, b: multilinear(a, b, interpolation), (x, table))  # noqa: B023
        assert torch.autograd.gradgradcheck(lambda a, b: multilinear(a, b, interpolation), (x, table))  # noqa: B023


def test_modulation_without_norm_starts_as_the_network_it_modulates(generator: torch.Generator) -> None:
    x = torch.rand(64, 2, generator=generator)
    base = Mlp(width=16, block=Affine()).resolve(PICTURE).build(PICTURE, torch.Generator().manual_seed(3))
    modulated = Mlp(width=16, block=Modulated(has_norm=False)).resolve(PICTURE)
    field = modulated.build(PICTURE, torch.Generator().manual_seed(3))
    assert_near(field(x), base(x), 1e-6)
    grids = field.param_groups()["encoding"]
    assert [tuple(g.shape) for g in grids] == [(32, 32, 2)] * 3


def test_one_modulated_layer_is_the_formula(generator: torch.Generator) -> None:
    config = Cam(encoding=Identity(), head=LinearHeadConfig(), width=16, depth=1, block=Modulated(vertices=4))
    field = config.resolve(PICTURE).build(PICTURE, generator).double()
    block, last = field.body.blocks[0], field.body.last  # type: ignore[union-attr, index]
    with torch.no_grad():
        block.modulation.grid.normal_(generator=generator)  # type: ignore[union-attr]
    x = torch.rand(7, 2, generator=generator, dtype=torch.float64)
    a = (2 * x - 1) @ block.linear.weight.T + block.linear.bias  # type: ignore[union-attr]
    a = (a - a.mean(-1, keepdim=True)) / (a.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()
    gamma, beta = multilinear(x, block.modulation.grid).unbind(-1)  # type: ignore[union-attr]
    hidden = (gamma[:, None] * a + beta[:, None]).relu()
    assert_near(field(x), hidden @ last.weight.T + last.bias, 1e-10)  # type: ignore[union-attr]
