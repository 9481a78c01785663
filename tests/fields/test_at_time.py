"""One time of a field in space and time."""

from __future__ import annotations

import pytest
import torch
from torch import Generator

from inr.core.domain import Spec
from inr.core.errors import UsageError
from inr.fields.at_time import AtTime, AtTimeField
from inr.fields.siren import Siren

SPEC = Spec("shape", 3, 1)


def test_it_is_the_field_at_that_time() -> None:
    field = AtTime(base=Siren(width=8, depth=2), time=0.25).resolve(SPEC).build(SPEC, Generator().manual_seed(0))
    assert isinstance(field, AtTimeField)
    x = torch.rand(50, 3, generator=Generator().manual_seed(0))
    whole = field.base(torch.cat([x, torch.full((50, 1), 0.25)], dim=1))
    assert torch.equal(field(x), whole)
    assert torch.allclose(field.fold()(x), whole, atol=1e-6)
    assert field.smoothness == field.base.smoothness


def test_it_is_not_fitted() -> None:
    with pytest.raises(UsageError, match="not fitted itself"):
        AtTime().resolve(SPEC)
