"""What backends need to know of a multiplicative filter network, and what they refuse."""

from __future__ import annotations

from dataclasses import dataclass

MOST_INPUTS = 16
"""Above, the filters' own products cost as much as the others and want tiles, too."""


@dataclass(frozen=True)
class FilterShape:
    """d_in: inputs of the filters. has_envelopes: whether they are windows times waves."""

    d_in: int
    has_envelopes: bool


def refused_by_cpu(shape: FilterShape) -> list[str]:
    """Reasons against the compiled backend of the CPU."""
    if shape.d_in <= MOST_INPUTS:
        return []
    return [f"its filters have up to {MOST_INPUTS} inputs, and these have {shape.d_in}"]
