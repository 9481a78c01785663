"""The signal that was fitted, and the samples of it that a page shows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor

from inr.core.domain import Grid
from inr.core.errors import InrError, UsageError
from inr.core.text import count_of, printable
from inr.fitting import Fit
from inr.report._entry import Entry, entries_of
from inr.report._panel import Floats
from inr.signals import Lattice, Signal, Source, View, load_signal

SHOWN = 2**22
"""Most samples of a signal that are shown; of a larger one, its middle."""


@dataclasses.dataclass(frozen=True)
class Target:
    """signal: None if it is not available; why: the reason, in a sentence. entries: the fits to it."""

    signal: Signal | None
    why: str
    entries: Sequence[Entry]

    @property
    def first(self) -> Fit:
        return self.entries[0].fit

    @property
    def name(self) -> str:
        if self.signal is not None and self.signal.name:
            return printable(self.signal.name)
        return printable(self.first.source) or f"an unnamed {self.first.spec.kind} signal"


def targets_of(entries: Sequence[Entry], signal: Signal | Source | str | Path | None) -> list[Target]:
    """The entries grouped by the signal that they were fitted to.

    signal: of all entries; None: the file that each model names, searched beside the model and in the working folder.
    Raises UsageError if an entry was fitted to another signal (other dimensions or lattice).
    """
    if signal is not None:
        loaded = signal if isinstance(signal, Signal) else _load(signal, entries[0].fit)
        for entry in entries:
            _check(entry, loaded)
        return [Target(loaded, "", entries)]
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        key = repr((entry.fit.source, entry.fit.spec, entry.fit.frame))
        groups.setdefault(key, []).append(entry)
    return [_found(group) for group in groups.values()]


def signal_of(model: Source | str | Path, signal: Source | None = None) -> tuple[Signal | None, str]:
    """The signal that a model file, or the run in a folder of checkpoints, was fitted to; and why there is none.

    signal: the one to take; None: the file that the model names, searched beside it and in the working folder.
    Raises UnreadableError if the model or `signal` cannot be read, UsageError if `signal` is another one.
    """
    found = targets_of(entries_of(model)[:1], signal)[0]
    return found.signal, found.why


def _load(source: Source | str | Path, fit: Fit) -> Signal:
    source = Source.of(source)
    kind = None if source.is_formula else fit.kind.load_kind(fit.meta)
    return load_signal(source, kind, fit.kind.load_options(fit.meta))


def _found(entries: Sequence[Entry]) -> Target:
    fit = entries[0].fit
    if not fit.source:
        return Target(None, "The model file does not name its signal, so no target is shown.", entries)
    if Source(fit.source).is_formula:
        return Target(_load(fit.source, fit), "", entries)
    folders = [entry.folder for entry in entries if entry.folder is not None]
    places = [folder / fit.source for folder in dict.fromkeys([*folders, Path()])]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        why = f"{fit.source!r} was not found beside the model, so no target is shown; name it with --signal."
        return Target(None, why, entries)
    try:
        signal = _load(path, fit)
        for entry in entries:
            _check(entry, signal)
    except InrError as error:
        return Target(None, f"No target is shown: {error.message}.", entries)
    return Target(signal, "", entries)


def _check(entry: Entry, signal: Signal) -> None:
    mine, theirs = entry.fit.spec, signal.spec
    if mine.quantity != theirs.quantity:
        raise UsageError(
            f"{entry.name!r} was fitted to a signal of kind {mine.kind!r}, but {signal.name!r} is of kind "
            f"{theirs.kind!r}",
            "give the signal that the model was fitted to",
        )
    if (mine.d_in, mine.d_out, mine.shape) != (theirs.d_in, theirs.d_out, theirs.shape):
        raise UsageError(
            f"{entry.name!r} was fitted to a signal of {_size(entry.fit)}, but {signal.name!r} has {_size(signal)}",
            "give the signal that the model was fitted to",
        )
    if mine.shape is None and entry.fit.frame.domain != signal.frame.domain:
        raise UsageError(
            f"{entry.name!r} was fitted to a shape in another box than {signal.name!r}",
            "give the signal that the model was fitted to",
        )


def _size(of: Fit | Signal) -> str:
    spec = of.spec
    shape = f"{spec.d_in} coordinates" if spec.shape is None else " x ".join(map(str, spec.shape))
    return f"{shape} and {count_of(spec.d_out, 'channel')}"


@dataclasses.dataclass(frozen=True)
class ShownSamples:
    """Values on the window of the lattice that is shown.

    shape: of the window, per array axis. is_whole: whether it is the whole lattice. target: [*shape, C] in signal
    units; None: no signal. fitted: the same of each entry.
    """

    shape: tuple[int, ...]
    is_whole: bool
    target: Floats | None
    fitted: Sequence[Floats]


def samples_of(target: Target) -> ShownSamples:
    """The samples to show of a signal on a lattice."""
    fit = target.first
    grid, _ = fit.kind.grid(fit.spec, fit.frame, fit.meta, View())
    shape = _middle(grid)
    index = _indices(grid.shape, _window(grid.shape, shape))
    x = grid.points(index)
    of = [entry.fit(x).numpy().reshape(*shape, -1) for entry in target.entries]
    own = None
    if isinstance(target.signal, Lattice):
        own = target.signal.values[_window(grid.shape, shape)].numpy()
    elif target.signal is not None:
        batch = target.signal.pool(Generator().manual_seed(0)).batch(index)
        own = target.signal.frame.from_field(batch.y).numpy().reshape(*shape, -1)
    return ShownSamples(shape, shape == grid.shape, own, of)


def _middle(grid: Grid) -> tuple[int, ...]:
    """The shape of the whole lattice, or of its middle if that has too many samples."""
    shape = list(grid.shape)
    while np.prod(shape, dtype=float) > SHOWN:
        axis = int(np.argmax(shape))
        shape[axis] = -(-shape[axis] // 2)
    return tuple(shape)


def _window(whole: tuple[int, ...], shape: tuple[int, ...]) -> tuple[slice, ...]:
    """The middle of this shape, per array axis."""
    starts = [(n - side) // 2 for n, side in zip(whole, shape, strict=True)]
    return tuple(slice(start, start + side) for start, side in zip(starts, shape, strict=True))


def _indices(whole: tuple[int, ...], window: tuple[slice, ...]) -> Tensor:
    """The flat indices of a window's samples, row-major."""
    index = torch.zeros((), dtype=torch.int64)
    for n, part in zip(whole, window, strict=True):
        index = index.unsqueeze(-1) * n + torch.arange(part.start, part.stop)
    return index.reshape(-1)


def metrics_of(target: Target, samples: ShownSamples | None) -> list[dict[str, float]]:
    """The metrics of every entry, measured as by `inr eval`; without a signal, those in the model files."""
    signal = target.signal
    if signal is None:
        return [dict(entry.fit.metrics) for entry in target.entries]
    if isinstance(signal, Lattice) and samples is not None and samples.is_whole:
        return [signal.metrics_of(values) for values in samples.fitted]
    return [signal.metrics(entry.fit) for entry in target.entries]
