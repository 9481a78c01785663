"""Dynamical low-rank training: its step in NumPy, its rank, and runs with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator, nn

from inr.core.config import parse
from inr.core.domain import Spec
from inr.core.errors import UsageError
from inr.fields import Field, FieldConfig
from inr.fields.low_rank import ranks, truncate
from inr.fitting import Run, resolve, resume, save_checkpoint
from inr.layers.linear.dlrt import Dlrt, DlrtLinear, augmented, turn
from inr.signals.array import Array
from tests.assertions import assert_near
from tests.published import Array as NumbersArray
from tests.published import Published, PublishedFormula, PublishedMethod, check

ROWS, COLUMNS, RANK, RATE = 9, 7, 3, 0.1


def _numbers(*shape: int, seed: int) -> NumbersArray:
    numbers: NumbersArray = np.random.default_rng(seed).standard_normal(shape)
    return numbers


def _factors() -> tuple[NumbersArray, NumbersArray, NumbersArray]:
    u, v = (np.linalg.qr(_numbers(n, RANK, seed=n))[0] for n in (ROWS, COLUMNS))
    return u, np.diag([3.0, 2.0, 0.5]), v


GRADIENT = _numbers(ROWS, COLUMNS, seed=0)


def _published(*, is_parallel: bool) -> tuple[NumbersArray, NumbersArray, NumbersArray]:
    """Q_u, S", Q_v of a step of gradient descent.

    Algorithm 1 of the paper with bases of [K | U], or for `is_parallel` with those of [U | K], and S" of equation
    (3.3) of Ceruti, Kusch and Lubich 2024, [[S', L^T V~], [U~^T K, 0]].
    """
    u, s, v = _factors()
    k, ell = u @ s - RATE * GRADIENT @ v, v @ s.T - RATE * GRADIENT.T @ u
    if is_parallel:
        q_u, q_v = np.linalg.qr(np.hstack([u, k]))[0], np.linalg.qr(np.hstack([v, ell]))[0]
        q_u[:, :RANK], q_v[:, :RANK] = u, v
        new_u, new_v = q_u[:, RANK:], q_v[:, RANK:]
        upper = np.hstack([s - RATE * u.T @ GRADIENT @ v, ell.T @ new_v])
        lower = np.hstack([new_u.T @ k, np.zeros((RANK, RANK))])
        return q_u, np.vstack([upper, lower]), q_v
    q_u, q_v = np.linalg.qr(np.hstack([k, u]))[0], np.linalg.qr(np.hstack([v, ell]))[0]
    projected = (q_u.T @ u) @ s @ (q_v.T @ v).T
    return q_u, projected - RATE * q_u.T @ GRADIENT @ q_v, q_v


def _product(q_u: NumbersArray, s: NumbersArray, q_v: NumbersArray) -> NumbersArray:
    product: NumbersArray = q_u @ s @ q_v.T
    return product


def _without_new_block() -> NumbersArray:
    """The paper's W of the step, without its part of new rows and new columns."""
    u, _, v = _factors()
    w = _product(*_published(is_parallel=False))
    beyond_u, beyond_v = np.eye(ROWS) - u @ u.T, np.eye(COLUMNS) - v @ v.T
    changed: NumbersArray = w - beyond_u @ w @ beyond_v
    return changed


def _here() -> NumbersArray:
    u, s, v = (torch.from_numpy(t) for t in _factors())
    g = torch.from_numpy(GRADIENT)
    step = augmented(u, s - RATE * u.T @ g @ v, v, -RATE * g @ v, -RATE * g.T @ u)
    return _product(*(t.numpy() for t in step))


def _layer(tolerance: float, rank: int = COLUMNS) -> DlrtLinear:
    """In float64, holding the matrix of `_factors`."""
    layer = Dlrt(rank=rank, tolerance=tolerance).build(
        COLUMNS, ROWS, has_bias=False, role="hidden", generator=Generator().manual_seed(0)
    )
    assert isinstance(layer, DlrtLinear)
    layer.double().assign(torch.from_numpy(_product(*_factors())))
    return layer


def _stepped(tolerance: float, rank: int = COLUMNS) -> DlrtLinear:
    """The layer after a step of gradient descent on the loss sum(GRADIENT * W)."""
    layer = _layer(tolerance, rank)
    (torch.from_numpy(GRADIENT) * layer.effective()[0]).sum().backward()  # type: ignore[no-untyped-call]
    with layer.updating():
        torch.optim.SGD(layer.parameters(), lr=RATE).step()
    return layer


def _stepped_matrix() -> NumbersArray:
    matrix: NumbersArray = _stepped(1e-4).effective()[0].detach().numpy()
    return matrix


SOURCE = "Schotthöfer et al. 2022, arXiv:2205.13571"
PARALLEL = "Ceruti, Kusch and Lubich 2024, arXiv:2304.05660"
PUBLISHED: tuple[Published, ...] = (
    PublishedFormula(
        name="dlrt: step of the parallel integrator",
        source=PARALLEL,
        published=lambda: _product(*_published(is_parallel=True)),
        here=_here,
        tolerance=1e-12,
    ),
    PublishedFormula(
        name="dlrt: the paper's step but for its new block",
        source=SOURCE,
        published=_without_new_block,
        here=_here,
        tolerance=1e-12,
    ),
    PublishedFormula(
        name="dlrt: step of the layer by its own gradients",
        source=PARALLEL,
        published=lambda: _product(*_published(is_parallel=True)),
        here=_stepped_matrix,
        tolerance=1e-4,  # of the smallest tolerance
    ),
    PublishedMethod(
        name="dlrt",
        source=SOURCE,
        here=Dlrt(),
        settings={},
        told={
            "order of the steps": "S takes its step after K and L, with a new gradient in the new bases",
            "form of S": "S is diagonal after the SVD",
        },
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.name)
def test_the_step_is_the_published_one(statement: Published) -> None:
    check(statement)


@pytest.mark.parametrize("tolerance", [1e-4, 0.05, 0.2, 0.6, 0.95])
def test_the_rank_is_the_smallest_whose_rest_is_within_the_tolerance(tolerance: float) -> None:
    q_u, s, q_v = _published(is_parallel=True)
    values = np.linalg.svd(s, compute_uv=False)
    rests = [float(np.linalg.norm(values[r:])) for r in range(len(values) + 1)]
    expected = next(r for r in range(1, len(rests)) if rests[r] <= tolerance * rests[0])
    layer = _stepped(tolerance)
    assert layer.rank_in_use == expected
    rest = np.linalg.norm(layer.effective()[0].detach().numpy() - _product(q_u, s, q_v))
    assert rest == pytest.approx(rests[expected], abs=1e-9)


def test_the_rank_grows_to_its_limit_and_bases_stay_orthonormal() -> None:
    assert _layer(1e-4).rank_in_use == RANK
    assert _stepped(1e-4).rank_in_use == 2 * RANK
    layer = _stepped(1e-4, rank=4)
    assert layer.rank_in_use == 4
    for basis in (layer.left, layer.right):
        assert_near(basis.T @ basis, torch.eye(4, dtype=torch.float64), 1e-12)


@pytest.mark.parametrize("rank", [2, 4, 6])
def test_bases_are_turned_to_the_previous_ones(rank: int) -> None:
    """The orthogonal Procrustes problem: no other turn brings the columns nearer (trace of the overlap)."""
    basis, previous = (np.linalg.qr(_numbers(ROWS, n, seed=n))[0] for n in (rank, 4))
    turned = basis @ turn(torch.from_numpy(basis), torch.from_numpy(previous)).numpy()
    assert np.abs(turned.T @ turned - np.eye(rank)).max() < 1e-12
    assert np.abs(turned @ turned.T - basis @ basis.T).max() < 1e-12
    shared = min(rank, 4)
    overlap = np.trace(turned[:, :shared].T @ previous[:, :shared])
    assert overlap == pytest.approx(np.linalg.svd(basis.T @ previous[:, :shared], compute_uv=False).sum())


def test_a_small_step_moves_the_bases_little() -> None:
    layer = _layer(1e-4, rank=RANK)
    before = layer.left.detach().clone()
    (torch.from_numpy(GRADIENT) * layer.effective()[0]).sum().backward()  # type: ignore[no-untyped-call]
    with layer.updating():
        torch.optim.SGD(layer.parameters(), lr=1e-6).step()
    assert 0 < float((layer.left - before).detach().abs().max()) < 1e-4


def test_small_singular_values_do_not_slow_the_step() -> None:
    """K moves by -rate G V whatever S is, where plain descent on U moves W by terms of order S^2."""
    layer = _layer(1e-4)
    with torch.no_grad():
        layer.core.mul_(1e-4)
        before = layer.effective()[0].clone()
    (torch.from_numpy(GRADIENT) * layer.effective()[0]).sum().backward()  # type: ignore[no-untyped-call]
    with layer.updating():
        torch.optim.SGD(layer.parameters(), lr=RATE).step()
    u, _, v = _factors()
    along = u @ u.T @ GRADIENT + GRADIENT @ v @ v.T - u @ u.T @ GRADIENT @ v @ v.T
    assert_near(layer.effective()[0].detach() - before, torch.from_numpy(-RATE * along), 1e-4)


def test_parameters_of_another_form_are_brought_to_the_layers_own(generator: Generator) -> None:
    layer = _layer(1e-4)
    with torch.no_grad():
        for p in layer.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=generator, dtype=p.dtype))
        before = layer.effective()[0].clone()
    layer.effective()[0].sum().backward()  # type: ignore[no-untyped-call]
    with layer.updating():
        torch.optim.SGD(layer.parameters(), lr=RATE).step()
    assert_near(layer.effective()[0].detach(), before, 1e-4)
    assert_near(layer.left.T @ layer.left, torch.eye(COLUMNS, dtype=torch.float64), 1e-12)


def test_a_matrix_of_zeros_can_be_trained() -> None:
    layer = _layer(1e-4)
    layer.assign(torch.zeros(ROWS, COLUMNS))
    (torch.from_numpy(GRADIENT) * layer.effective()[0]).sum().backward()  # type: ignore[no-untyped-call]
    with layer.updating():
        torch.optim.SGD(layer.parameters(), lr=RATE).step()
    assert float(layer.effective()[0].detach().abs().max()) > 0


def test_numbers_that_are_not_finite_are_left_for_the_loss_to_report() -> None:
    layer = _layer(1e-4)
    with layer.updating():
        nn.init.constant_(layer.left, float("nan"))
    assert layer.effective()[0].isnan().any()


# -- runs

FIELD = {"type": "low_rank", "width": 16, "depth": 3, "linear": {"type": "dlrt", "rank": 12, "tolerance": 0.2}}


def waves() -> Array:
    a = np.arange(24, dtype=np.float32) / 24
    return Array.of_array(np.sin(6 * a)[:, None] * np.cos(9 * a)[None, :])


def trained(**settings: Any) -> Run:
    run = Run(waves(), *resolve(waves(), FIELD, {"steps": 60, "batch": 200, "lr": 1e-2, **settings}))
    run.advance()
    return run


@pytest.mark.parametrize("optimizer", ["adam", "soap", "muon"])
def test_a_run_trains_and_chooses_ranks(optimizer: str) -> None:
    run = trained(optimizer=optimizer)
    untrained = Run(waves(), *resolve(waves(), FIELD, {"steps": 0}))
    gained = run.result("done").metrics["psnr_db"] - untrained.result("done").metrics["psnr_db"]
    assert gained > 2.0
    assert all(1 <= r <= 12 for r in ranks(run.field))
    for layer in run.field.modules():
        if isinstance(layer, DlrtLinear):
            r = layer.rank_in_use
            assert_near(layer.left[:, :r].T @ layer.left[:, :r], torch.eye(r), 1e-5)


def test_a_truncated_field_of_the_ranks_in_use_keeps_its_values(generator: Generator) -> None:
    field = trained().field
    most = max(ranks(field))
    assert most < 12
    cut = truncate(field, most)
    assert cut.n_params < field.n_params
    x = torch.rand(50, 2, generator=generator)
    assert_near(cut(x), field(x), 1e-5)
    assert ranks(cut) == ranks(field)


@pytest.mark.parametrize("optimizer", ["adam", "soap"])
def test_a_resumed_run_is_exact(optimizer: str, tmp_path: Path) -> None:
    def run() -> Run:
        return Run(waves(), *resolve(waves(), FIELD, {"steps": 23, "batch": 200, "optimizer": optimizer}))

    whole = run()
    expected = whole.result(whole.advance()).to_bytes()
    first = run()
    stop = iter(range(100))
    assert first.advance(should_stop=lambda: next(stop) >= 10) == "interrupted"
    save_checkpoint(first, tmp_path)
    second = resume(tmp_path, waves())
    assert second.result(second.advance()).to_bytes() == expected


@pytest.mark.parametrize(
    ("settings", "what"), [({"optimizer": "lbfgs", "batch": 576}, "optimizer 'lbfgs'"), ({"ema": 0.9}, "ema")]
)
def test_what_does_not_fit_is_refused(settings: dict[str, Any], what: str) -> None:
    with pytest.raises(UsageError, match=f"{what} cannot"):
        trained(**settings)


def test_only_such_fields_have_an_update_of_their_own() -> None:
    def field_of(linear: str) -> Field:
        spec = Spec("image", 2, 3, (24, 24))
        config = parse(FieldConfig, {"type": "mlp", "width": 8, "linear": linear}).resolve(spec)
        return config.build(spec, Generator().manual_seed(0))

    assert field_of("dlrt").has_own_update
    assert not field_of("dense").has_own_update
