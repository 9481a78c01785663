"""Pieces of a signal's lattice at its full resolution, and what of a signal and a kernel lies in their bands."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from inr._samples import Samples
from inr.fields import Field
from inr.ntk._bands import Bands, log_bands, power
from inr.ntk._operator import TangentOperator
from inr.ntk._sketch import Sketch, sketch


@dataclass(frozen=True)
class Windows:
    """Equal windows of a lattice, spread over it at random; one of the whole lattice where that is small enough.

    bands: of a window. x: [K, n, D] in float64. y: [K, n, C] training values.
    mean: [C] of them, and points: N, over the whole lattice.
    A regular stride would fold high frequencies onto low ones; a window loses only what is coarser than itself.
    """

    bands: Bands
    x: Tensor
    y: Tensor
    mean: Tensor
    points: int

    @property
    def shape(self) -> tuple[int, ...]:
        return self.bands.shape

    @property
    def scale(self) -> float:
        """Sums over the windows' points, times this, are about sums over the lattice."""
        return self.points / (len(self.x) * self.x.shape[1])


def windows_of(samples: Samples, most: int, count: int, generator: Generator) -> Windows | None:
    """At most `most` points in one or in `count` windows; None where the samples are not a lattice."""
    values = samples.grid()
    if values is None or max(values.shape[:-1]) < 2:
        return None
    sides = tuple(values.shape[:-1])
    total = math.prod(sides)
    if total <= most:
        corners, shape = [(0,) * len(sides)], sides
    else:
        shape = _window(sides, max(2, most // count))
        spread = [torch.randint(n - m + 1, (count,), generator=generator) for n, m in zip(sides, shape, strict=True)]
        corners = [tuple(int(c[i]) for c in spread) for i in range(count)]
    x, y = [], []
    for corner in corners:
        axes = [
            (torch.arange(c, c + m, dtype=torch.float64) + 0.5) / n
            for c, m, n in zip(corner, shape, sides, strict=True)
        ]
        x.append(torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(sides)))
        cut = tuple(slice(c, c + m) for c, m in zip(corner, shape, strict=True))
        y.append(values[cut].reshape(-1, values.shape[-1]))
    return Windows(log_bands(shape), torch.stack(x), torch.stack(y), values.double().reshape(total, -1).mean(0), total)


def _window(sides: tuple[int, ...], most: int) -> tuple[int, ...]:
    """Sides that are as equal as they can be, with at most so many points."""
    by_length = sorted(range(len(sides)), key=lambda d: sides[d])
    shape = [1] * len(sides)
    for place, d in enumerate(by_length):
        room = most / math.prod(shape)
        shape[d] = max(2, min(sides[d], int(room ** (1 / (len(sides) - place)) + 1e-9)))
    return tuple(shape)


def energies(values: Tensor, windows: Windows) -> Tensor:
    """Energy by band [B] of values [K, n, C], as if over the whole lattice.

    Of each window the mean goes to the constant; the rest is tapered by a Hann window, so that unequal borders draw no
    cross, and scaled to keep its energy.
    """
    bands = windows.bands
    total = torch.zeros(bands.n_bands, dtype=torch.float64)
    for part in values.double():
        mean = part.mean(0)
        rest = part - mean
        square = float(rest.square().sum())
        if square > 1e-20 * float(part.square().sum()):
            own = bands.sums(power(rest, bands.shape, "hann"))
            own[0] = 0
            if float(own.sum()) > 0:
                total += own * (square / float(own.sum()))
        total[0] += len(part) * float(mean.square().sum())
    return total * windows.scale


def kappas(draws: Sketch | list[Sketch], bands: Bands) -> tuple[Tensor, Tensor]:
    """(kappa, standard error) by band [B] for tapered plane waves, from sketches of one window each.

    kappa = e^T Theta e for waves e under a Hann window, of unit length: without the taper, what a wave misses at the
    borders of the box would speak of all other frequencies.
    """
    rows = []
    for drawn in draws if isinstance(draws, list) else [draws]:
        for i, s in enumerate(drawn.added):
            row = _tapered(s, bands)
            rows.append(row if drawn.taken is None else row - _tapered(drawn.taken[i], bands))
    found = torch.stack(rows)
    return found.mean(0), found.std(0) / len(found) ** 0.5


def _tapered(s: Tensor, bands: Bands) -> Tensor:
    ones = torch.ones(s.shape[0], 1)
    weight = float(power(ones, bands.shape, "hann").sum()) / len(ones)
    return bands.means(power(s, bands.shape, "hann")) / (weight * s.shape[-1])


def sketches(
    field: Field,
    windows: Windows,
    probes: int,
    generator: Generator,
    weights: dict[str, Tensor] | None = None,
) -> list[Sketch]:
    """`probes` draws per window of the kernel of channels "sum", in float32."""
    found = []
    for x in windows.x:
        operator = TangentOperator(field, x, channels="sum", weights=weights, dtype=torch.float32)
        found.append(sketch(operator, probes, generator))
    return found
