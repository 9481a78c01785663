"""What the page shows of a field: a picture, a waveform or a surface, beside the signal and the error."""

from __future__ import annotations

import io
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from inr.core.domain import Grid
from inr.core.samples import Samples
from inr.fitting import Fit
from inr.mesh import mesh_of_fit
from inr.report.style import heat, top_of
from inr.signals import Lattice, Signal
from inr.signals.files.colour_profiles import shown_profile
from inr.signals.solids.solid_signal import SolidSignal
from inr.signals.unsigned import Unsigned
from inr.watch.feed import Layer
from inr.watch.session import View

Floats = np.ndarray[Any, np.dtype[Any]]

COARSEST, FINEST = 12, 72
"""Cells along an axis of the lattice on which a surface is extracted."""

_COLUMNS = 1024
_FAST = 1  # of zlib: a third of the time of the default, for a tenth more bytes


@dataclass(frozen=True)
class Painted:
    """layers: by name. about: what the page needs to place them, as JSON. points: of the field that were evaluated."""

    layers: Mapping[str, Layer]
    about: Mapping[str, Any]
    points: int


class Painter(ABC):
    """Paints one signal's field. samples: of the signal; None: there is none, so no target and no error."""

    def __init__(self, samples: Samples | None, signal: Signal | None) -> None:
        self.samples, self.signal = samples, signal

    @abstractmethod
    def points(self, fit: Fit, view: View) -> int:
        """How many the view would have, if the time for them were not limited."""

    @abstractmethod
    def paint(self, fit: Fit, view: View, most_points: float) -> Painted:
        """The layers of a view, coarser if it has more points of the field than `most_points`."""


def painter_of(fit: Fit, samples: Samples | None, signal: Signal | None) -> Painter | None:
    """What can show the field; None if nothing can. Samples of signals in tiles, which lie on disk, are not used."""
    if samples is not None and (samples.tile is not None or samples.order is None):
        samples = None
    if fit.spec.shape is None:
        return SurfacePainter(samples, signal) if (fit.spec.d_in, fit.spec.d_out) == (3, 1) else None
    return WavePainter(samples, signal) if fit.spec.d_in == 1 else PicturePainter(samples, signal)


class PicturePainter(Painter):
    """The last two axes of a lattice as a picture, at a position of the first; of arrays, the first channel."""

    def points(self, fit: Fit, view: View) -> int:
        rows, columns = _window(_grid(fit), view, math.inf)
        n = rows.count * columns.count
        return n + (_fine(rows, columns, view)[0] if _is_magnified(rows, columns, view) else 0)

    def paint(self, fit: Fit, view: View, most_points: float) -> Painted:
        grid = _grid(fit)
        rows, columns = _window(grid, view, most_points)
        index = _indices(grid.shape, rows, columns, view.at)
        values = _values(fit, fit(grid.points(index)).reshape(rows.count, columns.count, -1))
        icc = _profile(fit)
        about: dict[str, Any] = {"view": "picture", "of": [grid.shape[-1], grid.shape[-2]], "frames": _frames(grid)}
        about |= {"alpha": _has_alpha(fit), **_note(fit)}
        layers = {}
        n = index.numel()
        if _is_magnified(rows, columns, view) and most_points >= 2 * n:
            total, fine = _fine(rows, columns, view, most_points - n)
            shown = _sub_grid(grid, rows, columns, fine, view.at)
            close = fit(shown.points(torch.arange(shown.size))).reshape(*fine, -1)
            layers["fit"] = _png(_pixels(_values(fit, close)), icc)
            n += total
        else:
            layers["fit"] = _png(_pixels(values), icc)
        if self.samples is not None:
            true = _values(fit, fit.frame.from_field(self.samples.at(index)[1]).reshape(rows.count, columns.count, -1))
            compared, found = _compared(fit, values, true)
            layers |= compared
            about |= found
        about |= {"box": _box(grid, rows, columns), "layers": list(layers), "samples": [columns.count, rows.count]}
        return Painted(layers, about, n)


def paint_picture(signal: Lattice, values: Tensor, view: View) -> Painted:
    """The view of a picture that is decoded already. values: [rows, columns, C] in the signal's units."""
    grid = Grid.whole(tuple(signal.values.shape[:-1]), signal.order)
    rows, columns = _window(grid, view, math.inf)
    at = rows.index[:, None], columns.index[None]
    found, true = _values(signal, values[at]), _values(signal, signal.values[at])
    layers = {"fit": _png(_pixels(found), _profile(signal))}
    compared, about = _compared(signal, found, true)
    about |= {"view": "picture", "of": [grid.shape[-1], grid.shape[-2]], "frames": 0, "alpha": _has_alpha(signal)}
    about |= {"box": _box(grid, rows, columns), "samples": [columns.count, rows.count], "layers": ["fit", *compared]}
    about |= _note(signal)
    return Painted(layers | compared, about, found.size)


