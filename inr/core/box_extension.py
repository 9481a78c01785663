"""A distance function that is known in a box only, continued outside the box by a lower bound."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def beyond_box(p: Tensor, low: Sequence[float], high: Sequence[float], distance: Callable[[Tensor], Tensor]) -> Tensor:
    """Signed distances [N] at points p [N, D] anywhere, from `distance` [M, D] -> [M], which needs points of the box.

    Inside the box they are `distance(p)`; outside, with c the box's nearest point, sqrt(|p - c|^2 + max(d(c), 0)^2).
    If the shape lies in the box, then d(p) is at least that, because the angle at c between p and any point of the box
    is obtuse, and at most |p - c| + d(c). The continuation has slopes of at most 1 where `distance` has.
    Both are in the units of p.
    """
    c = torch.minimum(torch.maximum(p, p.new_tensor(low)), p.new_tensor(high))
    way = (p - c).square().sum(dim=-1)
    d = distance(c)
    return torch.where(way > 0, (way + d.clamp(min=0).to(way).square()).clamp(min=1e-300).sqrt().to(d), d)
