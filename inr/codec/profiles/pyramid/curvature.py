"""Curvature of a pyramid's loss in the weights of its networks, which decides how the weights are rounded together.

The context model codes by its own probabilities, so the Hessian of the bits is nearly their Fisher information,

    H = ln 2 sum_i g_i g_i^T        g_i: the gradient, in bits per unit, of the bits of number i,

over a sample in which a number has a chance in proportion to its bits, and counts by the inverse of that chance. The
Hessian of the squared error is nearly 2 J^T J / n (Gauss-Newton), with J the derivatives of the n values of a sample of
the picture, from differences. Both are positive semidefinite, and hold over several steps of rounding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Generator, Tensor
from torch.func import grad, vmap
from torch.nn.functional import conv2d, pad

from inr.codec.profiles.pyramid.architecture import Architecture, Array, synthesis_of
from inr.codec.profiles.pyramid.predictor import REACH
from inr.codec.profiles.pyramid.sample import LARGEST_SAMPLE, Sample
from inr.kernels.context_rate import reference as context_rate
from inr.kernels.pyramid_error import reference

NUMBERS = 25_000
"""About so many numbers the curvature of the rate comes from."""
VALUES, SIDE = 1 << 16, 6
"""About so many values of the picture that of the error comes from, in patches of so many rows and columns from all
parts of it: in one part, what coarse grids show hardly varies, and their weights would seem to replace each other."""
LEAST_BITS = 0.003
"""A number's chance to be in the sample is that of one with at least so many bits."""
AT_ONCE = 4096
DIFFERENCE = 2.0**-9
"""Change of a weight for derivatives of the picture."""


def rate_curvature(
    architecture: Architecture, values: Mapping[str, Tensor], grids: Sequence[Tensor], generator: Generator
) -> Array:
    """Of the grids' bits in the tensors of `architecture.context`, one after the other: [P, P]. All on the CPU."""
    models = [ContextAt(architecture, values, grids, level) for level in range(architecture.n_grids)]
    bits = [model.all_bits().clamp(min=LEAST_BITS) for model in models]
    total = sum(float(own.sum()) for own in bits)
    n = sum(math.prod(shape) for shape in architecture.context.values())
    curvature = torch.zeros(n, n)
    for model, own in zip(models, bits, strict=True):
        chances = (own * (NUMBERS / total)).clamp(max=1)
        drawn = torch.nonzero(torch.rand(len(chances), generator=generator) < chances)[:, 0]
        for part in torch.split(drawn, AT_ONCE):
            slopes = model.slopes(part) / chances[part].sqrt()[:, None]
            curvature.addmm_(slopes.T, slopes)
    found: Array = math.log(2) * curvature.double().numpy()
    return found


def error_curvature(
    architecture: Architecture,
    values: Mapping[str, Tensor],
    grids: Sequence[Tensor],
    target: Tensor,
    generator: Generator,
) -> Array:
    """Of the mean squared error in the tensors of `architecture.synthesis`: [P, P]. All on the CPU."""
    part, own = architecture, list(grids)
    if architecture.height * architecture.width > LARGEST_SAMPLE:
        sample = Sample.drawn(architecture.height, architecture.width, generator)
        part, own, _ = sample.part(architecture, grids, target)
    changed = {name: values[name].clone() for name in architecture.synthesis}
    patches = Patches(part, generator)
    planes = patches.cut(own, changed)
    before, columns = patches.shown(planes, changed), []
    for name, value in changed.items():
        for at in range(value.numel()):
            kept = float(value.view(-1)[at])
            value.view(-1)[at] = kept + DIFFERENCE
            moved = patches.cut(own, changed) if name.startswith("kernel") else planes
            columns.append((patches.shown(moved, changed) - before) / DIFFERENCE)
            value.view(-1)[at] = kept
    jacobian = torch.stack(columns)
    found: Array = (2 / len(before)) * (jacobian @ jacobian.T).double().numpy()
    return found