class WavePainter(Painter):
    """Least and largest value in each column of a sound or another signal of one axis, of up to two channels.

    The layer holds float32 [layers, channels, columns, 2] of those that the message names.
    """

    per_column: ClassVar[int] = 8

    def points(self, fit: Fit, view: View) -> int:
        first, last = _span(_grid(fit).shape[0], view.x, view.w)
        return min(last - first, min(view.px, _COLUMNS) * self.per_column)

    def paint(self, fit: Fit, view: View, most_points: float) -> Painted:
        grid = _grid(fit)
        n = grid.shape[0]
        first, last = _span(n, view.x, view.w)
        count = max(1, int(min(last - first, self.points(fit, view), most_points)))
        columns = max(1, min(view.px, _COLUMNS, count))
        count -= count % columns
        index = first + (torch.arange(count, dtype=torch.int64) * (last - first)) // count
        channels = min(2, fit.frame.d_out)
        scale = np.asarray(fit.frame.scale[:channels])
        offset = np.asarray(fit.frame.offset[:channels])
        found = (fit(grid.points(index)).numpy()[:, :channels] - offset) / scale
        waves = {"fit": _envelope(found, columns)}
        about: dict[str, Any] = {"view": "wave", "of": [n, 1], "frames": 0, "channels": channels}
        if self.samples is not None:
            true = self.samples.at(index)[1].numpy()[:, :channels]
            error = np.abs(found - true)
            waves |= {"target": _envelope(true, columns), "error": _envelope(error, columns)}
            about |= {"error": {"mean": float((error * scale).mean()), "top": float((error * scale).max())}}
        about |= {"box": [first / n, 0.0, (last - first) / n, 1.0], "layers": list(waves), "samples": [count, 1]}
        about |= {"seconds": fit.frame.domain.extent[0] if fit.frame.domain.unit == "seconds" else None}
        data = b"".join(wave.astype("<f4").tobytes() for wave in waves.values())
        return Painted({"wave": Layer("application/octet-stream", data)}, about, count)


class SurfacePainter(Painter):
    """The zero level of a distance as triangles, coloured by their distance from the signal's own surface.

    The layer holds float32 positions in [-1, 1]^3 and normals, uint8 colours with a fourth byte that pads, then
    uint32 indices.
    """

    def points(self, fit: Fit, view: View) -> int:
        return FINEST**3

    def paint(self, fit: Fit, view: View, most_points: float) -> Painted:
        cells = int(min(FINEST, max(COARSEST, min(most_points, FINEST**3) ** (1 / 3))))
        mesh = mesh_of_fit(fit, cells)
        domain = fit.frame.domain
        middle = (np.asarray(domain.low) + np.asarray(domain.high)) / 2
        place = (mesh.vertices - middle) * 2 / max(domain.extent)
        colours = np.full((len(place), 4), 190, np.uint8)
        about: dict[str, Any] = {"view": "surface", "of": [1, 1], "frames": 0, "box": [0.0, 0.0, 1.0, 1.0]}
        about |= {"vertices": len(place), "triangles": len(mesh.faces), "layers": ["fit"], "samples": [cells, cells]}
        if isinstance(self.signal, SolidSignal | Unsigned) and len(place):
            unit = (mesh.vertices - np.asarray(domain.low)) / np.asarray(domain.extent)
            away = self.signal.distance(torch.from_numpy(unit)).abs().numpy()[:, 0]
            top = top_of([away])
            colours[:, :3] = heat(away[None], top)[0]
            about |= {"layers": ["fit", "error"], "error": {"mean": float(away.mean()), "top": top}}
        parts = [place.astype("<f4"), mesh.normals.astype("<f4"), colours, mesh.faces.astype("<u4")]
        data = b"".join(np.ascontiguousarray(part).tobytes() for part in parts)
        return Painted({"surface": Layer("application/octet-stream", data)}, about, mesh.n_evaluated)


@dataclass(frozen=True)
class _Steps:
    """Samples first, first + stride ... of an axis. whole: samples of the axis."""

    first: int
    stride: int
    count: int
    whole: int

    @property
    def index(self) -> Tensor:
        found = self.first + self.stride // 2 + self.stride * torch.arange(self.count, dtype=torch.int64)
        return found.clamp(max=self.whole - 1)

    @property
    def span(self) -> tuple[float, float]:
        """Low end and high end in the unit box."""
        return self.first / self.whole, min(1.0, (self.first + self.stride * self.count) / self.whole)


def _span(n: int, low: float, size: float) -> tuple[int, int]:
    first = min(n - 1, math.floor(low * n + 1e-9))
    return first, max(first + 1, min(n, math.ceil((low + size) * n - 1e-9)))


