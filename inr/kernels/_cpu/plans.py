"""What compiled functions read from the plan of a network, a table with one row per layer."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from inr.kernels.threads import compiled


@compiled
def widest(plan: NDArray[Any], column: int) -> int:
    """The largest number of a column. numba's own `max` of a column calls code that a file of machine code lacks."""
    most: int = plan[0, column]
    for i in range(1, len(plan)):
        most = max(most, plan[i, column])
    return most
