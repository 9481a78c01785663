"""What a model file must state of a signal of one kind, in addition to what every model file states."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any

from inr.core.domain import Spec
from inr.core.rules import Rule, table

MAX_SAMPLES = 2**40


@dataclasses.dataclass(frozen=True)
class Described:
    """d_in, d_out: (least, most) coordinates and channels. is_lattice: whether there is a `Spec.shape`.

    meta: rules for the keys that `write` and `grid` read. optional: for those that may be missing. Other keys are
    allowed.
    """

    d_in: tuple[int, int]
    d_out: tuple[int, int]
    is_lattice: bool
    meta: Mapping[str, Rule]
    optional: Mapping[str, Rule] = dataclasses.field(default_factory=dict)

    def problems(self, spec: Spec, meta: Mapping[str, Any]) -> Iterator[str]:
        """One sentence for each value that a signal of this kind cannot have."""
        for name, value, (least, most) in (("d_in", spec.d_in, self.d_in), ("d_out", spec.d_out, self.d_out)):
            if not least <= value <= most:
                expected = f"{least}" if least == most else f"{least} to {most}"
                yield f"spec.{name} is {value}, expected {expected} for kind {spec.kind!r}"
        if (spec.shape is not None) != self.is_lattice:
            expected = "a list" if self.is_lattice else "none"
            yield f"spec.shape is {spec.shape and list(spec.shape)}, expected {expected} for kind {spec.kind!r}"
        if spec.shape is not None and math.prod(spec.shape) > MAX_SAMPLES:
            yield f"spec.shape is {list(spec.shape)}, expected at most 2^40 samples"
        yield from table(self.meta, self.optional)(meta, "meta")
