"""Subspaces: D trained numbers, a file of D numbers, unit rows."""

from __future__ import annotations

import math

import pytest
import torch

from inr.core.domain import Spec
from inr.core.errors import UsageError
from inr.core.samples import DataDependentInit, Samples
from inr.encodings.identity import Identity
from inr.fields.mlp import Mlp
from inr.fields.subspace import DenseProjection, Fastfood, Subspace, SubspaceField, hadamard
from inr.layers.activations.sine import Sine
from inr.signals.array import Array
from inr.workflows.fit import fit
from tests.assertions import assert_near, assert_same_bytes

PICTURE = Spec("image", 2, 3, (24, 24))
BASE = Mlp(encoding=Identity(), activation=Sine(), width=16, depth=2)


def made(dimensions: int = 50, seed: int = 0, **settings: object) -> SubspaceField:
    config = Subspace(base=BASE, dimensions=dimensions, **settings).resolve(PICTURE)  # type: ignore[arg-type]
    field = config.build(PICTURE, torch.Generator().manual_seed(seed))
    assert isinstance(field, SubspaceField)
    return field


@pytest.mark.parametrize("projection", ["dense", "fastfood"])
def test_exactly_d_numbers_are_trained_and_with_a_seed_they_are_the_whole_file(projection: str) -> None:
    field = made(37, projection=projection)
    assert field.n_params == 37
    assert {role: [p.numel() for p in group] for role, group in field.param_groups().items()} == {"subspace": [37]}
    assert {name: t.numel() for name, t in field.state_dict().items()} == {"z": 37, "seed": 1}


def test_at_zero_it_is_the_base_of_its_seed(generator: torch.Generator) -> None:
    field = made()
    base = BASE.resolve(PICTURE).build(PICTURE, torch.Generator().manual_seed(int(field.seed)))
    x = torch.rand(20, 2, generator=generator)
    assert not field.z.detach().any()
    assert_same_bytes(field(x), base(x))


@pytest.mark.parametrize("projection", ["dense", "fastfood"])
def test_theta_is_theta0_plus_p_z_in_the_folded_base(projection: str, generator: torch.Generator) -> None:
    field = made(projection=projection)
    with torch.no_grad():
        field.z.copy_(0.01 * torch.randn(50, generator=generator))
    folded = field.fold()
    start = BASE.resolve(PICTURE).build(PICTURE, torch.Generator().manual_seed(int(field.seed)))
    moved = torch.cat([(a - b).flatten() for a, b in zip(folded.parameters(), start.parameters(), strict=True)])
    assert_near(moved.detach(), field.projection(field.z).detach(), 1e-4)
    x = torch.rand(20, 2, generator=generator)
    assert_near(folded(x), field(x), 1e-5)


def test_the_hadamard_matrix_is_that_of_sylvester(generator: torch.Generator) -> None:
    h = torch.ones(1, 1)
    for _ in range(4):
        h = torch.cat([torch.cat([h, h], 1), torch.cat([h, -h], 1)])
    x = torch.randn(16, generator=generator)
    assert_near(hadamard(x), h @ x, 1e-5)


def test_rows_of_both_projections_have_unit_length(generator: torch.Generator) -> None:
    n, d = 700, 256
    for make, spread in ((DenseProjection, 1e-5), (Fastfood, 0.25)):
        matrix = torch.stack([make(n, d, torch.Generator().manual_seed(1))(e) for e in torch.eye(d)], dim=1)
        lengths = torch.linalg.vector_norm(matrix, dim=1)
        assert abs(float(lengths.square().mean()) - 1) < 0.05
        assert float((lengths - 1).abs().max()) < spread
        gram = matrix.T @ matrix * d / n  # columns are about orthogonal
        assert float((gram - torch.diag(gram.diagonal())).abs().max()) < 6 * math.sqrt(d / n) / math.sqrt(d) * 2


def test_large_bases_get_the_structured_projection() -> None:
    assert isinstance(made(50).projection, DenseProjection)
    wide = Subspace(base=Mlp(width=256), dimensions=1000).resolve(PICTURE)
    large = wide.build(PICTURE, torch.Generator().manual_seed(0))
    assert isinstance(large, SubspaceField)
    assert isinstance(large.projection, Fastfood)
    assert large.n_params == 1000


def test_a_base_that_reads_the_signal_is_refused() -> None:
    class Looking(torch.nn.Module, DataDependentInit):
        def initialise(self, samples: Samples, generator: torch.Generator) -> None:
            field.base.get_buffer("body.last.weight").add_(1.0)

    field = made()
    samples = Samples(PICTURE, 0, lambda index: (index, index))
    field.initialise(samples, torch.Generator())
    field.base.add_module("looking", Looking())
    with pytest.raises(UsageError, match="cannot use base 'mlp': it is initialised from the signal"):
        field.initialise(samples, torch.Generator())


def test_more_dimensions_fit_better() -> None:
    t = (torch.arange(128) + 0.5) / 128
    signal = Array.of_array(torch.cos(2 * torch.pi * 2 * t).numpy())
    found = [
        fit(
            signal,
            {"type": "subspace", "dimensions": d, "base": BASE.to_json()},
            {"steps": 150, "lr": 3e-3, "batch": 128},
        ).metrics["psnr_db"]
        for d in (4, 200)
    ]
    assert found[1] > found[0] + 10
