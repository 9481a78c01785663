"""Combined fits: operands kept exactly, self-contained files, boxes, and offsets that are refused."""

from __future__ import annotations

import copy
import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from inr.core.errors import UnreadableError, UsageError
from inr.fitting import Fit
from inr.mesh import mesh_of_fit
from inr.mesh.fit_distance import FitDistance
from inr.signals.analytic import demo
from inr.workflows.csg import DEEPEST, combine
from inr.workflows.fit import fit
from tests.exporters.fits import fit_of


@pytest.fixture(scope="module")
def ring() -> Fit:
    """A torus of radii 1 and 0.35 in a box of 2.97; 16 bits per parameter."""
    return fit(demo("torus"), {"type": "siren", "width": 16, "depth": 2}, {"steps": 40, "batch": 1024})


def _solids(name: str) -> Fit:
    raise UnreadableError(f"cannot read {name!r}: no such file")


def _values(found: Fit, p: np.ndarray) -> np.ndarray:
    field, box = copy.deepcopy(found.field).double(), found.frame.domain
    with torch.no_grad():
        x = box.to_unit(torch.from_numpy(p))
        values: np.ndarray = found.frame.from_field(field(x))[:, 0].numpy()
    return values


def _points(n: int, size: float = 3.0) -> np.ndarray:
    return np.random.default_rng(0).uniform(-size, size, (n, 3))


def test_operands_are_kept_exactly(ring: Fit) -> None:
    found = combine("move(ring, 0.5, 0, 0) - sphere(0.5, 1, 0, 0.4)", lambda name: ring)
    p = found.frame.domain.from_unit(torch.rand(2000, 3, generator=torch.Generator().manual_seed(0)).double()).numpy()
    own = FitDistance(ring)(p - [0.5, 0, 0])
    ball = np.linalg.norm(p - [0.5, 1, 0], axis=1) - 0.4
    assert np.abs(_values(found, p) - np.maximum(own, -ball)).max() <= 2e-6
    held = {name: t for name, t in found.field.state_dict().items() if t.numel()}
    assert len(held) == len(ring.field.state_dict())
    for name, tensor in ring.field.state_dict().items():
        assert torch.equal(held[f"first.base.{name}"].float(), tensor)


def test_a_saved_file_needs_no_other(ring: Fit, tmp_path: Path) -> None:
    found = combine("union(ring, rotate(scale(ring, 2), 90, 0, 30), 0.1) & box(0,0,0, 3,3,3)", lambda name: ring)
    found.save(tmp_path / "c.safetensors")
    again = Fit.load(tmp_path / "c.safetensors")
    x = torch.rand(500, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(again(x), found(x))
    assert again.to_bytes() == found.to_bytes() == (tmp_path / "c.safetensors").read_bytes()
    assert again.source == found.source
    assert [row["file"] for row in again.provenance["combined"]] == ["ring"]
    assert not any(p is q for p in found.field.parameters() for q in ring.field.parameters())


def test_solids_alone_are_exact_distances_and_lower_bounds() -> None:
    found = combine("sphere(0,0,0,1) + box(2,0,0, 1,1,1)", _solids)
    p = _points(20_000)
    q = np.abs(p - [2, 0, 0]) - 0.5
    box = np.linalg.norm(np.maximum(q, 0), axis=1) + np.minimum(q.max(axis=1), 0)
    assert np.abs(_values(found, p) - np.minimum(np.linalg.norm(p, axis=1) - 1, box)).max() <= 1e-12
    assert found.field.lipschitz_bound() == pytest.approx(1)
    assert list(found.frame.scale) == pytest.approx([1.1 * 3.5])
    assert (found.meta["outside"], found.meta["inside"]) == (None, 0.0)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("sphere(0,0,0,1)", None, None),
        ("sphere(0,0,0,1) & box(0,0,0,1,1,1)", None, 0.0),
        ("sphere(0,0,0,1) - box(0,0,0,1,1,1)", None, 0.0),
        ("offset(sphere(0,0,0,1), 0.5)", 0.0, None),
        ("offset(sphere(0,0,0,1), -0.5)", None, 0.0),
        ("shell(sphere(0,0,0,1), 0.5)", 0.0, None),
        ("scale(sphere(0,0,0,1), 2)", None, None),
        ("scale(sphere(0,0,0,1), 1, 2, 1)", 0.0, 0.0),
        ("union(sphere(0,0,0,1), sphere(1,0,0,1), 0.3)", 0.0, 0.0),
    ],
)
def test_the_table_of_what_stays_a_distance(text: str, inside: float | None, outside: float | None) -> None:
    found = combine(text, _solids)
    assert (found.meta["inside"], found.meta["outside"]) == (inside, outside)
    x = 2 * torch.rand(20_000, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64) - 0.5
    y = x + 1e-3 * torch.nn.functional.normalize(torch.randn(x.shape, dtype=torch.float64), dim=1)
    field = copy.deepcopy(found.field).double()
    assert float(((field(x) - field(y)).abs()[:, 0] / (x - y).norm(dim=1)).max().detach()) <= 1 + 1e-6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "offset(sphere(0,0,0,1) + sphere(1,0,0,1), -0.1)",
            "needs the distances inside up to 0.1, and there the values of",
        ),
        ("offset(sphere(0,0,0,1) - sphere(1,0,0,1), 0.1)", "needs the distances outside up to 0.1"),
        ("shell(sphere(0,0,0,1) + sphere(1,0,0,1), 0.1)", "column 1: shell needs the distances inside up to 0.05"),
        ("offset(offset(sphere(0,0,0,1), 0.1), -0.1)", "the values of the offset are only lower bounds of them"),
        ("sphere(5,0,0,1) + offset(ring, 0.2)", "column 19: offset needs the distances outside up to 0.2"),
        ("offset(scale(ring, 0.5), 0.1)", "the values of 'ring' are distances up to 0.0675 only"),
        ("plane(0,0,1,0)", "the result has no end"),
        ("ring - plane(0,0,0,1)", "column 8: the normal of the plane is 0"),
        ("sphere(0,0,0,-1)", "column 1: a size of the sphere is -1"),
        ("scale(ring, 0)", "column 1: a factor is 0, expected more than 0"),
        ("shell(ring, 0)", "column 1: the thickness is 0"),
        ("union(ring, ring, -1)", "column 1: the width of the blend is -1"),
        ("ring & sphere(50,0,0,1)", "the result is empty: its parts do not meet"),
        ("+".join(["ring"] * (DEEPEST + 2)), f"combinations in one another, expected at most {DEEPEST}"),
    ],
)
def test_what_would_be_wrong_is_refused(text: str, message: str, ring: Fit) -> None:
    with pytest.raises(UsageError) as caught:
        combine(text, lambda name: ring)
    assert message in caught.value.message


