"""The rest of the core floor: frames and grids, files, registry, optional packages, devices."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import inr.fields
from inr._device import pick
from inr._domain import Domain, Frame, Grid
from inr._errors import UnavailableError, UnreadableError, UsageError
from inr._files import atomic, check_writable
from inr._optional import has, need
from inr._registry import Registry, names_without_import
from inr.fields import FIELDS
from tests.assertions import assert_near

numbers = st.floats(-1e6, 1e6).map(lambda v: round(v, 3))


@given(st.lists(st.tuples(numbers, st.floats(1e-3, 1e6)), min_size=1, max_size=4), numbers, st.floats(1e-3, 1e6))
def test_frames_are_invertible_and_survive_json(box: list[tuple[float, float]], offset: float, scale: float) -> None:
    low, high = tuple(a for a, _ in box), tuple(a + b for a, b in box)
    frame = Frame(Domain(low, high, ("a", "b", "c", "d")[: len(box)], "m"), (offset,), (scale,))
    assert Frame.from_json(frame.to_json()) == frame
    x = torch.rand(5, len(box), dtype=torch.float64)
    assert_near(frame.domain.to_unit(frame.domain.from_unit(x)), x, 1e-6)
    y = torch.rand(5, 1, dtype=torch.float64)
    assert_near(frame.to_field(frame.from_field(y)), y, 1e-6)


@pytest.mark.parametrize(("low", "high"), [((0.0,), (0.0,)), ((0.0,), (float("nan"),)), ((), ()), ((0.0,), (1.0, 2.0))])
def test_a_domain_that_is_no_box_is_refused(low: tuple[float, ...], high: tuple[float, ...]) -> None:
    with pytest.raises(UnreadableError, match="is not a box"):
        Domain(low, high, ("x",) * len(low), "m")


def test_grid_points_are_sample_centres_in_coordinate_order() -> None:
    grid = Grid.whole((2, 4), (1, 0))  # 2 rows, 4 columns, addressed (x, y)
    x = grid.points(torch.arange(8))
    assert x[0].tolist() == [0.125, 0.25]  # row 0, column 0
    assert x[1].tolist() == [0.375, 0.25]  # row 0, column 1: x moves first
    assert x[4].tolist() == [0.125, 0.75]  # row 1, column 0
    assert Grid.whole((2, 4)).points(torch.tensor([1]))[0].tolist() == [0.25, 0.375]  # plain array order


def test_a_cropped_grid_samples_the_same_points_as_the_whole() -> None:
    whole = Grid.whole((6,)).points(torch.arange(6))
    part = Grid((3,), (0,), (1 / 3,), (5 / 6,)).points(torch.arange(3))
    assert_near(part, whole[2:5], 1e-6)


def test_atomic_leaves_nothing_behind_on_failure(tmp_path: Path) -> None:
    path = tmp_path / "out.bin"
    path.write_bytes(b"old")

    def fail_half_way() -> None:
        with atomic(path) as temporary:
            temporary.write_bytes(b"half")
            (tmp_path / "missing").read_bytes()

    with pytest.raises(FileNotFoundError):
        fail_half_way()
    assert [p.name for p in tmp_path.iterdir()] == ["out.bin"]
    assert path.read_bytes() == b"old"
    with atomic(path) as temporary:
        assert temporary.suffix == ".bin"
        temporary.write_bytes(b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["out.bin"]
    assert path.read_bytes() == b"new"


def test_outputs_are_checked_before_work(tmp_path: Path) -> None:
    existing = tmp_path / "a"
    existing.touch()
    check_writable(existing, force=True)
    check_writable(tmp_path / "b", force=False)
    with pytest.raises(UsageError, match="exists"):
        check_writable(existing, force=False)
    with pytest.raises(UsageError, match="is a directory"):
        check_writable(tmp_path, force=True)
    with pytest.raises(UsageError, match="does not exist"):
        check_writable(tmp_path / "no" / "b", force=True)
    with pytest.raises(UsageError, match="can not write"), atomic(existing / "below-a-file"):
        pass


def test_registry_names_nearest_and_refuses_duplicates() -> None:
    registry: Registry[int] = Registry("thing")
    registry.register("seven")(7)
    assert registry["seven"] == 7
    with pytest.raises(UsageError, match=r"unknown thing 'sevn' .did you mean 'seven'"):
        registry["sevn"]
    with pytest.raises(ValueError, match="twice"):
        registry.register("seven")(8)


def test_a_registry_imports_what_is_named_and_all_only_when_it_must(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "things"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from inr._registry import Registry\nTHINGS = Registry('thing', 'things')\nseen = []\n"
    )
    for name in ("one", "two", "three"):
        registered = f'@THINGS.register("{name}")\nclass Thing: ...\n'
        (package / f"{name}.py").write_text(f"from things import THINGS, seen\n{registered}seen.append({name!r})\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    things = importlib.import_module("things")
    assert "two" in things.THINGS
    assert things.THINGS.name_of(things.THINGS["two"]) == "two"
    assert things.seen == ["two"]
    assert "four" not in things.THINGS
    assert things.seen == ["two", "one", "three"]
    assert list(things.THINGS) == ["one", "three", "two"]


def test_names_read_from_text_are_the_registered_ones() -> None:
    assert names_without_import(Path(inr.fields.__path__[0])) == list(FIELDS)


def test_a_broken_optional_package_is_a_reason_not_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_at_import.py").write_text("raise OSError('no GPU found')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert not has("broken_at_import")
    with pytest.raises(UnavailableError, match=r"drawing needs the package 'broken_at_import'.*OSError: no GPU found"):
        need("broken_at_import", "drawing")
    assert need("numpy", "arrays") is np


def test_devices() -> None:
    assert pick("cpu")[0] == torch.device("cpu")
    device, why = pick("auto")
    assert device.type in why
    with pytest.raises(UsageError, match=r"unknown device 'cup' .did you mean 'cpu'"):
        pick("cup")
    with pytest.raises(UnavailableError, match="'cuda:99' is not here"):
        pick("cuda:99")
