"""Optimizers beside Adam: what their updates are in closed form."""

from __future__ import annotations

import copy
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator, Tensor, nn

from inr.core.domain import Spec
from inr.core.errors import UsageError
from inr.fields import Field
from inr.fields.mlp import Mlp
from inr.fitting import Run, resolve
from inr.fitting.optimizers import Joint
from inr.fitting.optimizers.adam import Adam, TouchedAdam
from inr.fitting.optimizers.conjugate_gradients import ConjugateGradients
from inr.fitting.optimizers.lbfgs import Lbfgs
from inr.fitting.optimizers.muon import Muon, MuonOptimizer
from inr.fitting.optimizers.soap import Soap, SoapOptimizer
from inr.fitting.schedules.standard import Step
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
    # torch wraps unmarked steps for its profiler, in a function of that file.
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
    assert float(of_low[4:].max()) < 0.4  # the rounding to bfloat16 is about 1e-3 of the largest


@pytest.mark.parametrize("shape", [(24, 24), (40, 12), (12, 40)])
def test_muon_moves_as_torchs_does_within_its_rounding_to_bfloat16(
    shape: tuple[int, int], generator: Generator
) -> None:
    ours, theirs = (nn.Parameter(torch.zeros(shape)) for _ in range(2))
    optimizer = MuonOptimizer([ours], 0.1, 0.95)
    reference: Any = torch.optim.Muon([theirs], lr=0.1, weight_decay=0.0)
    for _ in range(4):
        ours.grad = torch.randn(shape, generator=generator)
        theirs.grad = ours.grad.clone()
        optimizer.step()
        reference.step()
    error = (ours - theirs).detach().norm() / theirs.detach().norm()
    assert float(error) < 0.02
    optimizer.load_state_dict(reference.state_dict())
    assert torch.allclose(optimizer.state[ours]["momentum_buffer"], reference.state[theirs]["momentum_buffer"])


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
    """Each entry moves as if the steps with gradient 0 did not exist."""
    p = nn.Parameter(torch.randn(6, 2, generator=generator))
    alone = p.detach().clone()
    optimizer = TouchedAdam([p], 0.1, (0.9, 0.99), 1e-8, is_counting=True)
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


@pytest.mark.parametrize("setting", ["skip_zero_grad", "lazy"])
def test_adam_skips_only_if_set_and_only_in_encodings(setting: str) -> None:
    table, matrix = nn.Parameter(torch.zeros(8, 2)), nn.Parameter(torch.zeros(3, 3))
    groups, lr = {"encoding": [table], "hidden": [matrix]}, {"encoding": 0.1, "hidden": 0.01}
    assert isinstance(Adam().build(groups, lr), torch.optim.Adam)
    config = Adam(lazy=setting == "lazy", skip_zero_grad=setting == "skip_zero_grad")
    joint = config.build(groups, lr)
    assert isinstance(joint, Joint)
    assert isinstance(config.build({"hidden": [matrix]}, lr), torch.optim.Adam)
    first, later = torch.zeros(8, 2), torch.zeros(8, 2)
    first[0], later[1] = 1.0, 1.0
    moved_by_one_step(joint, [table, matrix], [first, torch.ones(3, 3)])
    moved, drift = moved_by_one_step(joint, [table, matrix], [later, torch.zeros(3, 3)])
    assert torch.equal(moved[0], torch.zeros(2))  # where Adam would continue with its momentum
    size = 0.1 if setting == "skip_zero_grad" else 0.1 * 0.1 / (1 - 0.9**2) / math.sqrt(0.001 / (1 - 0.999**2))
    torch.testing.assert_close(moved[1], torch.full((2,), size))
    assert (drift > 0).all()


def test_adam_skips_in_one_way() -> None:
    with pytest.raises(UsageError, match="both lazy and skip_zero_grad"):
        Adam(lazy=True, skip_zero_grad=True).build({}, {})


def test_counts_of_older_versions_are_read() -> None:
    """Their states have no number of steps."""
    p = nn.Parameter(torch.zeros(3))
    optimizer = TouchedAdam([p], 0.1, (0.9, 0.99), 1e-8, is_counting=True)
    optimizer.state[p] = {"count": torch.tensor([4.0, 0.0, 1.0]), "exp_avg": torch.ones(3), "exp_avg_sq": torch.ones(3)}
    p.grad = torch.ones(3)
    optimizer.step()
    torch.testing.assert_close(optimizer.state[p]["count"], torch.tensor([5.0, 1.0, 2.0]))
    torch.testing.assert_close(p.detach()[0], torch.tensor(-0.1 / (1 - 0.9**5) * math.sqrt(1 - 0.99**5)))


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
    p = nn.Parameter(torch.zeros(5, 4))
    u = nn.functional.normalize(torch.randn(5, generator=generator), dim=0)
    v = nn.functional.normalize(torch.randn(4, generator=generator), dim=0)
    optimizer = Soap(every=1).build({"hidden": [p]}, {"hidden": 0.01})
    (first,) = moved_by_one_step(optimizer, [p], [torch.outer(u, v)])
    assert torch.equal(first, torch.zeros(5, 4))  # only the statistics
    (second,) = moved_by_one_step(optimizer, [p], [torch.outer(u, v)])
    assert float(u @ second @ v) == pytest.approx(0.01, rel=1e-2)


