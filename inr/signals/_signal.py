"""The contract of a signal: something sampled at coordinates, that can be loaded, fitted, rendered and written."""

from __future__ import annotations

import dataclasses
import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Protocol, Self

import numpy as np
import torch
from torch import Generator, Tensor

from inr._domain import Frame, Grid, Spec
from inr._errors import UnreadableError, UsageError
from inr._registry import Registry

SIGNALS: Registry[type[Signal]] = Registry("signal kind", "inr.signals")

Evaluate = Callable[[Tensor], Tensor]
"""A fitted field seen from a signal: unit-box coordinates [N, D] to values in the signal's units [N, C]."""

Values = np.ndarray[Any, np.dtype[np.float32]]

ANALYTIC = "analytic:"
"""Prefix of the names of signals made by a formula (`analytic:torus`), which take the place of a file name."""


@dataclasses.dataclass(frozen=True)
class Source:
    """Where a signal comes from: a file, bytes that were piped in, or a formula (`analytic:torus`)."""

    name: str
    path: Path | None = None
    data: bytes | None = None

    @classmethod
    def of(cls, path: str | Path) -> Self:
        """A file or formula; raises UnreadableError when a file is missing, a folder, or may not be read."""
        if str(path).startswith(ANALYTIC):
            return cls(str(path))
        path = Path(path)
        try:
            path.open("rb").close()
        except OSError as error:
            reason = "no such file" if isinstance(error, FileNotFoundError) else (error.strerror or str(error)).lower()
            raise UnreadableError(f"can not read {str(path)!r}: {reason}") from error
        return cls(str(path), path=path)

    @property
    def suffix(self) -> str:
        return Path(self.name).suffix.lower()

    @property
    def stem(self) -> str:
        return Path(self.name.removeprefix(ANALYTIC)).stem

    def open(self) -> BinaryIO:
        if self.path is not None:
            return self.path.open("rb")
        return io.BytesIO(self.data or b"")


