"""Optimizers beside Adam: what their updates are in closed form."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator, Tensor, nn

from inr import _optional
from inr._domain import Spec
from inr._errors import UnavailableError, UsageError
from inr.fields import Field
from inr.fields.mlp import Mlp
from inr.fitting import Run, resolve
from inr.fitting._optimizer import Joint
from inr.fitting.adam import Adam, SkippingAdam
from inr.fitting.lbfgs import Lbfgs
from inr.fitting.muon import Muon
from inr.fitting.schedules import Step
from inr.fitting.soap import Soap
from inr.signals.array import Array


def network(width: int = 16, depth: int = 3) -> Field:
    spec = Spec("array", 2, 1, (24, 24))
    return Mlp(width=width, depth=depth).resolve(spec).build(spec, Generator().manual_seed(0))


def rates(field: Field, lr: float) -> dict[str, float]:
    return dict.fromkeys(field.param_groups(), lr)


def moved_by_one_step(
    optimizer: torch.optim.Optimizer, params: list[nn.Parameter], grads: list[Tensor]
) -> list[Tensor]:
    before = [p.detach().clone() for p in params]
    for p, g in zip(params, grads, strict=True):
        p.grad = g
    optimizer.step()
    return [b - p.detach() for b, p in zip(before, params, strict=True)]


def test_adam_is_torchs_own_and_leaves_its_compiler_alone(generator: Generator) -> None:
    ours = nn.Parameter(torch.randn(40, generator=generator))
    theirs = nn.Parameter(ours.detach().clone())
    optimizer = Adam(l2=0.1).build({"hidden": [ours]}, {"hidden": 0.1})
    reference = torch.optim.Adam([theirs], lr=0.1, weight_decay=0.1, fused=True)
    for _ in range(5):
        ours.grad = torch.randn(40, generator=generator)
        theirs.grad = ours.grad.clone()
        optimizer.step()
        reference.step()
        optimizer.load_state_dict(optimizer.state_dict())
        optimizer.zero_grad(set_to_none=True)
    assert torch.equal(ours, theirs)
    # What torch wraps around steps that are not marked, for its profiler, is a function of that file.
    assert not type(optimizer).step.__code__.co_filename.endswith("optimizer.py")
    assert type(reference).step.__code__.co_filename.endswith("optimizer.py")
    code = (
        "import sys, inr\n"
        "inr.fit(inr.load_signal('analytic:chirp'), {'type': 'siren', 'width': 8}, {'steps': 1})\n"
        "print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_muon_brings_singular_values_to_about_one_but_does_not_lift_tiny_ones(generator: Generator) -> None:
    wide, tail = torch.randn(2, 128, 128, generator=generator)
    low = torch.randn(128, 4, generator=generator) @ torch.randn(4, 128, generator=generator) + 1e-4 * tail
    params = [nn.Parameter(torch.zeros(128, 128)) for _ in range(2)]
    optimizer = Muon(lr_muon=1.0).build({"hidden": params}, {"hidden": 9.0})
    of_wide, of_low = (torch.linalg.svdvals(m) for m in moved_by_one_step(optimizer, params, [wide, low]))
    assert float(of_wide[0]) == pytest.approx(1.1, abs=0.15)
    assert float(of_wide.median()) > 0.65
    assert float(of_low[:4].min()) > 0.65
    assert float(of_low[4:].max()) < 0.4  # rounding to bfloat16 is what is there, at 1e-3 of the largest


def test_muon_is_for_hidden_matrices_and_scales_tall_ones(generator: Generator) -> None:
    field = network()
    groups = field.param_groups()
    optimizer = Muon(lr_muon=0.1).build(groups, rates(field, 1e-3))
    params = [p for role in groups.values() for p in role]
    before = {id(p): p.detach().clone() for p in params}
    for p in params:
        p.grad = torch.randn(p.shape, generator=generator)
    optimizer.step()
    hidden = [p for p in groups["hidden"] if p.ndim == 2]
    assert len(hidden) == 2
    for p in params:
        moved = before[id(p)] - p.detach()
        if any(p is h for h in hidden):
            assert 0.06 < float(torch.linalg.matrix_norm(moved, 2)) < 0.14
        else:
            torch.testing.assert_close(moved.abs(), torch.full_like(moved, 1e-3), rtol=1e-3, atol=1e-6)
    tall = nn.Parameter(torch.zeros(64, 16))
    (move,) = moved_by_one_step(
        Muon(lr_muon=1.0).build({"hidden": [tall]}, {"hidden": 1.0}), [tall], [torch.randn(64, 16, generator=generator)]
    )
    assert float(torch.linalg.svdvals(move)[0]) == pytest.approx(2.2, abs=0.4)  # sqrt(64 / 16) times about 1.1


def test_muon_without_hidden_matrices_is_refused() -> None:
    field = network(depth=1)
    with pytest.raises(UsageError, match="is for hidden matrices, but this field has none"):
        Muon().build(field.param_groups(), rates(field, 1e-3))


def test_joint_optimizers_follow_one_schedule() -> None:
    run = Run(*_small_run(optimizer="muon", lr=1e-3, schedule={"type": "step", "at": [0.5], "decay": 0.1}))
    heard = []
    run.advance(on_progress=lambda p: heard.append(sorted({g["lr"] for g in run.optimizer.param_groups})))
    assert heard[0] == pytest.approx([1e-3, 0.02])
    assert heard[-1] == pytest.approx([1e-4, 0.002])


def test_steps_of_the_rate() -> None:
    schedule = Step(at=(0.5, 0.75), decay=0.1)
    assert [schedule.factor(p) for p in (0.0, 0.49, 0.5, 0.74, 0.75, 1.0)] == pytest.approx(
        [1, 1, 0.1, 0.1, 0.01, 0.01]
    )


def test_skipping_adam_is_adam_for_every_entry_that_has_a_gradient(generator: Generator) -> None:
    """Each entry walks as if the steps in which its gradient was 0 had not been."""
    p = nn.Parameter(torch.randn(6, 2, generator=generator))
    alone = p.detach().clone()
    optimizer = SkippingAdam([p], 0.1, (0.9, 0.99), 1e-8)
    m, v, t = torch.zeros(6, 2), torch.zeros(6, 2), torch.zeros(6, 2)
    for _ in range(12):
        g = torch.randn(6, 2, generator=generator) * (torch.rand(6, 2, generator=generator) < 0.4)
        p.grad = g
        optimizer.step()
        for i in range(6):
            for j in range(2):
                if g[i, j] != 0:
                    t[i, j] += 1
                    m[i, j] = 0.9 * m[i, j] + 0.1 * g[i, j]
                    v[i, j] = 0.99 * v[i, j] + 0.01 * g[i, j] ** 2
                    root = math.sqrt(v[i, j] / (1 - 0.99 ** float(t[i, j])))
                    alone[i, j] -= 0.1 * m[i, j] / (1 - 0.9 ** float(t[i, j])) / (root + 1e-8)
    torch.testing.assert_close(p.detach(), alone, rtol=1e-4, atol=1e-5)


def test_adam_skips_only_where_asked_and_only_in_encodings() -> None:
    table, matrix = nn.Parameter(torch.zeros(8, 2)), nn.Parameter(torch.zeros(3, 3))
    groups, lr = {"encoding": [table], "hidden": [matrix]}, {"encoding": 0.1, "hidden": 0.01}
    assert isinstance(Adam().build(groups, lr), torch.optim.Adam)
    joint = Adam(skip_zero_grad=True).build(groups, lr)
    assert isinstance(joint, Joint)
    assert isinstance(Adam(skip_zero_grad=True).build({"hidden": [matrix]}, lr), torch.optim.Adam)
    first, later = torch.zeros(8, 2), torch.zeros(8, 2)
    first[0], later[1] = 1.0, 1.0
    moved_by_one_step(joint, [table, matrix], [first, torch.ones(3, 3)])
    moved, drift = moved_by_one_step(joint, [table, matrix], [later, torch.zeros(3, 3)])
    assert torch.equal(moved[0], torch.zeros(2))  # where Adam would go on with its momentum
    torch.testing.assert_close(moved[1], torch.full((2,), 0.1))
    assert (drift > 0).all()


class Linear(Field):
    """f(x) = Phi(x) w."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(n, 1))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = torch.cos(math.pi * torch.arange(len(self.weight)) * x) @ self.weight
        return out


