"""Signals on a regular lattice (pictures, videos, sounds, arrays): values, batches, and the lattices of views."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from inr.core.domain import Domain, Frame, Grid, Spec, on_device
from inr.core.errors import UsageError, did_you_mean
from inr.signals._described import MAX_SAMPLES
from inr.signals._signal import Batch, Evaluate, Pool, Signal, Values, View
from inr.signals.files.bands import Bands, rows_of

CHUNK = 2**18
MAX_KEPT_POINTS = 2**24

AnyArray = np.ndarray[Any, np.dtype[Any]]


class Lattice(Signal):
    """A signal stored as an array [*shape, C] in its own units.

    values: float32. order: array axis per coordinate, as in `Grid`.
    """

    values: Tensor
    order: tuple[int, ...]

    def __init__(
        self,
        values: Values,
        frame: Frame,
        meta: dict[str, Any],
        notes: tuple[str, ...] = (),
        order: tuple[int, ...] | None = None,
    ) -> None:
        shape = values.shape[:-1]
        self.values = torch.from_numpy(np.ascontiguousarray(values))
        self.order = order or tuple(range(len(shape)))
        self.frame, self.meta, self.notes = frame, meta, notes
        self.spec = Spec(self.kind, frame.d_in, frame.d_out, tuple(shape[axis] for axis in self.order))

    def pool(self, generator: Generator) -> Pool:
        return _LatticePool(self)

    def weight_of(self, values: Tensor) -> Tensor | None:
        """Loss weights of values [N, C] of this signal, or None for ones."""
        return None

    @abstractmethod
    def measure(self, bands: Bands) -> dict[str, float]:
        """Quality of values [*shape, C] on this signal's own lattice, as they are written."""

    def metrics_of(self, values: Values) -> dict[str, float]:
        """As `measure`, of values in one array."""
        return self.measure(Bands.of(values))

    def metrics(self, evaluate: Evaluate) -> dict[str, float]:
        return self.measure(self.sampled(evaluate))

    def sampled(self, evaluate: Evaluate) -> Bands:
        """A field's values [*shape, C] on this signal's own lattice."""
        grid = Grid.whole(tuple(self.values.shape[:-1]), self.order)
        return evaluate_bands(evaluate, grid, self.spec.d_out)

    def beside(self, bands: Bands) -> Iterator[tuple[Values, Values]]:
        """Each band of values [*shape, C], and this signal's values there."""
        own = self.values.numpy()
        first = 0
        for part in bands:
            yield part, own[first : first + len(part)]
            first += len(part)


class _LatticePool:
    """Samples by flat, row-major index. Once per device it keeps the signal's values, and the coordinates if there are
    at most 2^24."""

    def __init__(self, signal: Lattice) -> None:
        self._signal = signal
        self._grid = Grid.whole(tuple(signal.values.shape[:-1]), signal.order)
        x = None
        if self.size <= MAX_KEPT_POINTS:
            x = torch.empty(self.size, signal.spec.d_in, dtype=self._grid.dtype)
            for index in index_chunks(self.size):
                x[index] = self._grid.points(index)
        self._source = (x, signal.values.reshape(-1, signal.spec.d_out))
        self._on = {signal.values.device: self._source}

    @property
    def size(self) -> int:
        return self._grid.size

    @property
    def order(self) -> tuple[int, ...]:
        return self._grid.order

    def batch(self, index: Tensor) -> Batch:
        if index.device not in self._on:
            x, values = self._source
            self._on[index.device] = (None if x is None else on_device(x, index.device), values.to(index.device))
        x, values = self._on[index.device]
        found = values.index_select(0, index)
        return Batch(
            self._grid.points(index) if x is None else x.index_select(0, index),
            self._signal.frame.to_field(found),
            self._signal.weight_of(found),
        )


def index_chunks(n: int) -> Iterator[Tensor]:
    """The indices 0 to n - 1, at most 2^18 at a time."""
    return (torch.arange(start, min(start + CHUNK, n)) for start in range(0, n, CHUNK))


def evaluate_bands(evaluate: Evaluate, grid: Grid, channels: int, shape: tuple[int, ...] | None = None) -> Bands:
    """A field's values on a lattice, each band evaluated when it is read.

    shape: of the values without their channels, if not that of the lattice. The field is called with 2^18 points at a
    time, whatever the bands are, because the last bits of its values can depend on this number.
    """
    shape = (*(grid.shape if shape is None else shape), channels)

    def chunks() -> Iterator[Values]:
        with torch.no_grad():
            for index in index_chunks(grid.size):
                yield evaluate(grid.points(index)).to("cpu", torch.float32).numpy()

    def parts() -> Iterator[Values]:
        per_row = math.prod(shape[1:-1])
        left, coming = np.empty((0, channels), np.float32), chunks()
        for rows in rows_of(shape):
            part = np.empty(((rows.stop - rows.start) * per_row, channels), np.float32)
            filled = 0
            while filled < len(part):
                left = left if len(left) else next(coming)
                n = min(len(left), len(part) - filled)
                part[filled : filled + n] = left[:n]
                filled, left = filled + n, left[n:]
            yield part.reshape(-1, *shape[1:])

    return Bands(shape, parts())


