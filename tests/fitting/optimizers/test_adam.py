"""Adam: its first step in closed form."""

from __future__ import annotations

import torch

from inr.core.domain import Spec
from inr.fields.mlp import Mlp
from inr.fitting.optimizers.adam import Adam


def test_adams_first_step_is_the_rate_of_each_role(generator: torch.Generator) -> None:
    """Debiased, the first step is lr g / (|g| + eps): the sign of the gradient times the rate."""
    spec = Spec("array", 1, 1, (8,))
    field = Mlp(width=4, depth=1).resolve(spec).build(spec, generator)
    optimizer = Adam().build(field.param_groups(), {"first": 0.1, "last": 0.01})
    before = {k: v.detach().clone() for k, v in field.named_parameters()}
    field(torch.rand(16, 1, generator=generator)).sum().backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    n_moved = 0
    for name, p in field.named_parameters():
        assert p.grad is not None
        rate = 0.1 if "blocks" in name else 0.01
        moved = p.grad.abs() > 1e-4
        torch.testing.assert_close((before[name] - p)[moved], rate * p.grad.sign()[moved], rtol=1e-3, atol=1e-6)
        n_moved += int(moved.sum())
    assert n_moved > 10
