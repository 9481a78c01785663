"""A field's state as the tensors that are coded: in the order of its state, grids level by level."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from inr.codec.quantise import ONE, Quantised, Step, quantise
from inr.codec.tensors import TensorSpec
from inr.encodings._grid import GridEncoding
from inr.fields import Field
from inr.kernels.hash_grid import GridGeometry

DIGITS = 4
"""An int64 is four symbols, its digits to the base 2^16, lowest first."""


@dataclasses.dataclass(frozen=True)
class Piece:
    """Rows `start` to `stop` of a tensor of the state, coded as one tensor with one step.

    tensor: shares the memory of the field's own; complex ones are seen as pairs of reals. geometry, level: of the
    grid whose level it is.
    """

    name: str
    tensor: Tensor
    start: int
    stop: int
    geometry: GridGeometry | None = None
    level: int = 0

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
    for module in field.modules():
        if isinstance(module, GridEncoding):
            tables[id(module.table)] = module.geometry
    found: list[Piece] = []
    own = dict(field.named_parameters(remove_duplicate=False)) | dict(field.named_buffers(remove_duplicate=False))
    for name in field.state_dict():
        tensor = own[name]
        seen = torch.view_as_real(tensor.detach()) if tensor.is_complex() else tensor.detach()
        seen = seen.reshape(1) if seen.ndim == 0 else seen
        geometry = tables.get(id(tensor))
        if geometry is None:
            found.append(Piece(name, seen, 0, len(seen)))
            continue
        for level, (start, n) in enumerate(zip(geometry.offset, geometry.entries, strict=True)):
            found.append(Piece(f"{name}[{level}]", seen, start, start + n, geometry, level))
    return found


def specs(parts: Sequence[Piece]) -> list[TensorSpec]:
    return [part.spec for part in parts]