def test_an_offset_within_the_known_distances_is_the_surface_at_that_distance() -> None:
    found = combine("offset(sphere(0,0,0,1) + box(1,0,0, 2,1,1), 0.25)", _solids)
    mesh = mesh_of_fit(found, 64)
    exact = combine("sphere(0,0,0,1) + box(1,0,0, 2,1,1)", _solids)
    assert np.abs(_values(exact, mesh.vertices) - 0.25).max() <= 1e-3
    assert mesh.is_closed
    assert not mesh.is_clipped
    hollow = mesh_of_fit(combine("sphere(0,0,0,1)", _solids, shell=0.2), 64)
    assert (hollow.n_components, hollow.n_cavities) == (2, 1)
    assert hollow.volume == pytest.approx(4 / 3 * math.pi * (1.1**3 - 0.9**3), rel=0.01)


def test_notes_and_errors_name_the_parts(ring: Fit) -> None:
    assert combine("ring + sphere(9,0,0,1)", lambda name: ring).notes == (
        "'ring' and the sphere do not touch: the union has separate parts",
    )
    assert "nothing is cut away" in combine("ring - sphere(9,0,0,1)", lambda name: ring).notes[0]
    with pytest.raises(UnreadableError, match="column 8: cannot read 'b': no such file"):
        combine("move(  b, 1, 1, 1)", _solids)
    picture = fit_of({"type": "siren", "width": 8, "depth": 1}, 2, 3)
    with pytest.raises(UsageError, match="column 1: 'a' is a model of kind 'array', expected a shape or point cloud"):
        combine("a", lambda name: picture)
    flat = dataclasses.replace(ring.frame.domain, high=(9.0, 1.0, 1.0))
    long = dataclasses.replace(ring, frame=dataclasses.replace(ring.frame, domain=flat))
    with pytest.raises(UsageError, match="expected a cube"):
        combine("a", lambda name: long)
    with pytest.raises(UsageError, match="`blend` is -1, expected at least 0"):
        combine("a", lambda name: ring, blend=-1)


def test_offsets_of_rough_distances_are_noted(ring: Fit) -> None:
    rough = dataclasses.replace(ring, metrics={"sdf_mae": 0.03})
    assert combine("offset(ring, 0.1)", lambda name: rough).notes == (
        "the distances of 'ring' are off by 0.03 on average, and so are offsets of it: fit it longer",
    )
    assert combine("ring", lambda name: rough).notes == ()
    assert combine("offset(ring, 0.1)", lambda name: dataclasses.replace(ring, metrics={"sdf_mae": 0.001})).notes == ()


def test_one_model_keeps_its_box_and_a_margin_enlarges_it(ring: Fit) -> None:
    alone = combine("ring", lambda name: ring)
    assert np.allclose(alone.frame.domain.low, ring.frame.domain.low)
    assert np.allclose(alone.frame.domain.high, ring.frame.domain.high)
    x = torch.rand(100, 3, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(alone(x), ring(x), atol=1e-5)
    wide = combine("ring", lambda name: ring, margin=0.5)
    assert wide.frame.scale[0] == pytest.approx(ring.frame.scale[0] + 1)


def test_a_result_is_an_operand_again(ring: Fit) -> None:
    one = combine("sphere(0,0,0,1) + box(1,0,0, 2,1,1)", _solids)
    p = _points(2000, 5.0)
    assert np.abs(_values(combine("one", lambda name: one), p) - _values(one, p)).max() <= 1e-9
    combine("offset(one, 3)", lambda name: one)
    with pytest.raises(UsageError, match="only lower bounds"):
        combine("offset(one, -0.1)", lambda name: one)


def test_far_from_the_origin_nothing_is_lost() -> None:
    near = combine("sphere(0,0,0,1) & plane(1,2,0,0.5) - cylinder(0,0,0,0.2,5)", _solids)
    far = combine("sphere(500000,4000000,0,1) & plane(1,2,0,8500000.5) - cylinder(500000,4000000,0,0.2,5)", _solids)
    x = torch.rand(1000, 3, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(near(x), far(x), atol=1e-6)
