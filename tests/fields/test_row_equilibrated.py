"""Weight conditioning: statement of the paper's formula. We found no code."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inr.core.domain import Spec
from inr.fields.row_equilibrated import RowEquilibratedMlp
from tests.assertions import assert_near
from tests.fields.formulas import octaves, relu
from tests.published import AnyValues, Array, Parameters, PublishedFamily, check, linear

SPEC = Spec("image", 2, 3, (64, 64))


def _network(p: Parameters, x: Array, has_gain: bool) -> Array:
    """relu(W h + b), with rows V_i / |V_i|, or c times these, in the hidden layers."""
    h = relu(linear(p, "body.blocks.0.linear", octaves(x, 4)))
    for layer in (1, 2):
        prefix = f"body.blocks.{layer}.linear"
        rows = p[f"{prefix}.direction"]
        c = p[f"{prefix}.gain"] if has_gain else 1
        h = relu(h @ (c * rows / np.linalg.norm(rows, axis=1, keepdims=True)).T + p[f"{prefix}.bias"])
    return linear(p, "body.last", h)


PUBLISHED = (
    PublishedFamily(
        config=RowEquilibratedMlp(),
        source="Saratchandran et al. 2024",
        spec=SPEC,
        small=("width=16",),
        forward=lambda p, x: _network(p, x, has_gain=False),
        tolerance=1e-4,  # pi 2^k are float32
        initial={"*": AnyValues()},
        settings={},
        seeds=1,
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.subject)
def test_it_is_the_published_family(statement: PublishedFamily) -> None:
    check(statement)


def test_the_length_of_rows_is_the_only_difference(generator: torch.Generator) -> None:
    field = RowEquilibratedMlp(width=16).resolve(SPEC).build(SPEC, generator).double()
    x = torch.rand(50, 2, generator=generator, dtype=torch.float64)
    parameters = {name: t.detach().numpy() for name, t in field.state_dict().items()}
    expected = torch.from_numpy(_network(parameters, x.numpy(), has_gain=True))
    assert_near(field(x).detach(), expected, 1e-4)
