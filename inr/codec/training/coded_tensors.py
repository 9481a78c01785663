"""A field's state as a list of tensors to code: in the order of the state, grids level by level."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import torch
from torch import Tensor

from inr.codec.entropy.context_model import Layout
from inr.codec.entropy.quantise import ONE, Integers, Quantised, StepSize, quantise
from inr.codec.entropy.tensors import TensorSpec
from inr.encodings import GridEncoding
from inr.encodings.local_cosine import LocalCosine
from inr.fields import Field
from inr.kernels.hash_grid import GridGeometry

LEAST_PLANE = 256
"""Grids with fewer symbols are coded without a context model: its tables would cost more than they save."""

DIGITS = 4
"""An int64 is coded as four symbols: its digits to the base 2^16, lowest first."""


@dataclasses.dataclass(frozen=True)
class CodedTensor:
    """Rows `start` to `stop` of a tensor of the state, coded as one tensor with one step.

    tensor: shares the field's memory; complex tensors are viewed as pairs of reals. is_table: it holds latents.
    layout: how its entries lie in space, planes first, if they lie on a lattice. plane_axis: the axis of its values
    that becomes the first axis of the layout. largest: magnitude of its symbols.
    """

    name: str
    tensor: Tensor
    start: int
    stop: int
    is_table: bool = False
    layout: Layout | None = None
    plane_axis: int = -1
    largest: int = 2**20

    @property
    def is_exact(self) -> bool:
        """It holds integers (seeds), which must not be rounded."""
        return not self.tensor.is_floating_point()

    @property
    def values(self) -> Tensor:
        """Its values, as a view into the field."""
        return self.tensor[self.start : self.stop]

    @property
    def spec(self) -> TensorSpec:
        shape = tuple(self.values.shape)
        return TensorSpec(self.name, (*shape, DIGITS) if self.is_exact else shape)

    def to_planes(self, symbols: Integers) -> Integers:
        """Symbols in the order of the layout; rows of a grid beyond its vertices are dropped."""
        assert self.layout is not None
        shape = self.layout[1]
        moved = np.moveaxis(symbols, self.plane_axis, 0)
        return np.ascontiguousarray(moved[:, : math.prod(shape[1:])] if moved.ndim == 2 else moved).reshape(shape)

    def from_planes(self, planes: Integers) -> Integers:
        """The inverse of `to_planes`, with zeros in the dropped rows."""
        shape = tuple(self.values.shape)
        moved = list(shape)
        moved.insert(0, moved.pop(self.plane_axis))
        out = np.zeros(moved, np.int32)
        flat = planes.reshape(len(planes), -1)
        out.reshape(len(planes), -1)[:, : flat.shape[1]] = flat
        return np.ascontiguousarray(np.moveaxis(out, 0, self.plane_axis))

    def quantise(self, step: StepSize) -> Quantised:
        """Its symbols for a quantiser step."""
        if self.is_exact:
            digits = [(int(v) >> (16 * k)) & 0xFFFF for v in self.values.flatten().tolist() for k in range(DIGITS)]
            return Quantised(np.array(digits, np.int32).reshape(self.spec.shape), ONE)
        return quantise(self.values.detach().cpu().numpy(), step, self.largest)

    def assign(self, quantised: Quantised) -> None:
        """Write dequantised values into the field: exact products in float64, rounded once to the field's type."""
        with torch.no_grad():
            if self.is_exact:
                digits = quantised.symbols.reshape(-1, DIGITS).astype(np.int64) & 0xFFFF
                whole = sum(digits[:, k].astype(np.uint64) << np.uint64(16 * k) for k in range(DIGITS))
                self.values.copy_(torch.from_numpy(np.asarray(whole).view(np.int64)).reshape(self.values.shape))
            else:
                self.values.copy_(torch.from_numpy(quantised.values()).to(self.tensor.dtype))


def coded_tensors(field: Field) -> list[CodedTensor]:
    """The tensors of a field that are coded. Their order, names and shapes follow from the field's settings."""
    tables: dict[int, GridGeometry] = {}
    spectra: dict[int, LocalCosine] = {}
    for module in field.modules():
        if isinstance(module, GridEncoding):
            tables[id(module.table)] = module.geometry
        if isinstance(module, LocalCosine):
            spectra[id(module.table)] = module
    found: list[CodedTensor] = []
    own = dict(field.named_parameters(remove_duplicate=False)) | dict(field.named_buffers(remove_duplicate=False))
    for name in field.state_dict():
        tensor = own[name]
        view = torch.view_as_real(tensor.detach()) if tensor.is_complex() else tensor.detach()
        view = view.reshape(1) if view.ndim == 0 else view
        if id(tensor) in spectra:
            found.append(CodedTensor(name, view, 0, len(view), True, _spectrum(spectra[id(tensor)]), 1))
        elif id(tensor) in tables:
            geometry = tables[id(tensor)]
            for level, (start, n) in enumerate(zip(geometry.offset, geometry.entries, strict=True)):
                layout = _lattice(geometry, level, view.shape[1])
                found.append(CodedTensor(f"{name}[{level}]", view, start, start + n, True, layout))
        else:
            found.append(CodedTensor(name, view, 0, len(view)))
    return found


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
