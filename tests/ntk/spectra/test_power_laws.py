"""Exponents of spectra that are power laws, of the losses they imply, and effective dimensions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from inr.core.errors import UsageError
from inr.ntk import Spectrum, effective_dimension, power_laws, rates

M = 400
K = torch.arange(1, M + 1, dtype=torch.float64)


def of(values: Tensor) -> Spectrum:
    return Spectrum(values, torch.eye(len(values), dtype=torch.float64), 0.0, float(values[0]) * 1e-13)


@pytest.mark.parametrize(("alpha", "beta"), [(2.0, 1.0), (1.5, 3.0), (3.0, 0.6)])
def test_power_laws_are_found(alpha: float, beta: float) -> None:
    """The target's energy behind mode k is exactly k^-beta, so mode k has the difference of two of them."""
    tail = torch.cat([torch.ones(1), K.float()]).double() ** -beta
    coefficients = (tail[:-1].clone() - tail[1:]).clamp_min(0).sqrt()
    coefficients[-1] = tail[-2].sqrt()  # the rest
    found = power_laws(of(K**-alpha), coefficients)
    assert found is not None
    assert found.holds
    assert found.capacity == pytest.approx(alpha, rel=1e-9)
    assert found.tail == pytest.approx(beta, rel=0.08)
    assert found.source == pytest.approx(beta / (2 * alpha), rel=0.08)


def test_the_loss_falls_as_they_imply() -> None:
    alpha, beta = 2.0, 1.0
    values, energy = K.double() ** -alpha, K.double() ** -(beta + 1)
    found = power_laws(of(values), energy.sqrt())
    assert found is not None
    steps = torch.tensor([200.0, 2000.0]).double()
    left = [float((energy * rates(values, M, 0.5 * M).pow(int(t)).square()).sum()) for t in steps]
    slope = -torch.tensor(left).log().diff() / steps.log().diff()
    assert found.loss == pytest.approx(float(slope), rel=0.12)


def test_what_is_no_line_does_not_hold() -> None:
    bent = torch.exp(-K / 15)
    found = power_laws(of(bent), K**-1.0)
    assert found is not None
    assert not found.holds
    assert power_laws(of(torch.exp(-K * 3)), K**-1.0) is None  # nearly all is rounding noise
    assert power_laws(of(K**-1.0), torch.cat([torch.ones(1), torch.zeros(M - 1)]).double()) is None


def test_effective_dimension() -> None:
    spec = of(torch.tensor([1.0, 0.5, 0.0]).double())
    assert effective_dimension(spec, 0.5) == pytest.approx(2 / 3 + 1 / 2)
    assert effective_dimension(spec, 1e-12) == pytest.approx(2)


def test_refused() -> None:
    with pytest.raises(UsageError, match="one for each of 400 modes"):
        power_laws(of(K**-1.0), torch.ones(3))
    with pytest.raises(UsageError, match="expected a number > 0"):
        effective_dimension(of(K**-1.0), 0.0)
