"""Weights of a sum of losses under Adam and SOAP, from tangent kernels or from gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from inr.core.errors import UsageError
from inr.solving.newton import Rows, parameters_of
from inr.solving.points import residual_of
from inr.solving.problem import Problem
from inr.solving.rows import Group
from inr.solving.settings import Balance
from inr.solving.state import State

EVERY = 10
"""Rounds of a descent between two measurements."""
KEPT = 0.9
"""Part of the earlier weights that a measurement keeps."""
MOST = 1e6
"""Largest ratio of two weights."""
POINTS = 64
"""Rows of each loss whose kernel is measured."""

Key = tuple[str, str, object]


def check_weights(problem: Problem) -> None:
    """Refuse a balance without a descent, and weights of conditions that it would replace."""
    settings = problem.settings
    if settings.balance == "none":
        return
    if settings.method not in ("adam", "soap"):
        raise UsageError(
            f"balance is {settings.balance!r} with method {settings.method!r}, expected adam or soap",
            "least squares and Gauss-Newton do not need it: their steps solve for all losses together",
        )
    weighted = next((at for at, c in enumerate(problem.conditions, 1) if c.weight is not None), None)
    if weighted is not None:
        raise UsageError(
            f"balance is {settings.balance!r}, and condition {weighted} has a weight: leave one of them out"
        )


class LossWeights:
    """The weights w_k of L = sum_k w_k L_k, where L_k is the mean square of residuals r_k / s_k of one equation or
    condition, and s_k the size of their largest term. Measured anew every 100 steps:

        "ntk":       w_k = tr K_1 / tr K_k,  K_k = J_k J_k^T, J_k = d(r_k / s_k)/dw [N_k, P], tr its mean diagonal
        "gradient":  w_k = |dL_1/dw| / |dL_k/dw|

    k = 1 is the first equation, whose weight is 1; later measurements move the weights by a tenth: w <- 0.9 w + 0.1 w'.
    They replace `weight`; measured values keep the weight that their noise gives. The sources have the sum of
    all traces and the mean of all norms in place of those of k = 1, a common factor that Adam does not see.

    Sources: Wang, Yu and Perdikaris 2022, doi:10.1016/j.jcp.2021.110768 (kernel); Wang, Sankaran, Wang and Perdikaris
    2023, arXiv:2308.08468 (gradients, moving average).
    """

    def __init__(self, kind: Balance) -> None:
        self.kind = kind
        self._weights: dict[Key, float] = {}

    def apply(self, state: State, groups: Sequence[Group], round_: int) -> None:
        """Give groups their weights. round_: of the descent, from 0."""
        if self.kind == "none":
            return
        balanced = [group for group in groups if group.kind != "observed"]
        if round_ % EVERY == 0:
            self._measure(state, balanced)
        for group in balanced:
            group.weight = self._weights.get(_key(group), group.weight)

    def by_title(self) -> Mapping[str, float]:
        """The latest weights; the largest of those with one title."""
        found: dict[str, float] = {}
        for (_, title, _), weight in self._weights.items():
            found[title] = max(weight, found.get(title, 0.0))
        return found

    def _measure(self, state: State, groups: Sequence[Group]) -> None:
        size_of = _trace if self.kind == "ntk" else _slope
        sizes = {_key(group): size_of(state, group) for group in groups}
        first = next(sizes[_key(group)] for group in groups if group.kind == "equation")
        for key, size in sizes.items():
            weight = min(max(first / max(size, 1e-300), 1 / MOST), MOST)
            before = self._weights.get(key, weight)
            self._weights[key] = KEPT * before + (1 - KEPT) * weight


def _key(group: Group) -> Key:
    return group.kind, group.title, group.residual


def _trace(state: State, group: Group) -> float:
    """The mean diagonal of the kernel of r / s, from the first points of a group, which are spread evenly."""
    few = group.first(POINTS)
    _, rows = Rows(state, [few]).linearised([])
    n_weights = sum(p.numel() for p in parameters_of(state)[: 2 * len(state.network.weights)])
    return float(rows[:, 0, :n_weights].square().sum()) / few.weight


def _slope(state: State, group: Group) -> float:
    """The norm of the gradient of a group's loss by the network."""
    params = [p for p in parameters_of(state) if p is not state.raw]
    loss = group.weighted(residual_of(state, group)[:, None]).square().sum() / group.weight
    slopes = torch.autograd.grad(loss, params, allow_unused=True)
    return float(torch.stack([slope.square().sum() for slope in slopes if slope is not None]).sum().sqrt())
