"""The contract of a signal: values at coordinates that can be loaded, fitted, rendered and written."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Protocol, Self, cast

import numpy as np
import torch
from torch import Generator, Tensor

from inr.core.domain import Frame, Grid, Spec
from inr.core.errors import UsageError
from inr.core.kind import KINDS, Kind
from inr.signals._demo import Demo
from inr.signals._described import Described
from inr.signals._source import Source as Source
from inr.signals.files.bands import Bands

if TYPE_CHECKING:
    from inr.core.registry import Registry

GOOD_DB = 50.0
"""PSNR of a good field."""

SIGNALS = cast("Registry[type[Signal]]", KINDS)
"""The kinds of signals by name."""

Evaluate = Callable[[Tensor], Tensor]
"""A fitted field seen from a signal: unit-box coordinates [N, D] to values in the signal's units [N, C]."""

Values = np.ndarray[Any, np.dtype[np.float32]]


@dataclasses.dataclass(frozen=True)
class Stencil:
    """Sums of a field over points, sum_k a_nk f(p_k): the factors a [N, K] and the points.

    points: [M, D]. places: [N, K] into them, or None where each sum has its own: M = N K, in order.
    """

    points: Tensor
    factors: Tensor
    places: Tensor | None = None

    def __getitem__(self, here: slice) -> Stencil:
        """A part of the sums, with its points only."""
        count, terms = self.factors.shape
        points = self.points.view(count, terms, -1)[here] if self.places is None else self.points[self.places[here]]
        return Stencil(points.flatten(0, 1), self.factors[here])

    def each(self, change: Callable[[Tensor], Tensor]) -> Stencil:
        """The same with `change` applied to all tensors."""
        places = None if self.places is None else change(self.places)
        return Stencil(change(self.points), change(self.factors), places)

    def moved(self, by: Tensor) -> Stencil:
        """All points of sum n moved by the same by_n [N, D], less where one would leave the unit box."""
        count, terms = self.factors.shape
        points = (self.points if self.places is None else self.points[self.places]).view(count, terms, -1)
        by = by.maximum(-points.amin(1)).minimum(1 - points.amax(1))
        return Stencil((points + by[:, None]).flatten(0, 1), self.factors)

    def sums(self, values: Tensor) -> Tensor:
        """[N, C] of the field's values [M, C] at the points."""
        if self.places is None:
            return (self.factors[..., None] * values.view(*self.factors.shape, -1)).sum(1)
        places = self.places.flatten()  # column by column, whose gradient is several times quicker than that of rows
        columns = [column.index_select(0, places).view_as(self.factors) for column in values.unbind(-1)]
        return torch.stack([(self.factors * column).sum(1) for column in columns], -1)


@dataclasses.dataclass(frozen=True)
class Batch:
    """Training samples. All tensors share the leading N.

    x: [N, D] in the unit box. y: [N, C] training values (already through `Frame.to_field`).
    weight: [N, C] or [N, 1] loss weights, or None for ones. normals: [N, D] unit vectors, outward, or None.
    axes: if x is a product of coordinate vectors in row-major order, these vectors. stencil: the sums of which y are
    the values; x is then the first point of each.
    """

    x: Tensor
    y: Tensor
    weight: Tensor | None = None
    normals: Tensor | None = None
    axes: tuple[Tensor, ...] | None = None
    stencil: Stencil | None = None

    def __getitem__(self, here: slice) -> Batch:
        """A part of the samples, in order."""
        stencil = None if self.stencil is None else self.stencil[here]
        parts = dataclasses.replace(self, axes=None, stencil=None).each(lambda t: t[here])
        return dataclasses.replace(parts, stencil=stencil)

    def to(self, device: torch.device) -> Batch:
        """The same samples on a device."""
        if self.x.device == device:
            return self
        return self.each(lambda t: t.to(device))

    def each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """The batch with `change` applied to all its tensors."""
        weight, normals = (None if t is None else change(t) for t in (self.weight, self.normals))
        axes = None if self.axes is None else tuple(change(axis) for axis in self.axes)
        stencil = None if self.stencil is None else self.stencil.each(change)
        return Batch(change(self.x), change(self.y), weight, normals, axes, stencil)


class Pool(Protocol):
    """The samples of a signal, addressed by index, so that the loop can draw without replacement.

    order: as in `Samples`.
    """

    @property
    def size(self) -> int: ...

    @property
    def order(self) -> tuple[int, ...] | None: ...

    def batch(self, index: Tensor) -> Batch:
        """The samples at flat indices [N] (int64), on the device of `index`."""
        ...


@dataclasses.dataclass(frozen=True)
class View:
    """The view that `render` takes. All None: the signal's own lattice.

    scale: factor on the number of samples per axis. size: samples per coordinate, in coordinate order (pictures:
    width, height). crop: low corner then size per coordinate, in the signal's own units (pictures: x, y, width,
    height in pixels; sound: start, duration in seconds). rate_hz: sound only. slices: axis name or index -> position
    in the signal's own units, which removes that axis from the result.
    """

    scale: float | None = None
    size: tuple[int, ...] | None = None
    crop: tuple[float, ...] | None = None
    rate_hz: float | None = None
    slices: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def refuse(self, kind: str, *allowed: str) -> None:
        """UsageError for an option that this kind of signal does not take."""
        for f in dataclasses.fields(self):
            if f.name not in allowed and getattr(self, f.name):
                raise UsageError(
                    f"`{f.name}` does not apply to a model of kind {kind!r}",
                    f"it takes {', '.join(f'`{name}`' for name in allowed)}",
                )


