"""A field's state as the tensors that are coded: in the order of its state, grids level by level."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from inr.codec.context import Layout
from inr.codec.quantise import ONE, Integers, Quantised, Step, quantise
from inr.codec.tensors import TensorSpec
from inr.encodings._grid import GridEncoding
from inr.encodings.local_cosine import LocalCosine
from inr.fields import Field
from inr.kernels.hash_grid import GridGeometry

LEAST_PLANE = 256
"""Symbols of a grid below which tables for its neighbours do not pay."""

DIGITS = 4
"""An int64 is four symbols, its digits to the base 2^16, lowest first."""


@dataclasses.dataclass(frozen=True)
class Piece:
    """Rows `start` to `stop` of a tensor of the state, coded as one tensor with one step.

    tensor: shares the memory of the field's own; complex ones are seen as pairs of reals. is_table: whether it holds
    latents. layout: how its entries lie in space, planes first, where they do. plane_axis: of its values, which becomes
    the first of the layout.
    """

    name: str
    tensor: Tensor
    start: int
    stop: int
    is_table: bool = False
    layout: Layout | None = None
    plane_axis: int = -1

    @property
    def is_exact(self) -> bool:
        """Whether it holds integers (seeds), which no step can round."""
        return not self.tensor.is_floating_point()

    @property
    def values(self) -> Tensor:
        """Its values, in the memory of the field."""
        return self.tensor[self.start : self.stop]

    @property
    def spec(self) -> TensorSpec:
        shape = tuple(self.values.shape)
        return TensorSpec(self.name, (*shape, DIGITS) if self.is_exact else shape)

    def to_planes(self, symbols: Integers) -> Integers:
        """Symbols of the tensor's shape in the order of its layout; a grid's spare rows are left out."""
        assert self.layout is not None
        shape = self.layout[1]
        moved = np.moveaxis(symbols, self.plane_axis, 0)
        return np.ascontiguousarray(moved[:, : math.prod(shape[1:])] if moved.ndim == 2 else moved).reshape(shape)

    def from_planes(self, planes: Integers) -> Integers:
        """The inverse, with zeros in spare rows."""
        shape = tuple(self.values.shape)
        moved = list(shape)
        moved.insert(0, moved.pop(self.plane_axis))
        out = np.zeros(moved, np.int32)
        flat = planes.reshape(len(planes), -1)
        out.reshape(len(planes), -1)[:, : flat.shape[1]] = flat
        return np.ascontiguousarray(np.moveaxis(out, 0, self.plane_axis))

    def quantise(self, step: Step) -> Quantised:
        """Its symbols at a step."""
        if self.is_exact:
            digits = [(int(v) >> (16 * k)) & 0xFFFF for v in self.values.flatten().tolist() for k in range(DIGITS)]
            return Quantised(np.array(digits, np.int32).reshape(self.spec.shape), ONE)
        return quantise(self.values.detach().cpu().numpy(), step)

    def assign(self, coded: Quantised) -> None:
        """Put decoded values into the field: exact products in float64, rounded once to the field's type."""
        with torch.no_grad():
            if self.is_exact:
                digits = coded.symbols.reshape(-1, DIGITS).astype(np.int64) & 0xFFFF
                whole = sum(digits[:, k].astype(np.uint64) << np.uint64(16 * k) for k in range(DIGITS))
                self.values.copy_(torch.from_numpy(np.asarray(whole).view(np.int64)).reshape(self.values.shape))
            else:
                self.values.copy_(torch.from_numpy(coded.values()).to(self.tensor.dtype))


def pieces(field: Field) -> list[Piece]:
    """What of a field is coded; the tensors' order, names and shapes follow from its settings."""
    tables: dict[int, GridGeometry] = {}
    spectra: dict[int, LocalCosine] = {}
    for module in field.modules():
        if isinstance(module, GridEncoding):
            tables[id(module.table)] = module.geometry
        if isinstance(module, LocalCosine):
            spectra[id(module.table)] = module
    found: list[Piece] = []
    own = dict(field.named_parameters(remove_duplicate=False)) | dict(field.named_buffers(remove_duplicate=False))
    for name in field.state_dict():
        tensor = own[name]
        seen = torch.view_as_real(tensor.detach()) if tensor.is_complex() else tensor.detach()
        seen = seen.reshape(1) if seen.ndim == 0 else seen
        if id(tensor) in spectra:
            found.append(Piece(name, seen, 0, len(seen), True, _spectrum(spectra[id(tensor)]), 1))
        elif id(tensor) in tables:
            geometry = tables[id(tensor)]
            for level, (start, n) in enumerate(zip(geometry.offset, geometry.entries, strict=True)):
                layout = _lattice(geometry, level, seen.shape[1])
                found.append(Piece(f"{name}[{level}]", seen, start, start + n, True, layout))
        else:
            found.append(Piece(name, seen, 0, len(seen)))
    return found


def specs(parts: Sequence[Piece]) -> list[TensorSpec]:
    return [part.spec for part in parts]


def _spectrum(encoding: LocalCosine) -> Layout | None:
    """Frames by bands, of sounds."""
    if len(encoding.bands) > 1:
        return None
    return "spectrum", (encoding.d_out, encoding.frames[0], encoding.bands[0])


def _lattice(geometry: GridGeometry, level: int, features: int) -> Layout | None:
    """The vertices of a dense level, the first coordinate fastest."""
    shape = (features, *reversed(geometry.resolution[level]))
    kind = {1: "line", 2: "plane", 3: "volume"}.get(geometry.d_in)
    return (kind, shape) if kind and geometry.is_dense[level] and math.prod(shape) >= LEAST_PLANE else None
