"""The streams of a pyramid: the compiled and the Python coder, whole and damaged files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from inr.codec.profiles.pyramid import python_stream, stream
from inr.codec.profiles.pyramid.architecture import FIRST_FORM, OFFSETS, SECOND_FORM, Architecture, Array
from inr.codec.profiles.pyramid.groups import Group, Groups, base_of, groups_of, shapes_of
from inr.core.errors import FormatError

ARCHITECTURES = [
    replace(architecture, form=form)
    for form in (FIRST_FORM, SECOND_FORM)
    for architecture in (
        Architecture(1, 1, 1, 1, 1, 0, 0, 1, 0),
        Architecture(5, 3, 3, 4, 6, 2, 1, 8, 1),
        Architecture(17, 30, 3, 7, 16, 4, 2, 16, 2),
        Architecture(1, 40, 4, 3, 40, 3, 3, 4, 1),
        Architecture(33, 2, 2, 5, 9, 16, 2, 4, 0),
    )
]


def groups_for(architecture: Architecture) -> Groups:
    """Five groups of the first form; different steps and scales, the largest of them split, in the second."""
    if architecture.form == FIRST_FORM:
        found = [Group(6, 80), Group(8, 80), Group(8, 60), Group(9, 96), Group(9, 96)]
        return dict(zip(groups_of(architecture), found, strict=True))
    return {
        name: Group.of_code(8 if name == "kernel" else 4 + 3 * i % 7, 12 + 7 * i % 52)
        for i, name in enumerate(groups_of(architecture))
    }


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
    given = groups_for(architecture)
    first, second = stream.encode(architecture, given, networks, grids)
    assert (first, second) == python_stream.encode(architecture, given, networks, grids)
    groups, found, latents = stream.decode(architecture, first, second)
    plain_groups, plain, plain_latents = python_stream.decode(architecture, first, second)
    assert groups == plain_groups == given
    for name, value in networks.items():
        np.testing.assert_array_equal(found[name], value)
        np.testing.assert_array_equal(plain[name], value)
    for own, one, other in zip(grids, latents, plain_latents, strict=True):
        np.testing.assert_array_equal(one, own)
        np.testing.assert_array_equal(other, own)


def test_extreme_weights_and_latents_stay_within_the_arithmetic() -> None:
    architecture = ARCHITECTURES[2]
    assert architecture.form == FIRST_FORM
    networks, grids = integers(architecture, 1, size=40000)
    for grid in grids:
        grid[0, 0] = 1 << 14
        grid[-1, -1] = -(1 << 14)
    steps = [Group(0, 255), Group(16, 255), Group(8, 255), Group(16, 255), Group(16, 255)]
    groups = dict(zip(groups_of(architecture), steps, strict=True))
    coded = stream.encode(architecture, groups, networks, grids)
    assert coded == python_stream.encode(architecture, groups, networks, grids)
    _, found, latents = stream.decode(architecture, *coded)
    assert all((found[name] == networks[name]).all() for name in networks)
    assert all((one == other).all() for one, other in zip(latents, grids, strict=True))


def test_the_second_form_refuses_weights_beyond_its_arithmetic() -> None:
    architecture = ARCHITECTURES[7]
    networks, grids = integers(architecture, 1)
    groups = dict(groups_for(architecture)) | {"mix": Group.of_code(2, 40), "context0.weight": Group.of_code(9, 40)}
    for value, is_sound in ((1 << 8, True), ((1 << 8) + 1, False)):  # the finest of all steps has 9 bits
        networks["mix0"][0, 0] = value
        networks["context0.weight"][0, 0] = -value << 7
        if is_sound:
            coded = stream.encode(architecture, groups, networks, grids)
            assert coded == python_stream.encode(architecture, groups, networks, grids)
            assert (stream.decode(architecture, *coded)[1]["mix0"] == networks["mix0"]).all()
        else:
            with pytest.raises(FormatError, match="context model is out of range"):
                stream.encode(architecture, groups, networks, grids)


def test_a_grid_of_zeros_takes_no_bits() -> None:
    architecture = ARCHITECTURES[7]
    networks, grids = integers(architecture, 1)
    nothing = [np.zeros_like(grid) for grid in grids]
    _, body = stream.encode(architecture, groups_for(architecture), networks, nothing)
    assert body == bytes(architecture.n_grids)
    _, body = stream.encode(architecture, groups_for(architecture), networks, [*nothing[:-1], nothing[-1] - 1])
    assert body[: architecture.n_grids] == bytes([*[0] * (architecture.n_grids - 1), 1])


@pytest.mark.parametrize("architecture", [ARCHITECTURES[1], ARCHITECTURES[6]], ids=["first", "second"])
def test_a_cut_stream_is_a_format_error_or_decodes_to_other_symbols(architecture: Architecture) -> None:
    networks, grids = integers(architecture, 2)
    first, second = stream.encode(architecture, groups_for(architecture), networks, grids)
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
    if architecture.form == FIRST_FORM:
        with pytest.raises(FormatError, match="bits"):
            stream.decode(architecture, b"\xff" + first[1:], second)
    else:
        with pytest.raises(FormatError, match="largest magnitude"):
            stream.decode(architecture, first, b"\xff\xff\x7f" + second[1:])


def test_every_neighbour_was_decoded_before() -> None:
    assert len(set(OFFSETS)) == len(OFFSETS) == 40
    assert all((dy, dx) < (0, 0) for dy, dx in OFFSETS)
    assert all(abs(dy) <= 4 and abs(dx) <= 4 for dy, dx in OFFSETS)
    assert OFFSETS[:4] == ((0, -1), (-1, 0), (-1, -1), (-1, 1))


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=range(len(ARCHITECTURES)))
@pytest.mark.parametrize("share", [0.0, 0.02])
def test_grids_of_zeros_with_few_others_are_coded_alike(architecture: Architecture, share: float) -> None:
    """Where all neighbours are zero, one prediction holds for several latents."""
    networks, grids = integers(architecture, 2)
    random = np.random.default_rng(3)
    grids = [np.where(random.random(grid.shape) < share, grid, 0) for grid in grids]
    given = groups_for(architecture)
    coded = stream.encode(architecture, given, networks, grids)
    assert coded == python_stream.encode(architecture, given, networks, grids)
    _, _, latents = stream.decode(architecture, *coded)
    for own, one in zip(grids, latents, strict=True):
        np.testing.assert_array_equal(one, own)


@pytest.mark.parametrize("height", [1, 32, 75])
def test_a_listener_sees_all_rows_when_they_are_decoded(height: int) -> None:
    architecture = Architecture(height, 9, 3, 3, 12, 4, 1, 8, 0)
    networks, grids = integers(architecture, 4)
    given = groups_for(architecture)

    class Listener:
        rows: list[int] = []  # noqa: RUF012  one listener

        def begin(self, groups: Groups, integers: Mapping[str, Array], found: Sequence[Array]) -> None:
            assert groups == given
            self.finest, *coarser = found
            assert all((one == other).all() for one, other in zip(coarser, grids[1:], strict=True))

        def add_rows(self, n_rows: int) -> None:
            self.rows.append(n_rows)
            assert (self.finest[:n_rows] == grids[0][:n_rows]).all()

    listener = Listener()
    stream.decode(architecture, *stream.encode(architecture, given, networks, grids), listener)
    assert listener.rows == [*range(stream.ROWS_AT_ONCE, height, stream.ROWS_AT_ONCE), height]
