"""Pictures of profiles 3 and 4 at the limits of the format: `python -m tests.web.extreme_pictures FOLDER`.

They show nothing. Their symbols decode to the stated digest only if every sum in the context model is exact.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from inr.codec.container.byte_fields import Writer
from inr.codec.container.file import Container
from inr.codec.entropy import tensors
from inr.codec.profiles.pyramid import stream
from inr.codec.profiles.pyramid.architecture import (
    BOUNDS,
    FIRST_FORM,
    SECOND_FORM,
    Architecture,
    architecture_of,
    write_arch,
)
from inr.codec.profiles.pyramid.groups import (
    LARGEST_CONTEXT_WEIGHT,
    LARGEST_LATENT,
    LARGEST_WEIGHT,
    Group,
    Groups,
    digest,
    group_of,
    groups_of,
    is_of_context,
    shapes_of,
)

Array = np.ndarray[Any, np.dtype[np.int64]]
WIDE = {FIRST_FORM: Group(16, 255), SECOND_FORM: Group.of_code(15, 63)}
"""By form: a small step, and a scale index for large symbols."""
MAGNITUDES = (LARGEST_LATENT, LARGEST_LATENT, 32, 31, 1, 0)
"""Of latents in the second form, whose shares depend on them."""


def extreme_pictures(seed: int, n: int, form: int = FIRST_FORM) -> Iterator[tuple[bytes, int]]:
    """n files, each with the number of its latents. Every second one has sums that cancel."""
    random = np.random.default_rng(seed)
    most_bits = WIDE[form].bits
    most = {name: high for name, (_, high) in BOUNDS.items()}
    for i in range(n):
        is_cancelling = bool(i % 2)
        counts = (most["n_neighbours"], most["n_mixtures"], 1 if is_cancelling else i // 2 % (most["n_hidden"] + 1))
        if i % 8 == 6:
            counts = (*random.integers(1, 17, 2).tolist(), counts[2])
        height, width = random.integers(1, 24, 2).tolist()
        architecture = Architecture(
            height, width, 1, int(random.integers(2, 5)), *counts, n_features=1, n_convolutions=0, form=form
        )
        bits = int(random.integers(0, most_bits - 11 if is_cancelling else most_bits + 1))
        # Biases of cancelling networks are in the unit of the sums, so that all bits of a sum count.
        of_bias = 12 + bits if is_cancelling else int(random.integers(0, most_bits + 1))
        groups = _groups(random, architecture, bits, of_bias, is_cancelling)
        limit = LARGEST_WEIGHT if form == FIRST_FORM else LARGEST_CONTEXT_WEIGHT
        networks = {}
        for name, shape in shapes_of(architecture).items():
            own = group_of(architecture, name)
            if is_cancelling:
                networks[name] = _cancelling(random, name, shape, 1 << bits, limit)
            elif is_of_context(own) and own != "context.bias":
                networks[name] = _saturated(random, shape, limit >> (bits - groups[own].bits))
            else:
                networks[name] = _saturated(random, shape, LARGEST_WEIGHT)
        largest = 1 if is_cancelling else LARGEST_LATENT
        if form == SECOND_FORM and not is_cancelling:
            largest = int(random.choice(MAGNITUDES))
        grids = [_latents(random, shape, largest) for shape in architecture.grids]
        yield _file(architecture, groups, networks, grids), architecture.n_latents


def random_picture(width: int, height: int) -> bytes:
    """A picture of noise with the networks of effort 1, whose numbers are random and small."""
    random = np.random.default_rng(0)
    architecture = architecture_of(3, height, width, effort=1)
    groups = dict.fromkeys(groups_of(architecture), Group.of_code(10, 20))
    networks = {name: random.integers(-64, 65, shape) for name, shape in shapes_of(architecture).items()}
    return _file(architecture, groups, networks, [random.integers(-1, 2, shape) for shape in architecture.grids])


def _groups(
    random: np.random.Generator, architecture: Architecture, bits: int, of_bias: int, is_cancelling: bool
) -> Groups:
    """All groups, with symbols of a wide scale.

    bits: of the finest weights of the context model; in the second form others may be coarser.
    """
    wide = WIDE[architecture.form]
    groups = dict.fromkeys(groups_of(architecture), wide)
    for name in filter(is_of_context, groups):
        is_coarse = architecture.form == SECOND_FORM and not is_cancelling and name != "mix" and random.random() < 0.3
        own = of_bias if name == "context.bias" else int(random.integers(0, bits + 1)) if is_coarse else bits
        groups[name] = Group(own, wide.scale)
    return groups


def _saturated(random: np.random.Generator, shape: tuple[int, ...], limit: int) -> Array:
    """At the limit, all of one sign or of random signs."""
    signs = random.choice([-1, 1], shape if random.random() < 0.5 else 1)
    return np.broadcast_to(signs * limit, shape).astype(np.int64)


def _cancelling(random: np.random.Generator, name: str, shape: tuple[int, ...], unit: int, limit: int) -> Array:
    """Pairs of equal hidden numbers of up to 2^30 with opposite weights: small differences of large sums.

    unit: of the weights, 2^b. limit: of their magnitudes.
    """
    if name == "context.skip" or name.startswith("mix"):
        return random.integers(-1, 2, shape)
    if name.endswith("bias"):
        values = random.integers(-(2**15), 2**15, shape)
    else:
        values = random.choice([-1, 1], shape) * (limit - unit)
    if name in ("context0.weight", "context0.bias"):
        half = len(values) // 2
        values[half : 2 * half] = values[:half]
        if name.endswith("weight"):  # the network adds each input to its own row: here both rows of a pair get it
            row = np.arange(half)
            values[row, half + row] += unit
            values[half + row, row] += unit
    elif name == "context1.weight":
        half = shape[1] // 2
        values[:, half : 2 * half] = -values[:, :half]
        values[:, 2 * half :] = 0
    return values


def _latents(random: np.random.Generator, shape: tuple[int, int], size: int) -> Array:
    found = random.integers(-size, size + 1, shape)
    return np.asarray(np.where(random.random(shape) < 0.5, np.sign(found) * size, found), np.int64)


def _file(architecture: Architecture, groups: Groups, networks: dict[str, Array], grids: list[Array]) -> bytes:
    first, second = stream.encode(architecture, groups, networks, grids)
    table, data = tensors.encode([first, second])
    header = Writer().u8(0).varint(architecture.width).varint(architecture.height).u8(architecture.channels).bytes()
    found = digest(networks, grids)
    number = {FIRST_FORM: 3, SECOND_FORM: 4}[architecture.form]
    return Container(header, number, write_arch(architecture), table, data, found).to_bytes()


def largest_sum(neighbours: int, mixtures: int) -> int:
    """The largest magnitude of a sum in a context model (FORMAT.md, section 9)."""
    k, hidden, near = neighbours + mixtures, 2**30, LARGEST_LATENT << 12
    bias = LARGEST_WEIGHT << 28
    layer = k * LARGEST_WEIGHT * hidden + (hidden << 16) + bias
    head = k * LARGEST_WEIGHT * hidden + LARGEST_WEIGHT * (neighbours * near + mixtures * hidden) + bias
    return max(layer, head)


def main(folder: Path, n: int = 100) -> None:
    folder.mkdir(exist_ok=True)
    for i, (data, _) in enumerate(extreme_pictures(0, n)):
        (folder / f"{i}.inrz").write_bytes(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
