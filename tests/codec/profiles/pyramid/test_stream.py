"""The streams of a pyramid: the compiled and the Python coder, whole and damaged files."""

from __future__ import annotations

import numpy as np
import pytest

from inr.codec.profiles.pyramid import python_stream, stream
from inr.codec.profiles.pyramid.architecture import OFFSETS, Architecture, Array
from inr.codec.profiles.pyramid.groups import Group, base_of, shapes_of
from inr.codec.profiles.pyramid.stream import HEAD_BYTES
from inr.core.errors import FormatError

GROUPS = [Group(6, 80), Group(8, 80), Group(8, 60), Group(9, 96), Group(9, 96)]

ARCHITECTURES = [
    Architecture(1, 1, 1, 1, 1, 0, 0, 1, 0),
    Architecture(5, 3, 3, 4, 6, 2, 1, 8, 1),
    Architecture(17, 30, 3, 7, 16, 4, 2, 16, 2),
    Architecture(1, 40, 4, 3, 40, 3, 3, 4, 1),
    Architecture(33, 2, 2, 5, 9, 16, 2, 4, 0),
]


def integers(architecture: Architecture, seed: int, size: int = 6) -> tuple[dict[str, Array], list[Array]]:
    random = np.random.default_rng(seed)
    networks = {
        name: random.integers(-size, size + 1, shape) + base_of(name, 8)
        if name.startswith("kernel")
        else random.integers(-size, size + 1, shape)
        for name, shape in shapes_of(architecture).items()
    }
    return networks, [np.rint(random.laplace(0, 1, shape)).astype(np.int64) for shape in architecture.grids]


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=range(len(ARCHITECTURES)))
def test_both_coders_write_and_read_the_same_bytes(architecture: Architecture) -> None:
    networks, grids = integers(architecture, 0)
    first, second = stream.encode(architecture, GROUPS, networks, grids)
    assert (first, second) == python_stream.encode(architecture, GROUPS, networks, grids)
    groups, found, latents = stream.decode(architecture, first, second)
    plain, plain_latents = python_stream.decode(architecture, GROUPS, first[HEAD_BYTES:], second)
    assert groups == GROUPS
    for name, value in networks.items():
        np.testing.assert_array_equal(found[name], value)
        np.testing.assert_array_equal(plain[name], value)
    for own, one, other in zip(grids, latents, plain_latents, strict=True):
        np.testing.assert_array_equal(one, own)
        np.testing.assert_array_equal(other, own)


def test_extreme_weights_and_latents_stay_within_the_arithmetic() -> None:
    architecture = ARCHITECTURES[2]
    networks, grids = integers(architecture, 1, size=40000)
    for grid in grids:
        grid[0, 0] = 1 << 14
        grid[-1, -1] = -(1 << 14)
    groups = [Group(0, 255), Group(16, 255), Group(8, 255), Group(16, 255), Group(16, 255)]
    coded = stream.encode(architecture, groups, networks, grids)
    assert coded == python_stream.encode(architecture, groups, networks, grids)
    _, found, latents = stream.decode(architecture, *coded)
    assert all((found[name] == networks[name]).all() for name in networks)
    assert all((one == other).all() for one, other in zip(latents, grids, strict=True))


def test_a_cut_stream_is_a_format_error_or_decodes_to_other_symbols() -> None:
    architecture = ARCHITECTURES[1]
    networks, grids = integers(architecture, 2)
    first, second = stream.encode(architecture, GROUPS, networks, grids)
    n_errors = 0
    for one, other in [
        *((first[:cut], second) for cut in range(len(first))),
        *((first, second[:cut]) for cut in range(len(second))),
    ]:
        try:
            _, found, latents = stream.decode(architecture, one, other)
        except FormatError:
            n_errors += 1
        else:
            is_equal = all((found[name] == networks[name]).all() for name in networks)
            assert not is_equal or not all((a == b).all() for a, b in zip(latents, grids, strict=True))
    assert n_errors > 0.9 * (len(first) + len(second))
    with pytest.raises(FormatError, match="bits"):
        stream.decode(architecture, b"\xff" + first[1:], second)


def test_every_neighbour_was_decoded_before() -> None:
    assert len(set(OFFSETS)) == len(OFFSETS) == 40
    assert all((dy, dx) < (0, 0) for dy, dx in OFFSETS)
    assert all(abs(dy) <= 4 and abs(dx) <= 4 for dy, dx in OFFSETS)
    assert OFFSETS[:4] == ((0, -1), (-1, 0), (-1, -1), (-1, 1))
