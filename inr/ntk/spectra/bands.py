"""Frequencies of a lattice of samples, in radial bands, and the energy that values have in them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from inr.core.errors import UsageError

Window = Literal["none", "hann"]


def lattice(shape: Sequence[int]) -> Tensor:
    """Sample positions ((i_1 + 1/2) / n_1, ..., (i_D + 1/2) / n_D) [N, D] in float64, the last axis fastest."""
    axes = [(torch.arange(n, dtype=torch.float64) + 0.5) / n for n in shape]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, len(shape))


def radial_frequency(shape: Sequence[int]) -> Tensor:
    """rho = sqrt(sum_d (k_d / n_d)^2) in cycles per sample [*shape], in the order of `torch.fft.fftn`."""
    axes = [torch.fft.fftfreq(n, dtype=torch.float64) for n in shape]
    square = sum(f.square() for f in torch.meshgrid(*axes, indexing="ij"))
    assert isinstance(square, Tensor)
    return square.sqrt()


@dataclass(frozen=True)
class Bands:
    """Radial bands of the frequencies of a lattice. Every frequency is in one band; no band is empty.

    shape: of the lattice. edges: low and high end of each band in cycles per sample [B][2]; the first band has only the
    constant, (0, 0). index: the band of every frequency [*shape]. counts: frequencies per band [B].
    """

    shape: tuple[int, ...]
    edges: tuple[tuple[float, float], ...]
    index: Tensor
    counts: Tensor

    @property
    def n_bands(self) -> int:
        return len(self.edges)

    @property
    def centres(self) -> tuple[float, ...]:
        """Geometric mean of the edges, 0 for the constant."""
        return tuple(math.sqrt(low * high) for low, high in self.edges)

    def sums(self, amounts: Tensor) -> Tensor:
        """The sum of amounts [*shape] over each band [B]."""
        flat = amounts.reshape(-1).double()
        return torch.zeros(self.n_bands, dtype=torch.float64).index_add(0, self.index.reshape(-1), flat)

    def means(self, amounts: Tensor) -> Tensor:
        """The mean of amounts [*shape] over each band [B]."""
        return self.sums(amounts) / self.counts


def log_bands(shape: Sequence[int], n_bands: int = 24) -> Bands:
    """The constant, then bands of equal ratio from 1 / max(shape) to 1/2 cycles per sample, then the corner beyond 1/2.

    A band without frequencies of the lattice (a low one, with few samples) is merged with the next. n_bands: >= 1.
    """
    if n_bands < 1 or max(shape) < 2:
        raise UsageError(f"{n_bands} bands on a lattice of {tuple(shape)}: expected at least 1 band and 2 samples")
    rho = radial_frequency(shape)
    lowest = 1.0 / max(shape)
    ends = torch.exp2(torch.linspace(math.log2(lowest), -1.0, n_bands + 1, dtype=torch.float64))
    ends[-1] = 0.5
    raw = torch.bucketize(rho * (1 - 1e-12), ends[1:-1], right=False) + 1  # 1 .. n_bands
    raw = torch.where(rho == 0, 0, torch.where(rho > 0.5 * (1 + 1e-12), n_bands + 1, raw))
    limits = [(0.0, 0.0), *zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True), (0.5, float(rho.max()))]
    present, index = torch.unique(raw, return_inverse=True)
    edges = []
    low = lowest
    for band in present.tolist():
        edges.append((0.0, 0.0) if band == 0 else (low, limits[band][1]))
        low = limits[band][1] if band else lowest
    return Bands(tuple(shape), tuple(edges), index, torch.bincount(index.reshape(-1)))


def power(values: Tensor, shape: Sequence[int], window: Window = "none") -> Tensor:
    """|F y|^2 [*shape], F the unitary discrete Fourier transform, summed over channels.

    values: [N, C] or [N] on the lattice, the last axis fastest. window: "hann" multiplies by sin^2(pi x_d) along every
    axis, which removes the cross-shaped leakage of unequal borders; sums are then not |y|^2.
    """
    y = values.detach().cpu().double().reshape(*shape, -1)
    if window == "hann":
        for d, n in enumerate(shape):
            w = torch.sin(math.pi * (torch.arange(n, dtype=torch.float64) + 0.5) / n).square()
            y = y * w.reshape(-1, *[1] * (len(shape) - d))
    spectrum = torch.fft.fftn(y, dim=tuple(range(len(shape))), norm="ortho")
    squares: Tensor = spectrum.abs().square().sum(-1)
    return squares


def band_energy(values: Tensor, bands: Bands, window: Window = "none") -> Tensor:
    """sum over the band of |F y|^2 [B]."""
    return bands.sums(power(values, bands.shape, window))


def band_residual(residual: Tensor, target: Tensor, bands: Bands, window: Window = "hann") -> Tensor:
    """E_b = |F r|^2_b / |F y|^2_b [B]: the share of the target's energy that is not learned; nan if it has none.

    10 log10(1 / E_b) is the band's PSNR against the target's own power. Xu et al. 2019, arXiv:1901.06523.
    """
    have = band_energy(target, bands, window)
    return torch.where(have > 0, band_energy(residual, bands, window) / have, torch.nan)


def spectral_centroid(values: Tensor, shape: Sequence[int]) -> float:
    """sum rho |F y| / sum |F y| in cycles per sample, over all frequencies except the constant; 0 for a constant."""
    size = power(values, shape).sqrt()
    rho = radial_frequency(shape)
    size = torch.where((rho > 0) & (size > 1e-12 * size.max()), size, 0.0)
    total = float(size.sum())
    return float((rho * size).sum()) / total if total > 0 else 0.0


def band_probes(bands: Bands, directions: int = 4) -> list[Tensor]:
    """For each band, cycles across the box [K, D] (int64): the lattice's frequencies nearest to its centre.

    In up to `directions` directions (axes and diagonals first), without repeats, within Nyquist; for the constant and
    for bands that no such frequency falls into, the lowest frequency of the band.
    """
    shape = bands.shape
    sides = torch.tensor(shape, dtype=torch.float64)
    unit = _directions(len(shape), directions)
    flat = bands.index.reshape(-1)
    grid = torch.stack(torch.meshgrid(*(torch.fft.fftfreq(n, 1 / n) for n in shape), indexing="ij"), -1)
    cycles = grid.round().long().reshape(-1, len(shape))
    rho = radial_frequency(shape).reshape(-1)
    found = []
    for band, centre in enumerate(bands.centres):
        ks = (centre * unit * sides).round()
        inside = (ks.abs() <= sides / 2).all(1)
        at = (ks.long() % torch.tensor(shape)).unbind(1)
        ks = ks[inside & (bands.index[at] == band)].long()
        if len(ks) == 0:
            own = (flat == band).nonzero()[:, 0]
            ks = cycles[own[rho[own].argmin()]].unsqueeze(0)
        found.append(torch.unique(ks, dim=0))
    return found


def _directions(d: int, count: int) -> Tensor:
    """Unit vectors [count, D] of a half space."""
    if d == 1:
        return torch.ones(1, 1, dtype=torch.float64)
    if d == 2:
        angle = math.pi * torch.arange(count, dtype=torch.float64) / count
        return torch.stack([angle.cos(), angle.sin()], dim=1)
    axes = torch.eye(d, dtype=torch.float64)
    signs = torch.cartesian_prod(*[torch.tensor([1.0, -1.0], dtype=torch.float64)] * d)[: 2 ** (d - 1)] / d**0.5
    return torch.cat([axes, signs])[:count]
