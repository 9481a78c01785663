"""The streams of a pyramid in plain Python integers: the readable definition of the compiled code.

`INR_BACKEND=reference` selects it. Tests check that both give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from inr.codec.container.byte_fields import Reader, Writer
from inr.codec.entropy.python_coder import Decoder, Encoder
from inr.codec.profiles.pyramid.architecture import FIRST_FORM, Architecture, Array
from inr.codec.profiles.pyramid.groups import (
    GROUPS,
    LARGEST_LATENT,
    ContextIntegers,
    Group,
    Groups,
    base_of,
    checked,
    context_integers,
    group_of,
    groups_of,
    shapes_of,
)
from inr.core.errors import FormatError

Grid = list[list[int]]
Code = Callable[[int, int, int, int], int]
"""(mean, scale index, the latent or 0, level) -> the latent."""

LIMIT = 1 << 30


def encode(
    architecture: Architecture, groups: Groups, networks: Mapping[str, Array], grids: Sequence[Array]
) -> tuple[bytes, bytes]:
    """`stream.encode`."""
    head, first = b"", Encoder()
    for group in groups.values():
        if architecture.form == FIRST_FORM:
            head += bytes([group.bits, group.scale])
        else:
            first.bits(group.bits, 4)
            first.bits((group.scale - 32) // 4, 6)
    for name in shapes_of(architecture):
        group = groups[group_of(architecture, name)]
        symbols = networks[name].astype(np.int64).reshape(-1) - base_of(name, group.bits)
        group.model(architecture).encode_in_python(symbols.astype(np.int32), first)
    second, bounds = Encoder(), Writer()
    most = [int(np.abs(grid).max()) for grid in grids]
    if architecture.form != FIRST_FORM:
        for number in most:
            bounds.varint(number)

    def write(mean: int, scale: int, q: int, level: int) -> int:
        if architecture.form == FIRST_FORM:
            second.symbol(mean, scale, q)
        elif most[level]:
            second.bounded(mean, scale, q, most[level])
        return q

    integers = context_integers(architecture, groups, networks)
    _walk(architecture, integers, [grid.astype(np.int64).tolist() for grid in grids], write)
    return head + first.finish(), bounds.bytes() + second.finish()


def decode(
    architecture: Architecture, networks: bytes, latents: bytes
) -> tuple[dict[str, Group], dict[str, Array], list[Array]]:
    """`stream.decode`."""
    is_first = architecture.form == FIRST_FORM
    head = Reader(networks, "the networks")
    groups = {name: Group(head.u8("bits", 0, 16), head.u8("scale")) for name in GROUPS} if is_first else {}
    first = Decoder(networks[2 * len(groups) :])
    if not is_first:
        groups = {name: Group(first.bits(4), 32 + 4 * first.bits(6)) for name in groups_of(architecture)}
    integers = {}
    for name, shape in shapes_of(architecture).items():
        group = groups[group_of(architecture, name)]
        symbols = np.zeros(math.prod(shape), np.int32)
        group.model(architecture).decode_in_python(symbols, first)
        integers[name] = checked(symbols.astype(np.int64) + base_of(name, group.bits)).reshape(shape)
    if not first.is_finished:
        raise FormatError("the stream of the networks is damaged")
    context = context_integers(architecture, groups, integers)
    bounds = Reader(latents, "the latents")
    most = [] if is_first else [bounds.varint("a largest magnitude", 0, LARGEST_LATENT) for _ in architecture.grids]
    second = Decoder(latents[len(latents) - bounds.left :])
    grids: list[Grid] = [[[0] * width for _ in range(height)] for height, width in architecture.grids]

    def read(mean: int, scale: int, _: int, level: int) -> int:
        if is_first:
            return min(max(second.symbol(mean, scale), -LARGEST_LATENT), LARGEST_LATENT)
        return second.bounded(mean, scale, most[level]) if most[level] else 0

    _walk(architecture, context, grids, read)
    if not second.is_finished:
        raise FormatError("the stream of the latents is damaged")
    return groups, integers, [np.array(grid, np.int64) for grid in grids]


def _walk(architecture: Architecture, context: ContextIntegers, grids: list[Grid], code: Code) -> None:
    """Replace every latent, in the order of the stream, by what `code` returns."""
    model = {name: value.tolist() for name, value in context.tensors.items()}
    bits, bias_bits = context.weight_bits, context.bias_bits
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
                row[x] = code(*_predicted(model, architecture.n_hidden, inputs, bits, bias_bits), row[x], level)


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