class Patches:
    """Small squares of a picture, drawn anywhere in it. What they show leaves out a margin that convolutions see."""

    def __init__(self, architecture: Architecture, generator: Generator) -> None:
        self._architecture, margin = architecture, architecture.n_convolutions
        height, width = architecture.height, architecture.width
        self.rows, self.columns = min(SIDE, height) + 2 * margin, min(SIDE, width) + 2 * margin
        self.count = max(1, VALUES // (architecture.channels * SIDE * SIDE))
        tops, lefts = (
            torch.randint(size + 2 * margin - side + 1, (self.count, 1, 1), generator=generator)
            for size, side in ((height, self.rows), (width, self.columns))
        )
        self.y, self.x = tops + torch.arange(self.rows)[:, None], lefts + torch.arange(self.columns)

    def cut(self, grids: Sequence[Tensor], values: Mapping[str, Tensor]) -> Tensor:
        """The grids at the size of the finest one: [L, count * rows * columns]."""
        margin = self._architecture.n_convolutions
        kernels = synthesis_of(self._architecture, values)[0]
        planes = pad(reference.enlarged(grids, kernels)[None], (margin,) * 4, mode="replicate")[0]
        return planes[:, self.y, self.x].flatten(1)

    def shown(self, planes: Tensor, values: Mapping[str, Tensor]) -> Tensor:
        """The values of the patches: [count * C * rows * columns] without the margins."""
        _, weights, biases, skip = synthesis_of(self._architecture, values)
        flat = reference.network(planes[:, None], weights[0], weights[1], biases[0], biases[1], skip)
        y = flat.reshape(-1, self.count, self.rows, self.columns).movedim(0, 1)
        for i, (weight, bias) in enumerate(zip(weights[2:], biases[2:], strict=True)):
            y = y[:, :, 1:-1, 1:-1] + conv2d(y, weight, bias)
            if i + 3 < len(weights):
                y = torch.relu(y)
        values_shown: Tensor = y.flatten()
        return values_shown


class ContextAt:
    """The context model at the numbers of one grid, addressed by their flat place."""

    def __init__(
        self, architecture: Architecture, values: Mapping[str, Tensor], grids: Sequence[Tensor], level: int
    ) -> None:
        self._architecture, self._grids, self._level = architecture, grids, level
        self._values = {name: values[name] for name in architecture.context}
        self._numbers = grids[level].reshape(-1)
        self._near = pad(grids[level], (REACH, REACH, REACH, 0))

    def all_bits(self) -> Tensor:
        """Of every number [N]."""
        parts = torch.split(torch.arange(len(self._numbers)), 16 * AT_ONCE)
        return torch.cat([self._bits(self._values, *self._seen(part)) for part in parts])

    def slopes(self, places: Tensor) -> Tensor:
        """The gradient of each number's bits [N, P]."""

        def bits(values: dict[str, Tensor], near: Tensor, above: Tensor, y: Tensor) -> Tensor:
            return self._bits(values, near[:, None], above[:, None], y[None])[0]

        found = vmap(grad(bits), (None, 1, 1, 0))(self._values, *self._seen(places))
        return torch.cat([found[name].flatten(1) for name in self._values], 1)

    def _seen(self, places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the model sees of its grid [K', N], the numbers above and 1 [L - l, N], and the numbers [N]."""
        width = self._grids[self._level].shape[1]
        y, x = places // width, places % width
        near = [self._near[REACH + y + dy, REACH + x + dx] for dy, dx in self._architecture.offsets]
        above = [grid[y >> k, x >> k] for k, grid in enumerate(self._grids[self._level + 1 :], 1)]
        return torch.stack(near), torch.stack([*above, torch.ones(len(places))]), self._numbers[places]

    def _bits(self, values: Mapping[str, Tensor], near: Tensor, above: Tensor, y: Tensor) -> Tensor:
        layers = range(self._architecture.n_hidden + 1)
        weights, biases = ([values[f"context{i}.{part}"] for i in layers] for part in ("weight", "bias"))
        context = torch.cat([near, values[f"mix{self._level}"] @ above])
        return context_rate.bits(y, *context_rate.predicted(context, weights, biases, values["context.skip"]))
