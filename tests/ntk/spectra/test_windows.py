"""Windows of a lattice, and the energy of signals in them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from inr.core.domain import Spec
from inr.core.samples import Samples
from inr.ntk.spectra.windows import energies, windows_of


@pytest.mark.parametrize(
    ("sides", "most", "shape"),
    [
        ((100, 100), 400, (20, 20)),
        ((10, 1000), 400, (10, 40)),
        ((5, 100, 100), 2000, (5, 20, 20)),
        ((50_000,), 512, (512,)),
    ],
)
def test_windows_are_as_square_as_they_can_be(sides: tuple[int, ...], most: int, shape: tuple[int, ...]) -> None:
    d = len(sides)

    def at(index: Tensor) -> tuple[Tensor, Tensor]:
        return torch.zeros(len(index), d), torch.zeros(len(index), 1)

    samples = Samples(Spec("array", d, 1, sides), math.prod(sides), at, tuple(range(d)))
    windows = windows_of(samples, most, 1, torch.Generator())
    assert windows is not None
    assert windows.shape == shape


def test_energy_by_band_keeps_the_sum_and_finds_the_wave() -> None:
    n = 64
    wave = torch.cos(2 * math.pi * 9 * (torch.arange(n) + 0.5) / n) + 3

    def at(index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return ((index + 0.5) / n).unsqueeze(1), wave[index].unsqueeze(1)

    windows = windows_of(Samples(Spec("audio", 1, 1, (n,)), n, at, (0,)), 1000, 1, torch.Generator())
    assert windows is not None
    found = energies(windows.y, windows)
    assert float(found.sum()) == pytest.approx(float(wave.double().square().sum()), rel=1e-9)
    assert float(found[0]) == pytest.approx(9 * n, rel=1e-6)
    high = max(range(1, len(found)), key=lambda i: float(found[i]))
    assert windows.bands.edges[high][0] <= 9 / n <= windows.bands.edges[high][1]
