"""Weighted means of distances."""

from __future__ import annotations

import pytest
import torch
from torch import Generator

from inr.core.domain import Spec
from inr.core.errors import UsageError
from inr.fields.morph import Morph
from inr.fields.primitive import Primitive

SPEC = Spec("shape", 3, 1)


def ball(radius: float) -> Primitive:
    return Primitive(solid="sphere", numbers=(0.5, 0.5, 0.5, radius))


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_concentric_balls_have_balls_between_them(share: float) -> None:
    field = Morph(first=ball(0.4), second=ball(0.1), share=share).resolve(SPEC).build(SPEC, Generator())
    x = torch.rand(1000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    exact = ball(0.4 - 0.3 * share).build(SPEC, Generator())(x)
    assert float((field(x) - exact).abs().max()) < 1e-12
    assert field.lipschitz_bound() == pytest.approx(1.0)
    assert float((field.fold()(x) - exact).abs().max()) < 1e-12


def test_it_is_not_fitted() -> None:
    with pytest.raises(UsageError, match="not fitted itself"):
        Morph(first=ball(0.4)).resolve(SPEC)