@pytest.mark.parametrize("settings", [{}, {"beta1": 0.9, "beta2": 0.99, "every": 3}, {"max_side": 4}])
def test_soap_takes_the_steps_of_pytorch_optimizer(settings: dict[str, Any], generator: Generator) -> None:
    """Matrices, one of them with a side that is too long for a basis, two alike, and a vector."""
    package = pytest.importorskip("pytorch_optimizer")
    starts = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((4, 3), (5, 4), (5,), (4, 3))]
    ours, theirs = ([nn.Parameter(start.clone()) for start in starts] for _ in range(2))
    config = Soap(is_spread=False, **settings)
    optimizer = config.build({"hidden": ours}, {"hidden": 0.01})
    expected = package.SOAP(
        theirs,
        lr=0.01,
        betas=(config.beta1, config.beta2),
        eps=config.eps,
        weight_decay=0.0,
        precondition_frequency=config.every,
        max_precondition_dim=config.max_side,
    )
    for _ in range(12):
        gradients = [torch.randn(start.shape, generator=generator, dtype=torch.float64) for start in starts]
        for parameters, by in ((ours, optimizer), (theirs, expected)):
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient.clone()
            by.step()
    for found, start, reference in zip(ours, starts, theirs, strict=True):
        assert (found - start).abs().max() > 0.02
        torch.testing.assert_close(found, reference, atol=1e-5, rtol=1e-5)  # they take QR in float32


def test_soap_refuses_the_state_of_another_optimizer() -> None:
    p = nn.Parameter(torch.zeros(3, 2))
    p.grad = torch.ones(3, 2)
    adam, soap = torch.optim.Adam([p]), SoapOptimizer([p])
    adam.step()
    soap.step()
    own = soap.state_dict()
    soap.load_state_dict(own)
    with pytest.raises(ValueError, match="not one of SOAP"):
        soap.load_state_dict({**own, "state": adam.state_dict()["state"]})
    wrong = {**own["state"][0], "basis0": torch.eye(2)}
    with pytest.raises(ValueError, match="does not fit"):
        soap.load_state_dict({**own, "state": {0: wrong}})


def test_soap_reads_the_state_of_older_versions(generator: Generator) -> None:
    """They kept the first moment in the basis of the parameters."""
    start, gradients = torch.randn(4, 3, generator=generator), torch.randn(6, 4, 3, generator=generator)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    by_ours, by_theirs = SoapOptimizer([ours]), SoapOptimizer([theirs])
    for step, gradient in enumerate(gradients):
        if step == 4:
            document = copy.deepcopy(by_ours.state_dict())
            state = dict(document["state"][0])
            turned = state["basis0"] @ state.pop("mean") @ state["basis1"].T
            older = {**state, "exp_avg": turned, "exp_avg_sq": state.pop("square")}
            older.pop("square")
            by_theirs.load_state_dict({**document, "state": {0: older}})
            with torch.no_grad():
                theirs.copy_(ours)
        moved_by_one_step(by_ours, [ours], [gradient])
        moved_by_one_step(by_theirs, [theirs], [gradient])
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)


def test_soap_takes_complex_numbers_as_pairs(generator: Generator) -> None:
    pairs = torch.randn(4, 3, 2, generator=generator)
    plain, whole = nn.Parameter(pairs.reshape(4, 6).clone()), nn.Parameter(torch.view_as_complex(pairs).clone())
    optimizers = SoapOptimizer([plain], every=2), SoapOptimizer([whole], every=2)
    for gradient in torch.randn(7, 4, 3, 2, generator=generator):
        moved_by_one_step(optimizers[0], [plain], [gradient.reshape(4, 6)])
        moved_by_one_step(optimizers[1], [whole], [torch.view_as_complex(gradient)])
    torch.testing.assert_close(torch.view_as_real(whole.detach()).reshape(4, 6), plain.detach())
    assert (plain - pairs.reshape(4, 6)).abs().max() > 1e-3


def test_soap_updates_bases_in_turns(generator: Generator) -> None:
    """Twelve bases and six steps between updates: two in each step."""
    matrices = [nn.Parameter(torch.randn(3, 3, generator=generator)) for _ in range(6)]
    optimizer = SoapOptimizer(matrices, every=6, is_spread=True)
    bases: list[Tensor] = []
    changed = []
    for _ in range(8):
        moved_by_one_step(optimizer, matrices, [torch.randn(3, 3, generator=generator) for _ in matrices])
        now = [optimizer.state[p][f"basis{axis}"].clone() for p in matrices for axis in (0, 1)]
        changed.append(sum(not torch.equal(a, b) for a, b in zip(bases, now, strict=bool(bases))))
        bases = now
    assert changed[1:] == [2] * 7


