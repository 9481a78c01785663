"""Adam or SOAP on all parameters, with new points every few steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch

from inr.core.config import parse
from inr.fitting.optimizers import OptimizerConfig
from inr.solving.loss_weights import LossWeights
from inr.solving.nested import NestedField
from inr.solving.newton import parameters_of
from inr.solving.points import residual_of
from inr.solving.rows import Group
from inr.solving.state import State

KEPT = 10
"""Steps with the same points."""


def descend(
    state: State,
    groups: Callable[[int], Sequence[Group]],
    optimizer: str,
    lr: float,
    until: float,
    seconds: float,
    weights: LossWeights,
) -> int:
    """Steps until the clock `time.perf_counter` shows `until`; the rate falls to 0 over `seconds`. Their number."""
    params = parameters_of(state)
    whole = state.field.family if isinstance(state.field, NestedField) else state.field
    chosen = parse(OptimizerConfig, optimizer, "optimizer").build({"other": params}, {"other": lr})
    steps, start = 0, until - seconds
    while (now := time.perf_counter()) < until:
        rows = groups(steps // KEPT)
        weights.apply(state, rows, steps // KEPT)
        for group in chosen.param_groups:
            group["lr"] = lr * min(1.0, max(0.0, 1 - (now - start) / seconds))
        for _ in range(KEPT):
            chosen.zero_grad()
            parts = [group.weighted(residual_of(state, group)[:, None]).square().sum() for group in rows]
            loss, penalty = sum(parts[1:], parts[0]), whole.penalty()
            loss = loss if penalty is None else loss + penalty
            torch.autograd.backward(loss)
            with whole.updating():
                chosen.step()
            state.keep_within_bounds()
            steps += 1
    return steps
