"""The density of the curvature against exact eigenvalues."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, nn

from inr.ntk.curvature_density import POINTS, curvature_density
from inr.ntk.kernel.matrix import tangent_kernel
from inr.ntk.report import Curvature, Masses
from inr.ntk.torch_module import TorchModule
from inr.signals.image import Image
from tests.ntk.small_reports import picture


def of(net: nn.Module, signal: Image) -> tuple[Curvature, float, float]:
    """(the density, the exact trace and largest eigenvalue of the Gauss-Newton matrix)."""
    field = TorchModule(module=net).build(signal.spec, Generator())
    x = torch.rand(60, 2, generator=Generator().manual_seed(0), dtype=torch.float64)
    y = torch.rand(60, 1, generator=Generator().manual_seed(1), dtype=torch.float64)
    values = torch.linalg.eigvalsh(tangent_kernel(field, x).matrix) * 2 / 60
    return curvature_density(field, x, y, Generator().manual_seed(2)), float(values.sum()), float(values[-1])


def test_the_trace_and_the_sharpness_are_those_of_the_kernel() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 12), nn.Tanh(), nn.Linear(12, 1))
    n = sum(p.numel() for p in net.parameters())
    found, trace, largest = of(net, picture(2))
    mean = sum(v * w for v, w in zip(found.gauss_newton.values, found.gauss_newton.weights, strict=True))
    assert n * mean == pytest.approx(trace, rel=0.3)
    assert found.gauss_newton.values[0] == pytest.approx(largest, rel=1e-6)
    assert sum(found.gauss_newton.weights) == pytest.approx(1)
    assert min(found.gauss_newton.values) > -1e-9 * largest
    assert found.hessian is not None
    assert 0 < found.negative < 1


def test_a_field_that_is_linear_in_its_parameters_has_no_negative_curvature() -> None:
    found, _, largest = of(nn.Linear(2, 1), picture(2))
    assert found.hessian is not None
    assert found.hessian.values[0] == pytest.approx(largest, rel=1e-6)
    assert found.negative == 0


def test_shares_below_an_edge() -> None:
    masses = Masses((2.0, 1.0, -1.0), (0.5, 0.3, 0.2))
    assert masses.below(1.5) == pytest.approx(0.5)
    assert math.isnan(Curvature(POINTS, masses).negative)
    assert Curvature(POINTS, masses, masses).negative == pytest.approx(0.2)
