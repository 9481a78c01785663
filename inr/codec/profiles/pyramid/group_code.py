"""The code of a group of network tensors that takes the fewest bits."""

from __future__ import annotations

import numpy as np

from inr.codec.entropy.models import laplace_bits
from inr.codec.profiles.pyramid.architecture import Architecture, Array
from inr.codec.profiles.pyramid.groups import SCALE_BITS, Group


def best_code(architecture: Architecture, symbols: Array, bits: int) -> tuple[float, Group]:
    """Bits of symbols at their best scale, and that group. bits: of the step."""
    values, counts = np.unique(symbols, return_counts=True)
    groups = [Group.of_code(bits, v) for v in range(1 << SCALE_BITS)]
    models = [group.model(architecture) for group in groups]
    by_scale = {key: laplace_bits(values, counts, *key) for key in {(model.mu, model.shift) for model in models}}
    costs = [float(by_scale[model.mu, model.shift][model.s]) for model in models]
    best = int(np.argmin(costs))
    return costs[best], groups[best]