@dataclasses.dataclass(frozen=True)
class Batch:
    """Training samples. All tensors share the leading N.

    x: [N, D] in the unit box. y: [N, C] training values (already through `Frame.to_field`).
    weight: [N, C] or [N, 1] loss weights, or None for ones. normals: [N, D] unit vectors, outward, or None.
    axes: coordinate vectors whose product, in row-major order, x is, where x is one.
    """

    x: Tensor
    y: Tensor
    weight: Tensor | None = None
    normals: Tensor | None = None
    axes: tuple[Tensor, ...] | None = None

    def __getitem__(self, here: slice) -> Batch:
        """Some of the samples, as they stand."""
        return dataclasses.replace(self, axes=None).each(lambda t: t[here])

    def to(self, device: torch.device) -> Batch:
        """The same samples on a device."""
        if self.x.device == device:
            return self
        return self.each(lambda t: t.to(device))

    def each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """The batch with `change` made to all its tensors."""
        weight, normals = (None if t is None else change(t) for t in (self.weight, self.normals))
        axes = None if self.axes is None else tuple(change(axis) for axis in self.axes)
        return Batch(change(self.x), change(self.y), weight, normals, axes)


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
    """What `render` was asked for. All None: the signal's own lattice.

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
        """UsageError for every option given that this kind of signal has no meaning for."""
        for f in dataclasses.fields(self):
            if f.name not in allowed and getattr(self, f.name):
                name = f.name.replace("_hz", "").removesuffix("s")
                raise UsageError(
                    f"--{name} does not apply to a model of kind {kind!r}",
                    f"it takes: {', '.join('--' + a.replace('_hz', '').removesuffix('s') for a in allowed)}",
                )


class Signal(ABC):
    """One loaded signal.

    kind: its registered name. extensions: file suffixes it is recognised by, with the dot, lower case.
    formats: suffixes that `write` can produce, the default first. loss, default_field: the objective and the
    field family it is fitted with by default.
    headline: the metric shown while fitting and printed first ("psnr_db", "snr_db", "iou").
    spec, frame: see `inr._domain`. meta: everything `write` needs, as JSON. notes: what a user should be told.
    name: of the file, without its folder. tile: where the samples are read block by block, the shape of a block per
    array axis.
    """

    kind: ClassVar[str]
    extensions: ClassVar[tuple[str, ...]]
    formats: ClassVar[tuple[str, ...]]
    loss: ClassVar[str] = "mse"
    default_field: ClassVar[str] = "hash_grid"
    headline: str = "psnr_db"

    spec: Spec
    frame: Frame
    meta: dict[str, Any]
    notes: tuple[str, ...] = ()
    name: str = ""
    tile: tuple[int, ...] | None = None

    @classmethod
    @abstractmethod
    def load(cls, source: Source, options: Mapping[str, str]) -> Self:
        """Read a file. `options` are the kind's own (`--signal key=value`), unknown keys are refused.

        Raises UnreadableError for a file that is not a readable signal of this kind, UsageError for bad options.
        """

    @classmethod
    def open(cls, source: Source, options: Mapping[str, str]) -> Signal:
        """As `load`; a kind may leave what is large in its file and read it when it is asked for."""
        return cls.load(source, options)

    @classmethod
    def claims(cls, source: Source) -> bool:
        """Whether a file whose suffix several kinds share (a PLY with or without faces) is of this one."""
        return True

    @abstractmethod
    def pool(self, generator: Generator) -> Pool:
        """The training samples. Random ones (points in space) are drawn from `generator`."""

    @abstractmethod
    def metrics(self, evaluate: Evaluate) -> dict[str, float]:
        """Quality of a field against this signal, of what would be written to disk (clipped, quantised)."""

    @property
    def peak(self) -> float | None:
        """Peak value, in signal units, that PSNR refers to; None where PSNR has no meaning."""
        return None

    @classmethod
    @abstractmethod
    def grid(cls, spec: Spec, frame: Frame, meta: Mapping[str, Any], view: View) -> tuple[Grid, dict[str, Any]]:
        """The lattice that a view asks for, and the metadata of the result. Raises UsageError for a bad view."""

    @classmethod
    @abstractmethod
    def write(cls, values: Values, meta: Mapping[str, Any], file: BinaryIO, suffix: str) -> tuple[str, ...]:
        """Write values (signal units, [*grid.shape, C]) as the format of `suffix`; returns notes (clipping ...).

        Raises UsageError when the format can not hold them.
        """


def load_signal(
    source: Source | str | Path, kind: str | None = None, options: Mapping[str, str] | None = None
) -> Signal:
    """Load a signal; its kind is told by the suffix, or given.

    Args:
        source: a file, or `analytic:NAME` for a formula (`inr demo` lists some).
        kind: "image", "audio", "shape", "points" or "array".
        options: of the kind, as `--set signal.KEY=VALUE` takes them.

    Raises:
        UnreadableError: the file is missing or damaged.
        UsageError: the kind is neither given nor told by the suffix.

    Examples:
        >>> import inr
        >>> signal = inr.load_signal("photo.png")
        >>> signal.kind, signal.spec.shape, signal.spec.d_out
        ('image', (96, 64), 3)
    """
    if not isinstance(source, Source):
        source = Source.of(source)
    if source.name.startswith(ANALYTIC):
        from inr.signals import analytic

        signal: Signal = analytic.load(source.name.removeprefix(ANALYTIC), options or {})
        signal.name = source.name
        return signal
    signal = SIGNALS[kind or kind_of(source)].open(source, options or {})
    signal.name = Path(source.name).name
    return signal


_NO_SIGNALS = {
    ".safetensors": ("a model", "inr eval takes the signal last; inr render and inr mesh make signals of models"),
    ".inrz": ("a compressed file", "inr decompress makes a signal of it"),
}


def kind_of(source: Source) -> str:
    """The kind that a file's suffix tells, or its first bytes where several kinds share the suffix.

    Raises UsageError when no kind has the suffix.
    """
    owners = [name for name in SIGNALS if source.suffix in SIGNALS[name].extensions]
    if not owners and source.suffix in _NO_SIGNALS:
        what, hint = _NO_SIGNALS[source.suffix]
        raise UsageError(f"{source.name!r} is {what}, expected a signal: a picture, sound, shape or array", hint)
    if not owners:
        known = sorted({e for name in SIGNALS for e in SIGNALS[name].extensions})
        raise UsageError(
            f"can not tell the kind of {source.name!r} by its suffix {source.suffix!r}",
            f"give --kind ({', '.join(SIGNALS)}), or one of the suffixes {' '.join(known)}",
        )
    return next((name for name in owners if SIGNALS[name].claims(source)), owners[0])


def default_field_of(source: Source, kind: str | None = None) -> str:
    """The field family that a signal is fitted with when none is named, told before it is loaded."""
    if source.name.startswith(ANALYTIC):
        return Signal.default_field
    return SIGNALS[kind or kind_of(source)].default_field