def test_lbfgs_reaches_least_squares(generator: Generator) -> None:
    field = Linear(12)
    x, y = torch.rand(200, 1, generator=generator), torch.randn(200, 1, generator=generator)
    optimizer = Lbfgs().build(field.param_groups(), {"other": 1.0})

    def closure() -> float:
        optimizer.zero_grad()
        loss = (field(x) - y).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    for _ in range(3):
        optimizer.step(closure)
    features = torch.cos(math.pi * torch.arange(12) * x)
    best = torch.linalg.lstsq(features, y).solution
    torch.testing.assert_close(field.weight.detach(), best, rtol=1e-2, atol=1e-3)


def test_lbfgs_needs_every_sample() -> None:
    with pytest.raises(UsageError, match=r"'lbfgs' needs every sample in every step, but batch is 32 of 144"):
        Run(*_small_run(optimizer="lbfgs", batch=32))


def test_soap_takes_adams_step_in_the_eigenbasis(generator: Generator) -> None:
    """A rank-one gradient u v^T, always the same: in the basis it is one entry, whose step is the rate."""
    pytest.importorskip("pytorch_optimizer")
    p = nn.Parameter(torch.zeros(5, 4))
    u = nn.functional.normalize(torch.randn(5, generator=generator), dim=0)
    v = nn.functional.normalize(torch.randn(4, generator=generator), dim=0)
    optimizer = Soap(every=1).build({"hidden": [p]}, {"hidden": 0.01})
    (first,) = moved_by_one_step(optimizer, [p], [torch.outer(u, v)])
    assert torch.equal(first, torch.zeros(5, 4))  # only the statistics
    (second,) = moved_by_one_step(optimizer, [p], [torch.outer(u, v)])
    assert float(u @ second @ v) == pytest.approx(0.01, rel=1e-2)


def test_soap_without_its_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytorch_optimizer", None)
    _optional.probe.cache_clear()
    field = network()
    with pytest.raises(UnavailableError, match="optimizer 'soap' needs the package 'pytorch_optimizer'") as caught:
        Soap().build(field.param_groups(), rates(field, 1e-3))
    _optional.probe.cache_clear()
    assert caught.value.hint == "pip install inr[optimizers]"


def _small_run(**settings: Any) -> tuple[Any, ...]:
    a = np.arange(12, dtype=np.float32) / 12
    signal = Array.of_array(np.sin(6 * a)[:, None] * np.cos(9 * a)[None, :])
    return (signal, *resolve(signal, {"type": "siren", "width": 8, "depth": 2}, {"steps": 6, **settings}))
