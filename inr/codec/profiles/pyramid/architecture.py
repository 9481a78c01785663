"""The architecture of a latent pyramid: a few integers from which the shapes of all tensors follow."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from inr.codec.container.byte_fields import Reader, Writer
from inr.codec.container.header import Header
from inr.codec.limits import Limits
from inr.core.errors import FormatError

Array = np.ndarray[Any, np.dtype[Any]]

OFFSETS = tuple(
    sorted(
        ((dy, dx) for dy in range(-4, 1) for dx in range(-4, 5) if dy < 0 or dx < 0),
        key=lambda o: (o[0] ** 2 + o[1] ** 2, -o[0], abs(o[1]), o[1]),
    )
)
"""Neighbours (dy, dx) that are decoded before a latent, the nearest first."""
FIRST_FORM, SECOND_FORM = 1, 2
"""The two forms of the streams: those of profile number 3, which are read only, and of number 4."""
N_GRIDS = 7
"""Grids that the encoder uses."""
BOUNDS = {
    "n_grids": (1, 10),
    "n_neighbours": (1, 40),
    "n_mixtures": (0, 16),
    "n_hidden": (0, 4),
    "n_features": (1, 128),
    "n_convolutions": (0, 4),
}
"""The bytes of ARCH in their order, with their ranges."""
QUICK = (12, 4, 1, 16, 0)
"""Counts of effort 1: without convolutions, so that steps are short."""
TINY, SMALL, MIDDLE, LARGE = 2500, 5000, 8000, 15000
"""Sizes in bytes below which networks take about 0.3, 0.7, 1.4 and 1.7 kB; larger files have 2.4 kB from effort 7."""


@dataclass(frozen=True)
class Architecture:
    """height, width, channels: of the picture. n_grids: resolutions, each half of the one before.

    n_neighbours, n_mixtures: inputs of the context model from the same grid and from coarser ones. n_hidden: its hidden
    layers. n_features: of the synthesis. n_convolutions: 3x3 layers after it. form: of the streams.
    """

    height: int
    width: int
    channels: int
    n_grids: int
    n_neighbours: int
    n_mixtures: int
    n_hidden: int
    n_features: int
    n_convolutions: int
    form: int = SECOND_FORM

    @property
    def grids(self) -> tuple[tuple[int, int], ...]:
        """[H_l, W_l] of each grid, the finest first."""
        return tuple((-(-self.height >> level), -(-self.width >> level)) for level in range(self.n_grids))

    @property
    def n_latents(self) -> int:
        return sum(h * w for h, w in self.grids)

    @property
    def work(self) -> int:
        """Multiplications to decode the grids and to render them."""
        n_pixels = self.height * self.width
        context = sum(math.prod(shape) for name, shape in self.context.items() if name.startswith("context"))
        synthesis = sum(math.prod(shape) for name, shape in self.synthesis.items() if name.startswith("synthesis"))
        return self.n_latents * (context + self.n_grids * self.n_mixtures) + n_pixels * (synthesis + 11 * self.n_grids)

    @property
    def counts(self) -> tuple[int, ...]:
        """All but the size of the picture and of the pyramid."""
        return self.n_neighbours, self.n_mixtures, self.n_hidden, self.n_features, self.n_convolutions

    @property
    def offsets(self) -> tuple[tuple[int, int], ...]:
        return OFFSETS[: self.n_neighbours]

    @property
    def context(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the context model's tensors by name."""
        k = self.n_neighbours + self.n_mixtures
        shapes: dict[str, tuple[int, ...]] = {
            f"mix{level}": (self.n_mixtures, self.n_grids - level) for level in range(self.n_grids)
        }
        for i in range(self.n_hidden):
            shapes |= {f"context{i}.weight": (k, k), f"context{i}.bias": (k,)}
        i = self.n_hidden
        return shapes | {f"context{i}.weight": (2, k), f"context{i}.bias": (2,), "context.skip": (2, k)}

    @property
    def synthesis(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the tensors that turn grids into a picture, by name."""
        shapes: dict[str, tuple[int, ...]] = {f"kernel{level}": (4,) for level in range(self.n_grids - 1)}
        c = self.channels
        layers = [(self.n_features, self.n_grids), (c, self.n_features), *[(c, c, 3, 3)] * self.n_convolutions]
        for i, shape in enumerate(layers):
            shapes |= {f"synthesis{i}.weight": shape, f"synthesis{i}.bias": shape[:1]}
        return shapes | {"synthesis.skip": (c, self.n_grids)}


def architecture_of(
    channels: int, height: int, width: int, effort: int, expected_bytes: float = math.inf
) -> Architecture:
    """Networks that suit a file of about this many bytes: the widest from effort 7, only small ones up to effort 2."""
    if expected_bytes < TINY:
        counts = (6, 2, 1, 8, 1)
    elif effort == 1:
        counts = QUICK
    elif expected_bytes < SMALL or effort < 3:
        counts = (12, 4, 1, 16, 2)
    elif expected_bytes < MIDDLE:
        counts = (16, 4, 2, 48, 2)
    elif expected_bytes < LARGE or effort < 7:
        counts = (24, 4, 2, 48, 2)
    else:
        counts = (32, 4, 2, 48, 2)
    return Architecture(height, width, channels, N_GRIDS, *counts)


def read_arch(header: Header, arch: memoryview, limits: Limits, form: int) -> Architecture:
    """The architecture of a file, checked against the limits. Raises FormatError."""
    if "pyramid" not in header.codec_kind.profiles or not 1 <= header.channels <= 4:
        raise FormatError(
            f"profile pyramid codes pictures of 1 to 4 channels, the header has kind {header.kind!r} "
            f"and {header.channels} channels"
        )
    reader = Reader(arch, "ARCH")
    counts = {name: reader.u8(name, *bounds) for name, bounds in BOUNDS.items()}
    if reader.left:
        raise FormatError(f"ARCH has {reader.left} bytes too many")
    width, height = header.shape
    limits.check("samples", width * height * header.channels)
    return Architecture(height, width, header.channels, **counts, form=form)


def write_arch(architecture: Architecture) -> bytes:
    writer = Writer()
    for name in BOUNDS:
        writer.u8(getattr(architecture, name))
    return writer.bytes()


def synthesis_of(architecture: Architecture, values: Mapping[str, Any]) -> tuple[list[Any], list[Any], list[Any], Any]:
    """Kernels, weights, biases and skip, as `pyramid_error` takes them."""
    layers = range(architecture.n_convolutions + 2)
    return (
        [values[f"kernel{level}"] for level in range(architecture.n_grids - 1)],
        [values[f"synthesis{i}.weight"] for i in layers],
        [values[f"synthesis{i}.bias"] for i in layers],
        values["synthesis.skip"],
    )
