"""Coordinates and values: maps between the unit box of fields and the units of a signal."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Self

import torch
from torch import Tensor

from inr.core.errors import UnreadableError
from inr.core.kind import KINDS, Kind


@dataclasses.dataclass(frozen=True)
class Domain:
    """The box of a signal in its own units (pixels, seconds, mesh units), mapped affinely onto [0, 1]^D.

    low, high: corners, D numbers each, low < high.
    axes: a name per coordinate, in the order of the field's inputs. unit: unit of the coordinates.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    axes: tuple[str, ...]
    unit: str

    def __post_init__(self) -> None:
        ok = len(self.low) == len(self.high) == len(self.axes) > 0
        ok = ok and all(
            math.isfinite(a) and math.isfinite(b) and a < b for a, b in zip(self.low, self.high, strict=True)
        )
        if not ok:
            raise UnreadableError(f"domain {self.low} to {self.high} with axes {self.axes} is not a box")

    @property
    def d_in(self) -> int:
        return len(self.low)

    @property
    def extent(self) -> tuple[float, ...]:
        return tuple(b - a for a, b in zip(self.low, self.high, strict=True))

    def to_unit(self, p: Tensor) -> Tensor:
        """Signal units [*B, D] -> unit box [*B, D]."""
        return (p - p.new_tensor(self.low)) / p.new_tensor(self.extent)

    def from_unit(self, x: Tensor) -> Tensor:
        """Unit box [*B, D] -> signal units [*B, D]."""
        return x * x.new_tensor(self.extent) + x.new_tensor(self.low)


@dataclasses.dataclass(frozen=True)
class Frame:
    """Normalisation of a signal: its `Domain`, and a map of its values per channel.

    A field is trained on z = (y - offset) / scale; `from_field` is the inverse. C = len(scale).
    softening: tau of values >= 0 that have a kink at 0, as unsigned distances have: with w = (y - offset) / scale, the
    field is trained on z = w^2 / (w + tau), which is smooth there, and w = (z + sqrt(z^2 + 4 tau z)) / 2 with z clamped
    to z >= 0. For w much larger than tau, z is w - tau. 0: the map is affine.
    """

    domain: Domain
    offset: tuple[float, ...]
    scale: tuple[float, ...]
    softening: float = 0.0

    def __post_init__(self) -> None:
        ok = len(self.offset) == len(self.scale) > 0 and all(math.isfinite(o) for o in self.offset)
        if not ok or not all(math.isfinite(s) and s > 0 for s in self.scale):
            raise UnreadableError(f"value map with offset {self.offset} and scale {self.scale} is not invertible")
        if not 0 <= self.softening < math.inf:
            raise UnreadableError(f"value map with softening {self.softening} is not invertible")

    @property
    def d_in(self) -> int:
        return self.domain.d_in

    @property
    def d_out(self) -> int:
        return len(self.scale)

    def to_field(self, y: Tensor) -> Tensor:
        """Signal values [*B, C] -> training values [*B, C]."""
        w = (y - y.new_tensor(self.offset)) / y.new_tensor(self.scale)
        return w.square() / (w.clamp(min=0) + self.softening) if self.softening else w

    def from_field(self, z: Tensor) -> Tensor:
        """Training values [*B, C] -> signal values [*B, C]."""
        if self.softening:
            z = z.clamp(min=0)
            z = (z + (z * (z + 4 * self.softening)).sqrt()) / 2
        return z * z.new_tensor(self.scale) + z.new_tensor(self.offset)

    def to_json(self) -> dict[str, Any]:
        document = dataclasses.asdict(self)
        if not self.softening:
            del document["softening"]
        return document

    @classmethod
    def from_json(cls, document: Any) -> Self:
        try:
            box = document["domain"]
            domain = Domain(tuple(box["low"]), tuple(box["high"]), tuple(box["axes"]), str(box["unit"]))
            return cls(domain, tuple(document["offset"]), tuple(document["scale"]), document.get("softening", 0.0))
        except (KeyError, TypeError) as error:
            raise UnreadableError(f"the file has an invalid frame: {error}") from error


@dataclasses.dataclass(frozen=True)
class Spec:
    """Description of a signal for building a field; resolves automatic settings.

    kind: name of the signal kind ("image", "audio" ...).
    shape: samples along each coordinate, in the field's coordinate order; None without a grid (shapes).
    d_in, d_out: number of coordinates D and of channels C.
    """

    kind: str
    d_in: int
    d_out: int
    shape: tuple[int, ...] | None = None

    @property
    def traits(self) -> type[Kind]:
        """The properties of the kind, used to resolve settings. Raises UsageError for an unknown kind."""
        return KINDS[self.kind]

    @property
    def has_distances(self) -> bool:
        """Whether training samples are distances, inside and outside; point clouds have only points of the surface."""
        return self.traits.is_distance and not self.traits.is_surface_only

    @property
    def has_signed_distances(self) -> bool:
        return self.has_distances and not self.traits.is_unsigned

    @property
    def quantity(self) -> str:
        """The quantity of the values: the kind, "distances" or "unsigned distances". Only signals with equal quantities
        are comparable."""
        if self.traits.is_unsigned:
            return "unsigned distances"
        return "distances" if self.traits.is_distance else self.kind


def on_device(x: Tensor, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """Coordinates on a device and of a type, by default their own; MPS, which has no float64, has them in float32."""
    dtype = dtype or x.dtype
    return x.to(device, torch.float32 if dtype == torch.float64 and device.type == "mps" else dtype)


@dataclasses.dataclass(frozen=True)
class Grid:
    """A regular lattice of sample centres over a sub-box of the unit box.

    shape: samples per array axis. `order[d]` is the array axis of coordinate d (pictures are stored [row, column] and
    addressed (x, y), so their order is (1, 0)). Sample i of n lies at
    low + (i + 1/2) / n (high - low).
    """

    shape: tuple[int, ...]
    order: tuple[int, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    @classmethod
    def whole(cls, shape: tuple[int, ...], order: tuple[int, ...] | None = None) -> Self:
        d = len(shape)
        return cls(shape, order or tuple(range(d)), (0.0,) * d, (1.0,) * d)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def dtype(self) -> torch.dtype:
        """Of coordinates: float64 where samples are nearer than 2^-20, 16 steps of float32 below 1."""
        lengths = (high - low for low, high in zip(self.low, self.high, strict=True))
        spacing = [length / self.shape[axis] for length, axis in zip(lengths, self.order, strict=True)]
        finest = min((s for s, axis in zip(spacing, self.order, strict=True) if self.shape[axis] > 1), default=1.0)
        return torch.float64 if finest < 2**-20 else torch.float32

    def points(self, index: Tensor) -> Tensor:
        """Coordinates [N, D] (`dtype`) of flat, row-major sample indices [N] (int64)."""
        columns: list[Tensor] = []
        for n in reversed(self.shape):
            columns.append(index % n)
            index = index // n
        columns.reverse()
        x = on_device(torch.stack([columns[axis] for axis in self.order], dim=-1), index.device, self.dtype)
        n_per_axis = x.new_tensor([self.shape[axis] for axis in self.order])
        low, high = x.new_tensor(self.low), x.new_tensor(self.high)
        return low + (x + 0.5) / n_per_axis * (high - low)
