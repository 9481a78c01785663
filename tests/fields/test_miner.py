"""MINER: its formula written out, its partitions, and rows that share networks in any way."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from inr.core.config import parse
from inr.core.domain import Spec
from inr.fields import FieldConfig
from inr.fields.block_networks import BlockNetworks
from inr.fields.miner import Miner, partitions
from tests.fields.formulas import symmetric
from tests.published import Array, Parameters, PublishedFamily, check

PICTURE = Spec("image", 2, 3, (96, 64))
SCALES = ((3, 2), (2, 1), (1, 1))
"""Blocks of 32 x 32 pixels, and twice and four times that."""


def _scale(p: Parameters, x: Array, scale: int) -> Array:
    """The network of the block of a scale that holds x, at its place u in [-1, 1]^2 there."""
    n = np.array(SCALES[scale])
    cell = np.clip(np.floor(x * n), 0, n - 1).astype(int)
    h: Array = 2 * (x * n - cell) - 1
    k = sum(math.prod(n) for n in SCALES[:scale]) + cell[:, 0] * n[1] + cell[:, 1]
    for layer in range(4):
        weight, bias = (p[f"networks.layers.{layer}.{name}"][k] for name in ("weight", "bias"))
        z = np.einsum("nio,ni->no", weight, h) + bias
        h = z if layer == 3 else np.sin(30 * z)
    return h


def _sum(p: Parameters, x: Array) -> Array:
    total: Array = np.sum([_scale(p, x, scale) for scale in range(len(SCALES))], axis=0)
    return total


def _published(p: Parameters, x: Array) -> Array:
    """Coarse scales are pictures of a half and a quarter of the size, which are read by linear interpolation."""
    y = _scale(p, x, 0)
    for scale in (1, 2):
        size = np.array([96, 64]) // 2**scale
        low = np.floor(x * size - 0.5)
        t = x * size - 0.5 - low
        for i, j in np.ndindex(2, 2):
            pixel = np.clip(low + np.array((i, j)), 0, size - 1)
            share = (t[:, 0] if i else 1 - t[:, 0]) * (t[:, 1] if j else 1 - t[:, 1])
            y = y + share[:, None] * _scale(p, (pixel + 0.5) / size, scale)
    return y


PUBLISHED = (
    PublishedFamily(
        config=Miner(),
        source="Saragadam et al. 2022, section 3; vishwa91/MINER",
        spec=PICTURE,
        forward=_published,
        initial={
            "*.layers.0.weight": symmetric(1 / 2),
            "*.layers.0.bias": symmetric(1 / math.sqrt(2)),
            "*.weight": symmetric(math.sqrt(6 / 20) / 30),
            "*.bias": symmetric(1 / math.sqrt(20)),
        },
        settings={"field.width": 20, "field.omega": 30.0, "field.scales": 4, "fit.optimizer": "radam", "fit.lr": 3e-2},
        seeds=1,
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.subject)
def test_it_is_the_published_family(statement: PublishedFamily) -> None:
    check(statement)


def test_it_is_the_sum_of_its_scales() -> None:
    generator = torch.Generator().manual_seed(3)
    field = Miner().resolve(PICTURE).build(PICTURE, generator).double()
    x = torch.rand(500, 2, generator=generator, dtype=torch.float64)
    parameters = {name: tensor.numpy() for name, tensor in field.state_dict().items()}
    np.testing.assert_allclose(field(x).detach().numpy(), _sum(parameters, x.numpy()), atol=1e-9)


@pytest.mark.parametrize(
    ("shape", "blocks", "expected"),
    [
        ((768, 512), None, [(24, 16), (12, 8), (6, 4), (3, 2)]),
        ((96, 64), None, list(SCALES)),
        ((88_200,), None, [(345,), (173,), (87,), (44,)]),
        ((64, 64, 64), None, [(4, 4, 4), (2, 2, 2), (1, 1, 1)]),
        (None, None, [(8, 8, 8), (4, 4, 4), (2, 2, 2), (1, 1, 1)]),
        ((1000, 10), 7, [(7, 1), (4, 1), (2, 1), (1, 1)]),
    ],
)
def test_blocks_have_as_many_samples_as_stated(
    shape: tuple[int, ...] | None, blocks: int | None, expected: list[tuple[int, ...]]
) -> None:
    spec = Spec("shape", 3, 1) if shape is None else Spec("array", len(shape), 1, shape)
    config = Miner(blocks=blocks).resolve(spec)
    assert config.blocks is not None
    assert partitions(config.blocks, config.scales, spec) == expected


@pytest.mark.parametrize("counts", [[1] * 9, [200, 1, 1], [3, 0, 5, 4, 17, 64, 65]])
def test_rows_may_share_networks_in_any_way(counts: list[int]) -> None:
    generator = torch.Generator().manual_seed(0)
    networks = BlockNetworks(len(counts), 2, 3, 5, 2, 30.0, generator).double()
    k = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    k = k[torch.randperm(len(k), generator=generator)]
    u = torch.rand(len(k), 2, generator=generator, dtype=torch.float64) * 2 - 1
    alone = torch.stack([networks(u[i : i + 1], k[i : i + 1])[0] for i in range(len(k))])
    torch.testing.assert_close(networks(u, k), alone, rtol=0, atol=1e-12)


def test_more_scales_than_there_are_blocks_change_nothing() -> None:
    fields = [parse(FieldConfig, {"type": "miner", "blocks": 2, "scales": n}).resolve(PICTURE) for n in (2, 16)]
    sizes = [field.build(PICTURE, torch.Generator().manual_seed(0)).n_params for field in fields]
    assert sizes[0] == sizes[1]