class Signal(Kind, ABC):
    """One loaded signal.

    extensions: file suffixes that are read, with the dot, lower case. unclaimed: those of them that are another kind's
    unless this one is named. formats: suffixes that `write` can produce, the default first. held_formats: those of
    them for which the whole result is held in memory, with one or two bytes per value. demo: what `inr demo` fits.
    described: what a model file must state of a signal of this kind. loss, default_field: what it is fitted with by
    default. headline: the metric that is shown first ("psnr_db", "snr_db", "iou").
    spec, frame: see `inr.core.domain`. meta: everything `write` needs, as JSON. notes: what the user should know.
    name: of the file, without its folder. tile: if the samples are read block by block, the shape of a block per
    array axis. has_whole_lattice: whether `initial_pool` is a signal's whole lattice, and nothing else.
    has_values_anywhere: whether `training_values` works.
    """

    extensions: ClassVar[tuple[str, ...]]
    unclaimed: ClassVar[tuple[str, ...]] = ()
    formats: ClassVar[tuple[str, ...]]
    held_formats: ClassVar[tuple[str, ...]] = ()
    demo: ClassVar[Demo | None] = None
    described: ClassVar[Described]
    loss: ClassVar[str] = "mse"
    default_field: ClassVar[str] = "hash_grid"
    headline: str = "psnr_db"

    spec: Spec
    frame: Frame
    meta: dict[str, Any]
    notes: tuple[str, ...] = ()
    name: str = ""
    tile: tuple[int, ...] | None = None
    has_whole_lattice: bool = True
    has_values_anywhere: bool = False

    @classmethod
    @abstractmethod
    def load(cls, source: Source, options: Mapping[str, str]) -> Self:
        """Read a file. `options` are the kind's own; unknown keys are refused.

        Raises UnreadableError for a file that is not a readable signal of this kind, UsageError for bad options.
        """

    @classmethod
    def open(cls, source: Source, options: Mapping[str, str]) -> Signal:
        """As `load`; a kind may choose another class for what the file holds."""
        return cls.load(source, options)

    @classmethod
    def default_field_for(cls, source: Source, options: Mapping[str, str]) -> str:
        """The default field family of what `open` returns. Raises nothing for a file that cannot be read."""
        return cls.default_field

    @classmethod
    def claims(cls, source: Source) -> bool:
        """Whether a file whose suffix several kinds share (a PLY with or without faces) is of this kind."""
        return source.suffix not in cls.unclaimed

    @classmethod
    def load_kind(cls, meta: Mapping[str, Any]) -> str:
        """The kind that a signal with this metadata was read as."""
        return cls.kind

    @classmethod
    def load_options(cls, meta: Mapping[str, Any]) -> dict[str, str]:
        """The options with which a signal that has this metadata was loaded, as far as they change its values."""
        return {}

    def doubts(self) -> tuple[str, ...]:
        """Notes on what else a file may hold whose kind was not named."""
        return ()

    @abstractmethod
    def pool(self, generator: Generator) -> Pool:
        """The training samples. Random ones (points in space) are drawn from `generator`."""

    def initial_pool(self, pool: Pool) -> Pool:
        """The samples that an initialisation sees: `pool`, those of the training, or another choice of the signal."""
        return pool

    def training_values(self, x: Tensor) -> Tensor:
        """Training values [N, C] at points [N, D] in the unit box and near it, of a signal that has them anywhere."""
        raise UsageError(f"a signal of kind {self.kind!r} has values at its samples only")

    @abstractmethod
    def metrics(self, evaluate: Evaluate) -> dict[str, float]:
        """Quality of a field against this signal, of what would be written to disk (clipped, quantised)."""

    @property
    def peak(self) -> float | None:
        """Peak value, in signal units, that PSNR refers to; None for signals that have no PSNR."""
        return None

    @property
    def good_error(self) -> float | None:
        """Root mean square error, in signal units, that a field should keep whose size follows from the content.

        That of a PSNR of GOOD_DB; None for signals that have no PSNR.
        """
        return None if self.peak is None else float(self.peak * 10 ** (-GOOD_DB / 20))

    @property
    def value_step(self) -> float | None:
        """Distance, in signal units, between the values that a written file can hold; None for floats."""
        return None

    @classmethod
    @abstractmethod
    def grid(cls, spec: Spec, frame: Frame, meta: Mapping[str, Any], view: View) -> tuple[Grid, dict[str, Any]]:
        """The lattice that a view asks for, and the metadata of the result. Raises UsageError for a bad view."""

    @classmethod
    @abstractmethod
    def write_bands(cls, bands: Bands, meta: Mapping[str, Any], file: BinaryIO, suffix: str) -> tuple[str, ...]:
        """Write values (signal units) as the format of `suffix`; returns notes (clipping ...).

        bands: of the values [*shape, C], without the axes that slices removed. file: can be read and sought.
        Raises UsageError when the format cannot hold them.
        """

    @classmethod
    def write(cls, values: Values, meta: Mapping[str, Any], file: BinaryIO, suffix: str) -> tuple[str, ...]:
        """As `write_bands`, of values [*grid.shape, C] in one array."""
        return cls.write_bands(Bands.of(np.squeeze(values, tuple(meta.get("sliced", ())))), meta, file, suffix)
