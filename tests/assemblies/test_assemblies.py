"""Factorised assemblies: contractions against explicit sums, and the bound of the singular values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from inr.core.config import parse
from inr.core.domain import Spec
from inr.core.samples import Samples
from inr.fields import Field, FieldConfig
from inr.signals.array import Array
from inr.workflows.fit import fit
from tests.assertions import assert_near


def make(form: str, rank: int, d_in: int, d_out: int = 2, **more: Any) -> Field:
    spec = Spec("array", d_in, d_out, (12,) * d_in)
    document = {"type": "f_inr", "assembly": {"type": form, "rank": rank}, "width": 32, "depth": 2, **more}
    return parse(FieldConfig, document).resolve(spec).build(spec, torch.Generator().manual_seed(0)).double()


def factors(field: Field, x: Tensor) -> list[Tensor]:
    return [body(x[:, i : i + 1]) for i, body in enumerate(field.body.bodies)]  # type: ignore[union-attr, arg-type]


@pytest.mark.parametrize("d_in", [1, 2, 3, 4])
@pytest.mark.parametrize("form", ["cp", "tt", "tucker"])
def test_contractions_are_the_explicit_sums(form: str, d_in: int, generator: torch.Generator) -> None:
    rank, channels = 3, 2
    field = make(form, rank, d_in, channels)
    x = torch.rand(5, d_in, generator=generator, dtype=torch.float64)
    phi = factors(field, x)
    expected = torch.zeros(5, channels, dtype=torch.float64)
    if form == "cp":
        for r in range(rank):
            for c in range(channels):
                expected[:, c] += math.prod(p.reshape(5, rank, channels)[:, r, c] for p in phi)
    elif form == "tt":
        sides = [1] + [rank] * (d_in - 1) + [channels]
        for n in range(5):
            chain = torch.eye(1, dtype=torch.float64)
            for i, p in enumerate(phi):
                chain = chain @ p[n].reshape(sides[i], sides[i + 1])
            expected[n] = chain[0]
    else:
        letters = "abcd"[:d_in]
        core = field.body.core  # type: ignore[union-attr]
        expected = torch.einsum(f"{letters}z,{','.join('n' + s for s in letters)}->nz", core, *phi)
    assert_near(field(x), expected, 1e-10)


@pytest.mark.parametrize("d_in", [1, 2, 3, 4])
@pytest.mark.parametrize("form", ["cp", "tt", "tucker"])
def test_a_product_of_coordinates_is_its_points(form: str, d_in: int, generator: torch.Generator) -> None:
    field = make(form, 3, d_in)
    axes = [torch.rand(n, generator=generator, dtype=torch.float64) for n in (3, 4, 2, 5)[:d_in]]
    x = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
    seen: list[int] = []
    for body in field.body.bodies:  # type: ignore[union-attr]
        body.register_forward_hook(lambda m, i, out: seen.append(len(out)))
    on_grid = field.on_grid(axes)
    assert seen == [len(a) for a in axes]  # every coordinate once
    assert_near(on_grid, field(x), 1e-10)


@pytest.mark.parametrize("activation", ["relu", "sine"])
@pytest.mark.parametrize("form", ["cp", "tt", "tucker"])
def test_products_start_at_unit_variance(form: str, activation: str, generator: torch.Generator) -> None:
    field = make(form, 16, 3, 8, activation=activation)
    samples = Samples(field.spec, 0, lambda i: (i, i))  # type: ignore[arg-type]
    field.initialise(samples, generator)
    y = field.on_grid([(torch.arange(32, dtype=torch.float64) + 0.5) / 32] * 3)
    assert 0.3 < float(y.detach().square().mean()) < 3


def best_of_rank(values: np.ndarray[Any, Any], rank: int) -> float:
    """PSNR in dB of the truncated singular values (Eckart and Young's optimum), for values mapped onto [-1, 1]."""
    middle, half = (values.max() + values.min()) / 2, (values.max() - values.min()) / 2
    tail = np.linalg.svd((values.astype(np.float64) - middle) / half, compute_uv=False)[rank:]
    return 10 * math.log10(4 / (float(np.square(tail).sum()) / values.size))


@pytest.mark.parametrize("rank", [1, 2])
def test_a_picture_of_rank_r_is_no_better_than_its_truncated_singular_values(rank: int) -> None:
    """It comes near this optimum: the rank limits the fit, not the networks."""
    t = (np.arange(24) + 0.5) / 24
    values = np.outer(np.cos(3 * t), np.sin(5 * t)) + np.outer(t**2, 1 - t) + 0.1 * np.outer(np.sin(7 * t), t)
    bound = best_of_rank(values, rank)
    document = {
        "type": "f_inr", "assembly": {"type": "cp", "rank": rank}, "width": 32, "depth": 2, "init": "matched",
    }  # fmt: skip
    found = fit(Array.of_array(values.astype(np.float32)), document, {"steps": 200, "lr": 3e-3}).metrics["psnr_db"]
    assert bound - 4 < found <= bound + 1e-3


def test_bodies_are_made_for_one_axis_the_longest() -> None:
    spec = Spec("image", 2, 3, (96, 64))
    document = {"type": "f_inr", "encoding": "hash_grid", "block": "modulated", "width": 8}
    config = parse(FieldConfig, document).resolve(spec)
    assert config.resolve(spec) == config
    assert config.encoding.finest == (97,)  # type: ignore[attr-defined]
    assert config.block.vertices == 64  # type: ignore[attr-defined]
    assert config.build(spec, torch.Generator())(torch.rand(4, 2)).shape == (4, 3)
