"""Products with a constant matrix."""

from __future__ import annotations

import pytest
import torch

from inr.kernels import use_precision
from inr.kernels.constant_product import constant_product
from tests.assertions import assert_near, assert_same_bytes


def test_it_is_the_product_and_rounds_only_in_bfloat16(
    generator: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inr.kernels.precision.has_bf16_units", lambda: True)
    a = torch.randn(20, 300, generator=generator).requires_grad_()
    b, g = torch.randn(300, 12, generator=generator), torch.randn(20, 12, generator=generator)
    value = constant_product(a, b)
    assert_same_bytes(value.detach(), (a @ b).detach())
    (by_a,) = torch.autograd.grad(value, a, g)
    with use_precision("bfloat16"):
        rounded = constant_product(a, b)
        (by_rounded,) = torch.autograd.grad(rounded, a, g)
    assert rounded.dtype == by_rounded.dtype == torch.float32
    for found, expected in ((rounded.detach(), value.detach()), (by_rounded, by_a)):
        assert (found != expected).any()
        assert_near(found, expected, 0.02)
