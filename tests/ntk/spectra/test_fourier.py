"""Bands of a lattice's frequencies, and the kernel by frequency."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator

from inr.core.errors import UsageError
from inr.ntk import (
    BandKernel,
    Channels,
    TangentOperator,
    band_energy,
    band_kernel,
    band_kernel_of,
    band_probes,
    band_residual,
    fourier_diagonal,
    lattice,
    leakage,
    log_bands,
    power,
    radial_frequency,
    rayleigh,
    roll_off,
    spectral_centroid,
    tangent_kernel,
)
from tests.assertions import assert_near
from tests.conformance.small import make


@pytest.mark.parametrize("shape", [(64,), (63,), (24, 36), (7, 12), (8, 6, 5)])
def test_bands_hold_every_frequency_once(shape: tuple[int, ...]) -> None:
    bands = log_bands(shape, 12)
    rho = radial_frequency(shape)
    assert bands.edges[0] == (0.0, 0.0)
    assert int(bands.counts[0]) == 1
    assert int(bands.counts.min()) >= 1
    assert int(bands.counts.sum()) == math.prod(shape)
    for band, (low, high) in enumerate(bands.edges[1:], start=1):
        inside = rho[bands.index == band]
        assert low * (1 - 1e-9) <= float(inside.min()) <= float(inside.max()) <= high * (1 + 1e-9)
    assert list(bands.centres) == sorted(bands.centres)
    for (_, high), (low, _) in zip(bands.edges[1:], bands.edges[2:], strict=False):
        assert low == high


@pytest.mark.parametrize("shape", [(32,), (16, 20), (6, 7, 8)])
def test_energy_is_kept_and_a_wave_is_in_one_band(shape: tuple[int, ...], generator: Generator) -> None:
    bands = log_bands(shape, 8)
    y = torch.randn(math.prod(shape), 3, generator=generator)
    assert float(band_energy(y, bands).sum()) == pytest.approx(float(y.double().square().sum()))
    x = lattice(shape)
    wave = torch.cos(2 * math.pi * 2 * x[:, 0])
    energy = band_energy(wave, bands)
    band = int(bands.index[(2, *[0] * (len(shape) - 1))])
    assert float(energy[band] / energy.sum()) == pytest.approx(1)
    assert spectral_centroid(wave, shape) == pytest.approx(2 / shape[0])
    assert spectral_centroid(torch.ones(math.prod(shape)), shape) == pytest.approx(0, abs=1e-9)


def test_residual_share_of_a_scaled_target(generator: Generator) -> None:
    bands = log_bands((16, 16), 6)
    y = torch.randn(256, 2, generator=generator, dtype=torch.float64)
    assert_near(band_residual(0.1 * y, y, bands), torch.full((bands.n_bands,), 0.01, dtype=torch.float64), 1e-9)
    assert bool(torch.isnan(band_residual(y, 0 * y, bands)).all())


def test_a_hann_window_takes_the_cross_of_unequal_borders_away() -> None:
    x = lattice((64, 64))
    ramp = x[:, 0] + x[:, 1]
    high = radial_frequency((64, 64)) > 0.2
    shares = [float(power(ramp, (64, 64), w)[high].sum() / power(ramp, (64, 64), w).sum()) for w in ("none", "hann")]
    assert shares[1] < 1e-3 * shares[0]


def test_probes_are_orthogonal_and_in_their_bands() -> None:
    shape = (24, 16)
    bands = log_bands(shape, 10)
    waves = []
    for band, ks in enumerate(band_probes(bands)):
        assert 1 <= len(ks) <= 4
        for k in ks:
            assert int(bands.index[int(k[0]) % 24, int(k[1]) % 16]) == band
            waves.append(torch.exp(2j * math.pi * (lattice(shape) @ k.double())) / math.sqrt(24 * 16))
    gram = torch.stack(waves).conj() @ torch.stack(waves).T
    assert_near(gram.abs(), torch.eye(len(waves), dtype=torch.float64), 1e-9)


@pytest.mark.parametrize("shape", [(20,), (9, 7), (4, 5, 3)])
def test_kappa_is_the_diagonal_in_the_fourier_basis(shape: tuple[int, ...], generator: Generator) -> None:
    n = math.prod(shape)
    j = torch.randn(n, n, generator=generator, dtype=torch.float64)
    kernel = j @ j.T
    f = torch.fft.fftn(torch.eye(n).reshape(*shape, n).to(torch.complex128), dim=tuple(range(len(shape))), norm="ortho")
    f = f.reshape(n, n)
    expected = (f @ kernel.to(f.dtype) @ f.conj().T).diagonal().real
    assert_near(fourier_diagonal(kernel, shape).reshape(-1), expected, 1e-10)
    with pytest.raises(UsageError, match="for a lattice of"):
        fourier_diagonal(kernel, (n + 1,))


@pytest.mark.parametrize("channels", ["full", "mean", "sum"])
def test_rayleigh_quotients_and_random_functions_agree_with_the_matrix(
    channels: Channels, generator: Generator
) -> None:
    field = make({"type": "siren", "width": 16, "depth": 2}, d_out=2)
    shape = (10, 8)
    bands = log_bands(shape, 4)
    matrix = tangent_kernel(field, lattice(shape), channels="mean" if channels == "full" else channels).matrix
    operator = TangentOperator(field, lattice(shape), channels=channels)
    diagonal = fourier_diagonal(matrix, shape)
    for ks in band_probes(bands):
        assert_near(rayleigh(operator, ks), diagonal[(ks % torch.tensor(shape)).unbind(1)], 1e-9)
    exact = band_kernel_of(matrix, bands)
    assert float((exact.kappa * exact.bands.counts).sum()) == pytest.approx(float(matrix.trace()))
    found = band_kernel(operator, bands, generator, probes=600)
    assert float(((found.kappa - exact.kappa) / found.error).abs().max()) < 4.5
    assert float((found.error / exact.kappa).max()) < 0.12


def test_leakage_is_none_for_a_kernel_of_the_lattice_s_shifts(generator: Generator) -> None:
    field = make({"type": "chebyshev", "degree": [3]}, d_out=1)
    operator = TangentOperator(field, lattice((9, 9)))
    values = leakage(operator, torch.tensor([[0, 0], [1, 0], [3, 2]]))
    assert bool(((values >= 0) & (values <= 1)).all())
    k = torch.tensor([2, 1])
    v = (2 * math.pi * lattice((9, 9)) @ k.double()).cos()
    v = v / v.norm()
    through = tangent_kernel(field, lattice((9, 9))).matrix @ v
    expected = 1 - float(v @ through) ** 2 / float(through @ through)
    assert float(leakage(operator, k.unsqueeze(0))) == pytest.approx(expected, rel=1e-8)
    with pytest.raises(UsageError, match="one number per point"):
        leakage(TangentOperator(make({"type": "siren", "width": 8, "depth": 1}), lattice((4, 4))), k.unsqueeze(0))


def test_the_roll_off_is_where_kappa_stays_below_the_threshold() -> None:
    bands = log_bands((64,), 4)
    assert bands.n_bands == 5

    def of(*kappa: float) -> BandKernel:
        return BandKernel(bands, torch.tensor(kappa, dtype=torch.float64), torch.zeros(5))

    assert roll_off(of(1000, 100, 11, 9, 1)) == bands.centres[3]
    assert roll_off(of(1000, 1, 11, 9, 1)) == bands.centres[3]
    assert roll_off(of(1000, 100, 50, 40, 20)) is None
    assert roll_off(of(1000, 100, 50, 40, 20), decibels=16.0) == bands.centres[4]


def test_siren_s_omega_moves_the_roll_off() -> None:
    shape = (48, 48)
    bands = log_bands(shape, 10)
    found = []
    for omega in (5.0, 40.0):
        field = make(
            {"type": "siren", "width": 64, "depth": 2, "activation": {"type": "sine", "omega": omega}}, d_out=1
        )
        found.append(band_kernel_of(tangent_kernel(field, lattice(shape)).matrix, bands))
    low, high = (roll_off(f, 20.0) for f in found)
    assert low is not None
    assert high is None or high > 2 * low
