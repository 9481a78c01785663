"""Windows of a signal's lattice at full resolution, and the energy and the kernel in their bands."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from inr.core.samples import Samples
from inr.fields import Field
from inr.ntk.kernel.operator import TangentOperator
from inr.ntk.kernel.sketch import Sketch, sketch
from inr.ntk.spectra.bands import Bands, log_bands, power


@dataclass(frozen=True)
class Windows:
    """Windows of equal shape at random places of a lattice, or one of the whole lattice if that is small enough.

    bands: of a window. x: [K, n, D] in float64. y: [K, n, C] training values. mean: [C] of the values, and points: N,
    over the whole lattice. A regular stride would alias high frequencies; a window only loses those below its own
    lowest.
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
        """Sums over the windows' points times this estimate sums over the lattice."""
        return self.points / (len(self.x) * self.x.shape[1])


def windows_of(samples: Samples, most: int, count: int, generator: Generator) -> Windows | None:
    """At most `most` points in one or in `count` windows; None if the samples are not a lattice."""
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
    """Sides that are as equal as possible, with at most `most` points."""
    by_length = sorted(range(len(sides)), key=lambda d: sides[d])
    shape = [1] * len(sides)
    for place, d in enumerate(by_length):
        room = most / math.prod(shape)
        shape[d] = max(2, min(sides[d], int(room ** (1 / (len(sides) - place)) + 1e-9)))
    return tuple(shape)


def energies(values: Tensor, windows: Windows) -> Tensor:
    """Energy by band [B] of values [K, n, C], scaled to the whole lattice.

    Each window's mean is the constant band. The rest is multiplied by a Hann window, against leakage from unequal
    borders, and scaled to keep its energy.
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

    kappa = e^T Theta e for waves e under a Hann window, of unit length. Without it, the cut at the borders of the box
    would mix in all other frequencies.
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
