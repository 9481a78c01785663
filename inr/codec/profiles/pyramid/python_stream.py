"""The streams of a pyramid in plain Python integers: the readable definition of the compiled code.

`INR_BACKEND=reference` selects it. Tests check that both give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from inr.codec.entropy.python_coder import Decoder, Encoder
from inr.codec.profiles.pyramid.architecture import Architecture, Array
from inr.codec.profiles.pyramid.groups import LARGEST_LATENT, Group, base_of, checked, group_of, shapes_of
from inr.core.errors import FormatError

Grid = list[list[int]]
Code = Callable[[int, int, int], int]
"""(mean, scale index, the latent or 0) -> the latent."""

LIMIT = 1 << 30


def encode(
    architecture: Architecture, groups: Sequence[Group], networks: Mapping[str, Array], grids: Sequence[Array]
) -> tuple[bytes, bytes]:
    """`stream.encode`."""
    first = Encoder()
    for name in shapes_of(architecture):
        group = groups[group_of(name)]
        for symbol in (networks[name].astype(np.int64).reshape(-1) - base_of(name, group.bits)).tolist():
            first.symbol(0, group.scale, symbol)
    second = Encoder()

    def write(mean: int, scale: int, q: int) -> int:
        second.symbol(mean, scale, q)
        return q

    _walk(architecture, groups, networks, [grid.astype(np.int64).tolist() for grid in grids], write)
    head = bytes(number for group in groups for number in (group.bits, group.scale))
    return head + first.finish(), second.finish()


def decode(
    architecture: Architecture, groups: Sequence[Group], networks: bytes, latents: bytes
) -> tuple[dict[str, Array], list[Array]]:
    """`stream.decode`, after the head."""
    first = Decoder(networks)
    integers = {}
    for name, shape in shapes_of(architecture).items():
        group = groups[group_of(name)]
        symbols = np.array([first.symbol(0, group.scale) for _ in range(math.prod(shape))], np.int64)
        integers[name] = checked(symbols + base_of(name, group.bits)).reshape(shape)
    if not first.is_finished:
        raise FormatError("the stream of the networks is damaged")
    second = Decoder(latents)
    grids: list[Grid] = [[[0] * width for _ in range(height)] for height, width in architecture.grids]

    def read(mean: int, scale: int, _: int) -> int:
        return min(max(second.symbol(mean, scale), -LARGEST_LATENT), LARGEST_LATENT)

    _walk(architecture, groups, integers, grids, read)
    if not second.is_finished:
        raise FormatError("the stream of the latents is damaged")
    return integers, [np.array(grid, np.int64) for grid in grids]


def _walk(
    architecture: Architecture, groups: Sequence[Group], networks: Mapping[str, Array], grids: list[Grid], code: Code
) -> None:
    """Replace every latent, in the order of the stream, by what `code` returns."""
    model = {name: value.tolist() for name, value in networks.items() if name.startswith(("context", "mix"))}
    bits, bias_bits = groups[0].bits, groups[1].bits
    for level in reversed(range(architecture.n_grids)):
        grid, coarser = grids[level], grids[level + 1 :]
        for y, row in enumerate(grid):
            for x in range(len(row)):
                inputs = []
                for dy, dx in architecture.offsets:
                    is_inside = y + dy >= 0 and 0 <= x + dx < len(row)
                    inputs.append(grid[y + dy][x + dx] << 12 if is_inside else 0)
                above = [g[y >> k][x >> k] for k, g in enumerate(coarser, 1)]
                for weights in model[f"mix{level}"]:
                    mixed = sum(w * v for w, v in zip(weights, [*above, 1], strict=True))
                    inputs.append(min(max(mixed << 12 >> bits, -LIMIT), LIMIT))
                row[x] = code(*_predicted(model, architecture.n_hidden, inputs, bits, bias_bits), row[x])


def _predicted(
    model: Mapping[str, list[list[int]]], n_hidden: int, inputs: list[int], bits: int, bias_bits: int
) -> tuple[int, int]:
    up = 12 + bits - bias_bits
    hidden = inputs
    for i in range(n_hidden):
        total = [
            sum(w * h for w, h in zip(row, hidden, strict=True)) + (own << bits) + _shifted(bias, up)
            for row, own, bias in zip(model[f"context{i}.weight"], hidden, model[f"context{i}.bias"], strict=True)
        ]
        hidden = [min(max(t, 0) >> bits, LIMIT) for t in total]
    mean, scale = (
        sum(w * h for w, h in zip(row, hidden, strict=True))
        + sum(w * c for w, c in zip(skip, inputs, strict=True))
        + _shifted(bias, up)
        for row, skip, bias in zip(
            model[f"context{n_hidden}.weight"], model["context.skip"], model[f"context{n_hidden}.bias"], strict=True
        )
    )
    mean = min(max(mean >> (bits + 4), -32768), 32768)
    scale = min(max(scale >> bits, -LIMIT), LIMIT) - (4 << 12)
    return mean, min(max((scale * 23637 >> 22) + 96, 0), 255)


def _shifted(value: int | list[int], up: int) -> int:
    assert isinstance(value, int)
    return value << up if up >= 0 else value >> -up
