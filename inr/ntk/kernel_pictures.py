"""A kernel as pictures over the signal: its rows, and its leading eigenfunctions."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from inr.core.errors import UsageError
from inr.fields import Field
from inr.ntk.kernel.matrix import tangent_kernel
from inr.ntk.spectra.spectrum import spectrum

POINTS = 600
"""Of the lattice, at most; its kernel is a dense matrix."""
MOST_AXES = 2
"""Of the lattice."""


@dataclass(frozen=True)
class KernelPictures:
    """shape: of the lattice over the unit box, in coordinate order, at most two axes. places: [R, D] in the unit box.

    rows: Theta(x, place) / sqrt(Theta(x, x) Theta(place, place)) [R, *shape], in [-1, 1]: how much a step that changes
    the value at the place changes the one at x. modes: eigenfunctions of the K largest eigenvalues [K, *shape], of unit
    mean square, the largest entry positive. shares: of the trace [K].
    """

    shape: tuple[int, ...]
    places: Tensor
    rows: Tensor
    modes: Tensor
    shares: tuple[float, ...]


def kernel_pictures(field: Field, sides: tuple[int, ...], *, rows: int = 3, modes: int = 6) -> KernelPictures:
    """Of the kernel's mean over channels, on a coarse lattice with about the proportions of `sides`.

    sides: of the signal's lattice in coordinate order, one or two axes. rows: at most; on the diagonal of the box.
    Raises UsageError for other numbers of axes.
    """
    if not 1 <= len(sides) <= MOST_AXES:
        raise UsageError(f"the signal has {len(sides)} axes, but pictures of a kernel need one or two")
    scale = min(1.0, (POINTS / math.prod(sides)) ** (1 / len(sides)))
    shape = tuple(max(2, int(n * scale)) for n in sides)
    axes = [(torch.arange(n, dtype=torch.float64) + 0.5) / n for n in shape]
    x = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(shape))
    matrix = tangent_kernel(field, x, channels="mean").matrix.double().cpu()
    found = spectrum(matrix)
    index = [_index(shape, (i + 0.5) / rows) for i in range(rows)]
    size = matrix.diagonal().clamp_min(1e-300).sqrt()
    vectors = found.vectors[:, :modes].T * len(x) ** 0.5
    peaks = vectors.gather(1, vectors.abs().argmax(1, keepdim=True)).sign()
    total = max(float(found.values.sum()), 1e-300)
    return KernelPictures(
        shape=shape,
        places=x[index],
        rows=(matrix[index] / (size * size[index][:, None])).reshape(-1, *shape),
        modes=(vectors * peaks).reshape(-1, *shape),
        shares=tuple((found.values[:modes] / total).tolist()),
    )


def _index(shape: tuple[int, ...], at: float) -> int:
    """The flat index of the sample nearest to (at, at, ...) of the unit box."""
    index = 0
    for n in shape:
        index = index * n + min(n - 1, int(at * n))
    return index
