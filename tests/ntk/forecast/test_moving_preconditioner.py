"""The preconditioner along a run, against the optimizers' own states and steps."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from inr.fitting import Run, resolve
from inr.ntk.forecast.moving_preconditioner import MovingPreconditioner
from tests.ntk.small_reports import SMALL, picture


def run_of(optimizer: dict[str, object]) -> Run:
    signal = picture(3, 16)
    return Run(signal, *resolve(signal, SMALL, {"steps": 40, "lr": 1e-3, "optimizer": optimizer, "batch": 4096}))


def slopes(run: Run) -> dict[str, Tensor]:
    """Of the mean square error over all samples, which every step of `run_of` takes."""
    trained = {n: p for n, p in run.field.named_parameters() if p.requires_grad}
    batch = run.pool.batch(torch.arange(run.pool.size))
    with torch.enable_grad():
        loss = (run.field(batch.x) - batch.y).square().mean()
        return dict(zip(trained, torch.autograd.grad(loss, list(trained.values())), strict=True))


def followed(run: Run, steps: int) -> MovingPreconditioner:
    """Read at every step."""
    found = MovingPreconditioner(run.settings)
    found.move(run, [slopes(run)])
    for _ in range(steps):
        run.take_step()
        found.move(run, [slopes(run)])
    return found


def test_adam_s_own_second_moments_are_found() -> None:
    run = run_of({"type": "adam", "beta2": 0.9})
    found = followed(run, 12)
    own = []
    for p in run.field.parameters():
        state = run.optimizer.state[p]
        own.append((1 / ((state["exp_avg_sq"] / (1 - 0.9**12)).sqrt() + 1e-8)).reshape(-1))
    ones = torch.ones(sum(p.numel() for p in run.field.parameters()))
    assert float((found.apply(ones) / torch.cat(own)).log().abs().median()) < 0.1


@pytest.mark.parametrize("optimizer", ["adam", "soap"])
def test_it_is_symmetric_and_positive(optimizer: str) -> None:
    run = run_of({"type": optimizer})
    found = followed(run, 3)
    size = sum(p.numel() for p in run.field.parameters())
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, size, generator=generator, dtype=torch.float64)
    assert float(a @ found.apply(b)) == pytest.approx(float(b @ found.apply(a)), rel=1e-5)
    assert float(a @ found.apply(a)) > 0


def test_soap_without_momentum_steps_along_it() -> None:
    """beta1 = 0 and gradients of all samples: the step is -lr W g, with v up to the last step's change."""
    run = run_of({"type": "soap", "beta1": 0.0, "beta2": 0.9, "every": 1000})
    found = followed(run, 12)
    g = slopes(run)
    before = copy.deepcopy(run.field)
    wanted = found.apply(torch.cat([part.reshape(-1) for part in g.values()]).double())
    run.take_step()
    pairs = zip(before.parameters(), run.field.parameters(), strict=True)
    moved = torch.cat([(old - new).detach().reshape(-1) for old, new in pairs]).double()
    assert float(torch.nn.functional.cosine_similarity(moved, wanted, dim=0)) > 0.95


def test_soap_turns_there_and_back() -> None:
    run = run_of({"type": "soap"})
    for _ in range(3):
        run.take_step()
    optimizer = run.optimizer
    for p in run.field.parameters():
        x = torch.randn(p.shape, generator=torch.Generator().manual_seed(1))
        turned = optimizer.turned(p, x)  # type: ignore[attr-defined]
        assert float(turned.norm()) == pytest.approx(float(x.norm()), rel=1e-4)
        torch.testing.assert_close(optimizer.turned(p, turned, is_back=True), x, atol=1e-4, rtol=1e-4)  # type: ignore[attr-defined]
