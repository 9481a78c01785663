"""Coefficients from files ([data]): samples on a lattice, as a function of the coordinates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inr.core.errors import UnreadableError, UsageError, did_you_mean
from inr.core.formula import Node, name, parse_formula
from inr.signals import Source
from inr.solving.columns import arrays_of, bytes_of, columns_of
from inr.solving.domains import Spot
from inr.solving.equation import TIME
from inr.solving.geometry import is_number
from inr.solving.solids import file_beside

Array = NDArray[np.float64]
ENTRIES = ("file", "gaussian", "interpolate", "of", "range", "value")
GAUSSIAN = "{ gaussian = { at = [0, 0], std = 0.01, integral = 1 } }"
PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".gif")
FEWEST = {"linear": 2, "cubic": 4}
"""Samples per axis."""


@dataclass(frozen=True)
class Data:
    """formula: of the axes. spot: of a Gaussian of all axes of space."""

    formula: Node
    spot: Spot | None = None


def data_of(key: str, table: Any, axes: Mapping[str, tuple[float, float]], folder: Path | None) -> Data:
    """The function that a table of [data] describes.

    file: .npy [n_x, n_y ...], whose first and last samples are at the ends of the axes; .npz with an array of this name
    (or `value`) and `axis_x`, ... as `inr solve --export u.npz` writes it; .csv of all points of a lattice; or a
    picture, whose pixels fill the axes x and y, with y upwards. of: its axes, by default those of space. range: the
    values that black and white of a picture mean. interpolate: "linear", or "cubic", which has derivatives.
    gaussian, instead of a file: a normal density of the axes, times `integral` (1 by default).

    Raises UsageError and UnreadableError.
    """
    where = f"data {key}"
    is_gaussian = isinstance(table, Mapping) and "gaussian" in table
    if not isinstance(table, Mapping) or not (is_gaussian or isinstance(table.get("file"), str)):
        raise UsageError(
            f'{where} is {table!r}, expected {{ file = "{key}.npy", interpolate = "cubic" }}', f"or {GAUSSIAN}"
        )
    for entry in table:
        if entry not in ENTRIES:
            raise UsageError(f"{where} has an unknown entry {entry!r}{did_you_mean(entry, ENTRIES)}",
                             f"known: {', '.join(ENTRIES)}")  # fmt: skip
    kind = table.get("interpolate", "linear")
    if kind not in FEWEST:
        raise UsageError(f"{where}, interpolate is {kind!r}, expected linear or cubic")
    space = [axis for axis in axes if axis != TIME]
    own = table.get("of", space)
    if not isinstance(own, list) or not own or len(set(own)) != len(own) or not set(own) <= set(axes):
        raise UsageError(f"{where}, of is {own!r}, expected axes out of {', '.join(axes)}")
    if is_gaussian:
        return _gaussian(where, table, own, space)
    path = file_beside(table["file"], folder)
    lines, values = _samples(key, table, own, axes, path)
    if values.shape != tuple(map(len, lines)):
        sizes = " x ".join(str(len(line)) for line in lines)
        raise UnreadableError(f"{table['file']!r} has shape {values.shape}, expected {sizes} along {', '.join(own)}")
    if min(values.shape) < FEWEST[kind]:
        raise UnreadableError(f"{table['file']!r} has shape {values.shape}, expected at least {FEWEST[kind]} per axis")
    if not np.isfinite(values).all():
        raise UnreadableError(f"{table['file']!r} has values that are not finite")
    return Data(Node("table", tuple(map(name, own)), table=Interpolant(key, lines, values, kind)))


def _gaussian(where: str, table: Mapping[str, Any], own: Sequence[str], space: Sequence[str]) -> Data:
    given = table["gaussian"]
    is_table = isinstance(given, Mapping) and {"at", "std"} <= set(given) <= {"at", "std", "integral"}
    if not is_table or set(table) - {"gaussian", "of"} or not isinstance(given["at"], list | tuple):
        raise UsageError(f"{where} is {dict(table)!r}, expected a place, a width and an integral", GAUSSIAN)
    std, integral = given["std"], given.get("integral", 1)
    if len(given["at"]) != len(own) or not all(map(is_number, [*given["at"], std, integral])) or not std > 0:
        raise UsageError(
            f"{where}, gaussian is {dict(given)!r}, expected a place along {', '.join(own)}, and std > 0",
            GAUSSIAN,
        )
    square = "+".join(f"({axis}-({float(place)!r}))**2" for axis, place in zip(own, given["at"], strict=True))
    scale = float(integral) / (2 * math.pi * float(std) ** 2) ** (len(own) / 2)
    formula = parse_formula(f"({scale!r})*exp(-({square})/{2 * float(std) ** 2!r})")
    places = dict(zip(own, map(float, given["at"]), strict=True))
    spot = Spot(tuple(places[axis] for axis in space), float(std)) if {*own} == {*space} else None
    return Data(formula, spot)


def _samples(
    key: str, table: Mapping[str, Any], own: Sequence[str], axes: Mapping[str, tuple[float, float]], path: Path
) -> tuple[list[Array], Array]:
    """Coordinates along each axis, and values [n_1, n_2 ...]."""
    file, suffix = table["file"], path.suffix.lower()
    if "range" in table and suffix not in PICTURES:
        raise UsageError(f"data {key} has a range, and {file!r} is not a picture", "leave out range")
    if suffix in PICTURES:
        return _of_picture(key, table, own, axes, path)
    if suffix == ".csv":
        columns = columns_of(file, path)
        value = _named(key, table, columns, file)
        missing = [axis for axis in own if axis not in columns]
        if missing:
            raise UnreadableError(f"{file!r} has columns {', '.join(columns)}, expected {', '.join(own)} and {key}")
        lines = [np.unique(columns[axis]) for axis in own]
        found = np.full(tuple(map(len, lines)), np.nan)
        found[tuple(np.searchsorted(line, columns[axis]) for line, axis in zip(lines, own, strict=True))] = value
        if np.isnan(found).any():
            raise UnreadableError(f"{file!r} lacks {int(np.isnan(found).sum())} points of its lattice")
    else:
        arrays = arrays_of(file, bytes_of(file, path))
        found = arrays[""] if suffix == ".npy" and "" in arrays else _named(key, table, arrays, file)
        ends = [axes[axis] for axis in own]
        if found.ndim != len(own):
            raise UnreadableError(f"{file!r} has shape {found.shape}, expected {len(own)} axes: {', '.join(own)}")
        lines = [
            arrays.get(f"axis_{axis}", np.linspace(low, high, n))
            for axis, (low, high), n in zip(own, ends, found.shape, strict=True)
        ]
    for axis, line in zip(own, lines, strict=True):
        low, high = axes[axis]
        slack = 1e-9 * (high - low)
        if line.ndim != 1 or not (np.diff(line) > 0).all():
            raise UnreadableError(f"{file!r} has coordinates along {axis} that do not grow")
        if line[0] > low + slack or line[-1] < high - slack:
            raise UsageError(f"{file!r} reaches from {line[0]:g} to {line[-1]:g} along {axis}, expected {low:g} to "
                             f"{high:g}")  # fmt: skip
    return lines, found


def _named(key: str, table: Mapping[str, Any], arrays: Mapping[str, Array], file: str) -> Array:
    wanted = table.get("value", key)
    if wanted not in arrays:
        raise UnreadableError(
            f"{file!r} has {', '.join(arrays)}, and no {wanted!r}", f'value = "..." in [data] {key} names it'
        )
    return arrays[wanted]


def _of_picture(
    key: str, table: Mapping[str, Any], own: Sequence[str], axes: Mapping[str, tuple[float, float]], path: Path
) -> tuple[list[Array], Array]:
    from inr.signals.files.pictures import decode

    ends = table.get("range", [0.0, 1.0])
    if not isinstance(ends, list) or len(ends) != 2 or not all(map(is_number, ends)):
        raise UsageError(f"data {key}, range is {ends!r}, expected the values of black and white", "range = [1.0, 2.0]")
    if len(own) != 2:
        raise UsageError(f"data {key} is a picture with two axes, and of is {', '.join(own)}")
    pixels = decode(Source.of(path)).pixels
    values = pixels.astype(np.float64) / (np.iinfo(pixels.dtype).max if pixels.dtype.kind == "u" else 1.0)
    colours = values[..., : 1 if values.shape[2] < 3 else 3].mean(-1)
    found = ends[0] + (ends[1] - ends[0]) * colours[::-1].T
    lines = [
        low + (np.arange(n) + 0.5) / n * (high - low)
        for (low, high), n in zip((axes[axis] for axis in own), found.shape, strict=True)
    ]
    return lines, found


class Interpolant:
    """Samples on a lattice, multilinear or by cubic splines; beyond the outer samples they are continued."""

    def __init__(
        self, key: str, lines: Sequence[Array], values: Array, kind: str, orders: tuple[int, ...] = ()
    ) -> None:
        from scipy.interpolate import NdBSpline, make_interp_spline

        self._key, self._lines, self._values, self._kind = key, lines, values, kind
        self._orders = orders or (0,) * len(lines)
        degree = 3 if kind == "cubic" else 1
        knots, found = [], values
        for axis, line in enumerate(lines):
            spline = make_interp_spline(line, found, degree, axis=axis)
            knots.append(spline.t)
            found = np.moveaxis(spline.c, 0, axis)
        self._spline: Any = NdBSpline(tuple(knots), found, degree, extrapolate=True)

    def __call__(self, *args: Any) -> Any:
        points = np.stack(np.broadcast_arrays(*(np.asarray(_array(each), np.float64) for each in args)), -1)
        found = self._spline(points, nu=self._orders)
        like = next((each for each in args if isinstance(each, Tensor)), None)
        return float(found) if like is None else torch.from_numpy(np.asarray(found)).to(like)

    def by(self, axis: int) -> Interpolant:
        if self._kind != "cubic":
            raise UsageError(
                f"the equation has a derivative of {self._key}, which is interpolated linearly",
                f'interpolate = "cubic" in [data] {self._key}',
            )
        orders = tuple(order + (at == axis) for at, order in enumerate(self._orders))
        return Interpolant(self._key, self._lines, self._values, self._kind, orders)


def _array(value: Any) -> Any:
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else value