def _window(grid: Grid, view: View, most_points: float) -> tuple[_Steps, _Steps]:
    """Rows and columns of the view: samples with one stride on both axes."""
    spans = [
        _span(n, low, size) for n, low, size in zip(grid.shape[-2:], (view.y, view.x), (view.h, view.w), strict=True)
    ]
    counts = [last - first for first, last in spans]
    stride = max(1, -(-max(counts) // view.px))
    while math.prod(-(-count // stride) for count in counts) > max(1.0, most_points):
        stride += 1
    rows, columns = (
        _Steps(first, stride, -(-count // stride), n)
        for (first, _), count, n in zip(spans, counts, grid.shape[-2:], strict=True)
    )
    return rows, columns


def _is_magnified(rows: _Steps, columns: _Steps, view: View) -> bool:
    return rows.stride == 1 and 2 * max(rows.count, columns.count) <= view.px


def _fine(rows: _Steps, columns: _Steps, view: View, most: float = math.inf) -> tuple[int, tuple[int, int]]:
    """Points of a picture with several to a sample, and its rows and columns."""
    factor = view.px // max(rows.count, columns.count)
    while factor > 1 and rows.count * columns.count * factor * factor > most:
        factor -= 1
    shape = rows.count * factor, columns.count * factor
    return math.prod(shape), shape


def _sub_grid(grid: Grid, rows: _Steps, columns: _Steps, fine: tuple[int, int], at: float) -> Grid:
    low, high, shape = list(grid.low), list(grid.high), [1] * len(grid.shape)
    for d, axis in enumerate(grid.order):
        place = axis - len(grid.shape)
        if place == -2 or place == -1:
            low[d], high[d] = (rows, columns)[place + 2].span
            shape[axis] = fine[place + 2]
        else:
            n = grid.shape[axis]
            low[d] = high[d] = (_position(n, at if axis == 0 else 0.5) + 0.5) / n
    return Grid(tuple(shape), grid.order, tuple(low), tuple(high))


def _indices(shape: tuple[int, ...], rows: _Steps, columns: _Steps, at: float) -> Tensor:
    """Flat, row-major indices of the samples that are shown."""
    before = 0
    for axis, n in enumerate(shape[:-2]):
        before = before * n + _position(n, at if axis == 0 else 0.5)
    found = (before * shape[-2] + rows.index)[:, None] * shape[-1] + columns.index
    return found.reshape(-1)


def _position(n: int, at: float) -> int:
    return min(n - 1, int(at * n))


def _frames(grid: Grid) -> int:
    """Positions along the first axis, if it is not shown."""
    return grid.shape[0] if len(grid.shape) > 2 else 0


def _grid(fit: Fit) -> Grid:
    from inr.signals import View as Whole

    grid, _ = fit.kind.grid(fit.spec, fit.frame, fit.meta, Whole())
    return grid


def _box(grid: Grid, rows: _Steps, columns: _Steps) -> list[float]:
    (left, right), (top, bottom) = columns.span, rows.span
    return [left, top, right - left, bottom - top]


def _compared(fit: Fit | Signal, values: Floats, true: Floats) -> tuple[dict[str, Layer], dict[str, Any]]:
    """The layers of target and error, and what the page says of the error."""
    error = np.abs(values - true).mean(-1)
    top = top_of([error])
    layers = {"target": _png(_pixels(true), _profile(fit)), "error": _png(heat(error, top), None)}
    return layers, {"error": {"mean": float(error.mean()), "top": top}}


def _has_alpha(fit: Fit | Signal) -> bool:
    return fit.spec.traits.is_picture and fit.spec.d_out in (2, 4)


def _values(fit: Fit | Signal, values: Tensor) -> Floats:
    """Values [..., C] of a picture as they are, of others [..., 1 or 3], each in [0, 1] but for overshoot."""
    found = values.numpy()
    if fit.spec.traits.is_picture and fit.meta.get("dtype") != "float32":
        return found
    offset, scale = (np.asarray(numbers, np.float32) for numbers in (fit.frame.offset, fit.frame.scale))
    found = (found - offset) / scale * 0.5 + 0.5
    return found if fit.spec.traits.is_picture or found.shape[-1] == 3 else found[..., :1]


def _pixels(values: Floats) -> np.ndarray[Any, np.dtype[np.uint8]]:
    pixels: np.ndarray[Any, np.dtype[np.uint8]] = np.rint(255 * np.clip(np.nan_to_num(values), 0, 1)).astype(np.uint8)
    return pixels


def _profile(fit: Fit | Signal) -> bytes | None:
    """The colour profile of the picture; the browser converts from it to the screen's."""
    return shown_profile(fit.meta, fit.spec.d_out)[0] if fit.spec.traits.is_picture else None


def _note(fit: Fit | Signal) -> dict[str, str]:
    """What the page says of colours that it cannot show."""
    note = shown_profile(fit.meta, fit.spec.d_out)[1] if fit.spec.traits.is_picture else None
    return {} if note is None else {"note": note}


def _png(pixels: np.ndarray[Any, np.dtype[np.uint8]], icc: bytes | None) -> Layer:
    from PIL import Image

    file = io.BytesIO()
    plain = np.ascontiguousarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    Image.fromarray(plain).save(file, "PNG", compress_level=_FAST, icc_profile=icc)
    return Layer("image/png", file.getvalue())


def _envelope(values: Floats, columns: int) -> Floats:
    """Least and largest value of each column: [channels, columns, 2]."""
    parts = np.nan_to_num(values).reshape(columns, -1, values.shape[-1])
    return np.stack([parts.min(1), parts.max(1)], -1).transpose(1, 0, 2)
