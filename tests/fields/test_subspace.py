"""Subspaces: D trained numbers, a file of D numbers, unit rows."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.linalg
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
from tests.fields.formulas import dense_network
from tests.published import AnyValues, Constant, Parameters, Published, PublishedFamily, PublishedFormula, check
from tests.published import Array as Numbers

PICTURE = Spec("image", 2, 3, (24, 24))
BASE = Mlp(encoding=Identity(), activation=Sine(), width=16, depth=2)


N, D = 200, 37


def _forward(p: Parameters, x: Numbers) -> Numbers:
    """The base at theta0 + P z, P normal with columns of unit length. theta0 and P follow from the saved seed."""
    config = Subspace(base=BASE, dimensions=D).resolve(PICTURE)
    field = config.build(PICTURE, torch.Generator())
    assert isinstance(field, SubspaceField)
    field.load_state_dict({name: torch.from_numpy(value) for name, value in p.items()})
    columns = torch.stack([field.projection(e) for e in torch.eye(D)], dim=1).double().numpy()
    moved = (columns / np.linalg.norm(columns, axis=0)) @ p["z"]
    theta, place = {}, 0
    for name, shape in field.shapes.items():
        n = math.prod(shape)
        theta[name] = field.base.get_buffer(name).double().numpy() + moved[place : place + n].reshape(shape)
        place += n
    return dense_network(theta, 2 * x - 1, lambda z: np.sin(30 * z), depth=2)


def _leave_zero(module: torch.nn.Module) -> None:
    """z starts at 0, where the projection makes no difference: other values, where outputs are compared."""
    for parameter in module.parameters():
        if parameter.dtype == torch.float64:
            parameter.data.normal_(generator=torch.Generator().manual_seed(1))


def _ours() -> Fastfood:
    return Fastfood(N, D, torch.Generator().manual_seed(8))


def _fastfood() -> Numbers:
    """H G Pi H B / sqrt(n sum(G^2)), by the matrix H of scipy: the first n rows and D columns."""
    ours = _ours()
    size = len(ours.sign)
    h = scipy.linalg.hadamard(size).astype(float)
    g, b = ours.normal.double().numpy(), ours.sign.double().numpy()
    p = (h * g) @ (h * b)[ours.order.numpy()] / math.sqrt(N * np.square(g).sum())
    return np.asarray(p[:N, :D])


def _fastfood_here() -> Numbers:
    """Times sqrt(D / n): its rows, not its columns, have about unit length."""
    columns = torch.stack([_ours()(e) for e in torch.eye(D)], dim=1)
    return np.asarray(columns.numpy() * math.sqrt(D / N))


PUBLISHED = (
    PublishedFamily(
        config=Subspace(base=BASE, dimensions=D),
        source="uber-research/intrinsic-dimension, intrinsic_dim/train.py",
        spec=PICTURE,
        forward=_forward,
        prepare=_leave_zero,
        initial={"z": Constant(0), "seed": AnyValues()},
        settings={
            "fit.optimizer.beta1": 0.9,
            "fit.optimizer.beta2": 0.99,
            "fit.optimizer.l2": 1e-5,
            "fit.lr": 1e-3,
            "fit.schedule": "constant",
            "fit.batch": 128,
            "fit.steps": 100 * 391,
        },
    ),
    PublishedFormula(
        name="subspace, fastfood times sqrt(D / n)",
        source="uber-research/intrinsic-dimension, keras_ext/rproj_layers_util.py",
        published=_fastfood,
        here=_fastfood_here,
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.name or "subspace")
def test_it_is_the_published_family(statement: Published) -> None:
    check(statement)


def test_the_length_of_columns_is_the_only_difference_to_the_published_form() -> None:
    field = made(D).double()
    field.z.data.normal_(generator=torch.Generator().manual_seed(1))
    columns = torch.stack([field.projection(e) for e in torch.eye(D, dtype=torch.float64)], dim=1)
    published = {"seed": field.seed.numpy(), "z": (field.z.detach() * columns.norm(dim=0)).numpy()}
    x = torch.rand(20, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    assert_near(field(x).detach(), torch.from_numpy(_forward(published, x.numpy())), 1e-4)


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