def evaluate_grid(evaluate: Evaluate, grid: Grid, channels: int) -> Values:
    """A field's values [*grid.shape, C] on a lattice."""
    return evaluate_bands(evaluate, grid, channels).whole()


def min_max_map(values: Values) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Offset and scale per channel that map the values' range onto [-1, 1] (scale 1 for a constant channel)."""
    flat = values.reshape(-1, values.shape[-1])
    low, high = flat.min(0).astype(np.float64), flat.max(0).astype(np.float64)
    half = (high - low) / 2
    return tuple(((low + high) / 2).tolist()), tuple(np.where(half > 0, half, 1.0).tolist())


def view_grid(
    kind: str,
    domain: Domain,
    samples: tuple[int, ...],
    view: View,
    *,
    order: tuple[int, ...] | None = None,
    slice_offset: float = 0.0,
) -> tuple[Grid, list[int]]:
    """The lattice of a view, and the array axes that its slices remove (they have one sample each).

    samples: of the signal's own lattice, per coordinate. A crop keeps the signal's sample spacing unless `scale` or
    `size` says otherwise. slice_offset: added to slice positions (arrays: element i is centred at i + 1/2).
    Raises UsageError for a crop or slice outside the domain, bad sizes, or more than 2^40 samples.
    """
    d = domain.d_in
    order = order or tuple(range(d))
    low, extent = list(domain.low), list(domain.extent)
    if view.crop is not None:
        low, extent = _cropped(domain, view.crop)
    fixed = _slices(kind, domain, view.slices, slice_offset)
    if view.size is not None and view.scale is not None:
        raise UsageError("`size` and `scale` are both given, expected one of them")
    kept = [a for a in range(d) if a not in fixed]
    n = [1] * d
    if view.size is not None:
        if len(view.size) not in (d, len(kept)) or min(view.size) < 1:
            names = ", ".join(domain.axes[a] for a in kept)
            raise UsageError(f"`size` is {_numbers(view.size)}, expected {len(kept)} whole numbers >= 1 ({names})")
        sizes = view.size if len(view.size) == len(kept) else tuple(view.size[a] for a in kept)
        for a, size in zip(kept, sizes, strict=True):
            n[a] = size
    else:
        scale = 1.0 if view.scale is None else view.scale
        if not 0 < scale < float("inf"):
            raise UsageError(f"`scale` is {scale:g}, expected a number > 0")
        for a in kept:
            n[a] = max(1, round(scale * samples[a] * extent[a] / domain.extent[a]))
    total = 1
    for count in n:
        total *= count
    if total > MAX_SAMPLES:
        raise UsageError(
            f"the view has {'x'.join(map(str, n))} samples, expected at most {MAX_SAMPLES} (2^40)", "use `crop`"
        )
    for a, position in fixed.items():
        low[a], extent[a] = position, 0.0
    unit = [(v - lo) / e for v, lo, e in zip(low, domain.low, domain.extent, strict=True)]
    high = [u + e / whole for u, e, whole in zip(unit, extent, domain.extent, strict=True)]
    shape = [1] * d
    for a in range(d):
        shape[order[a]] = n[a]
    return Grid(tuple(shape), order, tuple(unit), tuple(high)), sorted(order[a] for a in fixed)


def _numbers(values: tuple[float, ...]) -> str:
    return ",".join(f"{v:g}" for v in values)


def _cropped(domain: Domain, crop: tuple[float, ...]) -> tuple[list[float], list[float]]:
    d = domain.d_in
    if len(crop) != 2 * d:
        names = ", ".join(domain.axes + tuple(f"size in {axis}" for axis in domain.axes))
        raise UsageError(f"`crop` is {_numbers(crop)}, expected {2 * d} numbers ({names}) in {domain.unit}")
    low, extent = list(crop[:d]), list(crop[d:])
    for a in range(d):
        slack = 1e-6 * domain.extent[a]
        if not (extent[a] > 0 and low[a] >= domain.low[a] - slack and low[a] + extent[a] <= domain.high[a] + slack):
            raise UsageError(
                f"`crop` from {low[a]:g} with size {extent[a]:g} along {domain.axes[a]} is not inside the signal, "
                f"expected {domain.low[a]:g} to {domain.high[a]:g} {domain.unit}"
            )
    return low, extent


def _slices(kind: str, domain: Domain, slices: Mapping[str, float], offset: float) -> dict[int, float]:
    fixed: dict[int, float] = {}
    for name, position in slices.items():
        is_index = name.isdecimal() and int(name) < domain.d_in
        if not is_index and name not in domain.axes:
            raise UsageError(
                f"`slices` has the unknown axis {name!r}{did_you_mean(name, domain.axes)}",
                f"the axes of this {kind} are {', '.join(domain.axes)}",
            )
        a = int(name) if is_index else domain.axes.index(name)
        if a in fixed:
            raise UsageError(f"`slices` has two positions on the axis {domain.axes[a]}, expected one")
        if not domain.low[a] <= position + offset <= domain.high[a]:
            raise UsageError(
                f"`slices` has position {name}={position:g}, which is outside the signal, "
                f"expected {domain.low[a] - offset:g} to {domain.high[a] - offset:g} {domain.unit}"
            )
        fixed[a] = position + offset
    if len(fixed) == domain.d_in:
        raise UsageError(f"`slices` fixes all {domain.d_in} axes, expected at most {domain.d_in - 1}")
    return fixed