def test_soap_takes_the_same_steps_in_a_turned_basis(generator: Generator) -> None:
    turn = torch.linalg.qr(torch.randn(5, 5, generator=generator, dtype=torch.float64)).Q
    scale = torch.tensor([1.0, 3.0, 10.0, 30.0, 100.0], dtype=torch.float64)[:, None]
    plain = torch.zeros(5, 5, dtype=torch.float64, requires_grad=True)
    turned = torch.zeros(5, 5, dtype=torch.float64, requires_grad=True)
    optimizers = SoapOptimizer([plain], lr=0.05), SoapOptimizer([turned], lr=0.05)
    for _ in range(40):
        goal = torch.randn(5, 5, generator=generator, dtype=torch.float64)
        for weight, basis, optimizer in ((plain, torch.eye(5).double(), optimizers[0]), (turned, turn, optimizers[1])):
            optimizer.zero_grad()
            torch.autograd.backward((scale * (basis.T @ weight - goal)).square().sum())
            optimizer.step()
    torch.testing.assert_close(turn.T @ turned.detach(), plain.detach(), atol=1e-6, rtol=1e-6)


def test_soap_on_a_vector_is_adam() -> None:
    start = torch.tensor([1.0, -2.0, 0.5])
    ours, theirs = start.clone().requires_grad_(), start.clone().requires_grad_()
    soap, adam = SoapOptimizer([ours], lr=0.1), torch.optim.Adam([theirs], lr=0.1, betas=(0.95, 0.95))
    torch.autograd.backward(ours.square().sum())
    soap.step()  # builds statistics alone
    for _ in range(7):
        for weight in (ours, theirs):
            weight.grad = None
            torch.autograd.backward((weight**2 * torch.tensor([1.0, 4.0, 9.0])).sum())
        soap.step()
        adam.step()
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e25, math.nan])
def test_soap_starts_where_few_rows_have_gradients(scale: float, generator: Generator) -> None:
    """As those of a grid whose batch touches few vertices. LAPACK's float32 solver fails for this matrix."""
    table = torch.zeros(512, 6, requires_grad=True)
    gradient = torch.zeros(512, 6)
    gradient[torch.randperm(512, generator=generator)[:28]] = 3e-3 * scale * torch.randn(28, 6, generator=generator)
    optimizer = SoapOptimizer([table], lr=0.1)
    for _ in range(2):
        table.grad = gradient.clone()
        optimizer.step()
    basis = optimizer.state[table]["basis0"]
    torch.testing.assert_close(basis.T @ basis, torch.eye(512), atol=1e-5, rtol=0)
    assert bool(table.detach().isfinite().all()) == math.isfinite(scale)


def test_weight_decay_takes_its_share_of_matrices_alone() -> None:
    matrix, vector = torch.full((2, 3), 2.0, requires_grad=True), torch.full((3,), 2.0, requires_grad=True)
    soap = SoapOptimizer([matrix, vector], weight_decay=0.5, lr=0.1)
    matrix.grad, vector.grad = torch.zeros_like(matrix), torch.zeros_like(vector)
    for _ in range(3):
        soap.step()
    torch.testing.assert_close(matrix.detach(), torch.full((2, 3), 2.0 * 0.95**3))
    torch.testing.assert_close(vector.detach(), torch.full((3,), 2.0))


def _small_run(**settings: Any) -> tuple[Any, ...]:
    a = np.arange(12, dtype=np.float32) / 12
    signal = Array.of_array(np.sin(6 * a)[:, None] * np.cos(9 * a)[None, :])
    return (signal, *resolve(signal, {"type": "siren", "width": 8, "depth": 2}, {"steps": 6, **settings}))


def test_conjugate_gradients_end_at_the_minimum_after_as_many_directions_as_parameters(generator: Generator) -> None:
    root = torch.randn(6, 6, generator=generator, dtype=torch.float64)
    matrix, wanted = root @ root.T + 0.1 * torch.eye(6), torch.randn(6, generator=generator, dtype=torch.float64)
    parts = [nn.Parameter(torch.zeros(4, dtype=torch.float64)), nn.Parameter(torch.zeros(1, 2, dtype=torch.float64))]
    groups = {"hidden": parts[:1], "last": parts[1:]}
    optimizer = ConjugateGradients(iterations=3).build(groups, dict.fromkeys(groups, 1.0))
    losses = []

    def closure() -> float:
        optimizer.zero_grad()
        w = torch.cat([p.flatten() for p in parts])
        loss = 0.5 * w @ matrix @ w - wanted @ w
        torch.autograd.backward(loss)
        losses.append(float(loss.detach()))
        return losses[-1]

    optimizer.step(closure)
    half = torch.cat([p.detach().flatten() for p in parts])
    optimizer.step(closure)
    found = torch.cat([p.detach().flatten() for p in parts])
    solution = torch.linalg.solve(matrix, wanted)
    assert float((found - solution).norm()) < 1e-9 * float(solution.norm())
    assert float((half - solution).norm()) > 1e-3 * float(solution.norm())
    assert len(losses) <= 2 + 2 * 3 + 1  # one evaluation per direction, one per step, one to find the first length
    optimizer.step(closure)  # at the minimum
    assert torch.equal(torch.cat([p.detach().flatten() for p in parts]).isfinite(), torch.ones(6, dtype=torch.bool))
