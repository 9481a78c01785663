"""The kernel by frequency: kappa(omega) = e^* Theta e for plane waves e of unit length."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from inr.core.errors import UsageError
from inr.ntk.kernel.operator import TangentOperator
from inr.ntk.kernel.sketch import Sketch, sketch
from inr.ntk.spectra.bands import Bands, power


@dataclass(frozen=True)
class BandKernel:
    """kappa [B]: mean Rayleigh quotient of the kernel over the frequencies of each band. error: standard error [B].

    The sum over bands of counts * kappa is the trace.
    """

    bands: Bands
    kappa: Tensor
    error: Tensor


def rayleigh(operator: TangentOperator, cycles: Tensor) -> Tensor:
    """kappa(omega) [K] exactly: |J^T e|^2 with e = exp(2 pi i <k, x>) / sqrt(N), two backward passes each.

    The Rayleigh quotient of Theta at frequency k (the mean over channels for channels "full"), and an entry of
    diag(F Theta F^*) if the points are a lattice. cycles: k across the box [K, D]. Points may lie anywhere; only on a
    lattice are different waves orthogonal.
    """
    if cycles.ndim != 2 or cycles.shape[1] != operator.x.shape[1]:
        raise UsageError(f"cycles have shape {tuple(cycles.shape)}, expected [K, {operator.x.shape[1]}]")
    quotients = []
    for k in cycles:
        phase = 2 * math.pi * (operator.x.double() @ k.to(operator.x.device, torch.float64))
        quotients.append(sum(_quotient(operator, part) for part in (phase.cos(), phase.sin())))
    return torch.tensor(quotients, dtype=torch.float64) / len(operator.x)


def leakage(operator: TangentOperator, cycles: Tensor) -> Tensor:
    """1 - kappa^2 / |Theta v|^2 [K]: the share of Theta cos(2 pi <k, x>) that is in other functions, in [0, 1].

    0 if the wave is an eigenvector. For operators on one number per point (channels "mean" or "sum").
    """
    if operator.size != len(operator.x):
        raise UsageError("leakage needs one number per point", "use an operator with channels 'mean' or 'sum'")
    found = []
    for k in cycles:
        v = (2 * math.pi * (operator.x.double() @ k.to(operator.x.device, torch.float64))).cos()
        v = v / v.norm()
        through = operator.product(v).double()
        found.append(1 - float(v @ through) ** 2 / float(through.square().sum()))
    return torch.tensor(found, dtype=torch.float64).clamp(0, 1)


def band_kernel(operator: TangentOperator, bands: Bands, generator: Generator, probes: int = 32) -> BandKernel:
    """kappa of every band at once, without bias: `band_kernel_of` a `sketch` with so many draws.

    operator: at the points `lattice(bands.shape)`, in that order.
    """
    return band_kernel_of(sketch(operator, probes, generator), bands)


def band_kernel_of(kernel: Tensor | Sketch, bands: Bands) -> BandKernel:
    """kappa by band, exactly from a kernel matrix [N, N], or from random functions that have the kernel as covariance.

    For random functions E |F s|^2 = diag(F Theta F^*), all frequencies at once; the standard error is measured over the
    draws and about kappa sqrt(2 / (S * frequencies in the band)). The lowest bands have few frequencies, which
    `rayleigh` gives exactly. For channels "full" it is the mean over channels. Points must be `lattice(bands.shape)`.
    """
    if isinstance(kernel, Tensor):
        kappa = bands.means(fourier_diagonal(kernel, bands.shape))
        return BandKernel(bands, kappa, torch.zeros_like(kappa))
    n = kernel.added.shape[1]
    if n != bands.index.numel():
        raise UsageError(f"the sketch has {n} points, expected the {bands.index.numel()} of the bands' lattice")
    rows = [bands.means(_mean_power(s, bands.shape)) for s in kernel.added]
    if kernel.taken is not None:
        rows = [row - bands.means(_mean_power(s, bands.shape)) for row, s in zip(rows, kernel.taken, strict=True)]
    draws = torch.stack(rows)
    return BandKernel(bands, draws.mean(0), draws.std(0) / len(draws) ** 0.5)


def fourier_diagonal(matrix: Tensor, shape: Sequence[int]) -> Tensor:
    """diag(F Theta F^*) [*shape], F unitary, for a kernel [N, N] at the points of a lattice, the last axis fastest.

    It is the Fourier transform of the means of Theta along its (wrapped) diagonals.
    """
    n = math.prod(shape)
    if matrix.shape != (n, n):
        raise UsageError(
            f"the kernel has shape {tuple(matrix.shape)}, expected {(n, n)} for a lattice of {tuple(shape)}"
        )
    places = torch.stack(torch.meshgrid(*(torch.arange(m) for m in shape), indexing="ij"), -1).reshape(n, -1)
    sides = torch.tensor(tuple(shape))
    strides = torch.tensor([math.prod(shape[d + 1 :]) for d in range(len(shape))])
    sums = torch.zeros(n, dtype=torch.float64)
    for place, row in zip(places, matrix.detach().double().cpu(), strict=True):
        sums.index_add_(0, ((places - place) % sides * strides).sum(-1), row)
    diagonal: Tensor = torch.fft.fftn(sums.reshape(*shape) / n).real * 1.0
    return diagonal


def roll_off(found: BandKernel, decibels: float = 20.0) -> float | None:
    """The lowest band centre (cycles per sample) from which on kappa is `decibels` below its largest, or None."""
    low = found.kappa <= found.kappa.max() * 10 ** (-decibels / 10)
    last = int((~low).nonzero().max()) + 1
    return None if last >= len(low) else found.bands.centres[last]


def _quotient(operator: TangentOperator, v: Tensor) -> float:
    if operator.size == len(operator.x):
        return operator.quadratic(v)
    c = operator.size // len(operator.x)
    seeds = torch.eye(c, dtype=v.dtype, device=v.device)
    return sum(operator.quadratic(v.unsqueeze(1) * seed) for seed in seeds) / c


def _mean_power(s: Tensor, shape: tuple[int, ...]) -> Tensor:
    """|F s|^2 [*shape] of functions [N, C], the mean over channels."""
    return power(s, shape) / s.shape[-1]
