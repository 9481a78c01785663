"""Weights of a sum of losses: the definitions by autograd, a problem that needs them, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from inr.core.errors import UsageError
from inr.ntk.problem_kernel import problem_kernel
from inr.solving import Problem, solve
from inr.solving.loss_weights import LossWeights
from inr.solving.points import residual_of
from inr.solving.solver import starting_rows

SOFT = [{"on": "boundary", "equation": "u = x", "hard": False}]
SMALL: dict[str, Any] = {"width": 8, "depth": 2, "method": "adam"}
LAYER = Problem.of(
    "u_xx = 400*u",
    {"x": (0, 1)},
    [{"on": "left", "equation": "u = 1", "hard": False}, {"on": "right", "equation": "u = exp(-20)", "hard": False}],
    reference={"exact": "exp(-20*x)"},
)


@pytest.mark.parametrize("balance", ["gradient", "ntk"])
def test_a_boundary_layer_needs_them(balance: str, steps: float) -> None:
    """exp(-20 x), with the usual weight of 100 for conditions and without: those steps leave the equation behind."""
    settings: dict[str, Any] = {"method": "adam", "width": 20, "depth": 2, "points": 100, "omega": 8.0, "lr": 5e-3}
    solution = solve(LAYER, time_s=steps, balance=balance, **settings)
    assert solution.errors.exact["u"] < 0.1
    [note] = [note for note in solution.notes if "balance" in note]
    assert note.startswith(f"the weights that balance = '{balance}' found last: equation 1, left ")


def test_the_usual_weight_fails_there(steps: float) -> None:
    solution = solve(
        LAYER, time_s=steps, method="adam", width=20, depth=2, points=100, omega=8.0, lr=5e-3
    )  # the settings of the test above
    assert solution.errors.exact["u"] > 0.5


def test_weights_of_kernels_are_those_of_inr_ntk() -> None:
    problem = Problem.of("u_xx + 4*u = 1", {"x": (0, 1)}, SOFT, solve=SMALL)
    state, groups = starting_rows(problem, 20)
    weights = LossWeights("ntk")
    weights.apply(state, groups, 0)
    wanted = problem_kernel(problem, 20).weights
    assert weights.by_title() == pytest.approx({key.removeprefix("condition "): w for key, w in wanted.items()})
    assert [group.weight for group in groups] == pytest.approx([*wanted.values()])


def test_weights_of_gradients_make_their_norms_equal() -> None:
    state, groups = starting_rows(Problem.of("u_xx + 4*u = 1", {"x": (0, 1)}, SOFT, solve=SMALL), 20)
    LossWeights("gradient").apply(state, groups, 0)
    norms = []
    for group in groups:
        loss = group.weight * (residual_of(state, group) / group.scale).square().mean()
        slopes = torch.autograd.grad(loss, [*state.network.weights, *state.network.biases], allow_unused=True)
        norms.append(float(torch.cat([s.flatten() for s in slopes if s is not None]).norm()))
    assert norms == pytest.approx([norms[0]] * 3)


def test_later_measurements_move_weights_by_a_tenth() -> None:
    problem = Problem.of("u_xx + 4*u = 1", {"x": (0, 1)}, SOFT, solve=SMALL)
    state, groups = starting_rows(problem, 20)
    weights = LossWeights("ntk")
    seen = []
    for round_ in (0, 3, 10):
        weights.apply(state, groups, round_)
        seen.append(groups[1].weight)
        with torch.no_grad():
            state.network.weights[0].mul_(2)
    assert seen[0] == seen[1] != seen[2]
    fresh = LossWeights("ntk")
    with torch.no_grad():
        state.network.weights[0].div_(2)
    fresh.apply(state, groups, 0)
    assert seen[2] == pytest.approx(0.9 * seen[0] + 0.1 * groups[1].weight)


def test_measured_values_keep_the_weight_of_their_noise() -> None:
    state, groups = starting_rows(Problem.of("u_xx = 1", {"x": (0, 1)}, SOFT, solve=SMALL), 20)
    groups[1].kind, groups[1].weight = "observed", 7.0
    LossWeights("ntk").apply(state, groups, 0)
    assert groups[1].weight == 7
    LossWeights("none").apply(state, groups, 0)
    assert groups[1].weight == 7


@pytest.mark.parametrize(
    ("settings", "condition", "message"),
    [
        ({"balance": "ntk"}, {}, "balance is 'ntk' with method 'auto', expected adam or soap"),
        ({"balance": "gradient", "method": "soap"}, {"weight": 3.0}, "condition 1 has a weight: leave one of them out"),
    ],
)
def test_what_is_refused(settings: dict[str, Any], condition: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        solve(Problem.of("u_xx = 1", {"x": (0, 1)}, [SOFT[0] | condition]), **settings)
