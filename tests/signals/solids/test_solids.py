"""Which triangles bound a solid: unions, cavities, turned faces, walls inside, sheets, against closed forms."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import trimesh

from inr.core.errors import UnreadableError, UsageError
from inr.signals.shape import Shape

Floats = np.ndarray[Any, np.dtype[np.float64]]
Faces = np.ndarray[Any, np.dtype[np.int64]]
Mesh = tuple[Floats, Faces]
Distance = Callable[[Floats], Floats]
BALL = 4 / 3 * math.pi
LENS = math.pi / 12 * (4 + 0.8) * (2 - 0.8) ** 2
"""Volume that two unit balls with centres 0.8 apart share."""


def of(made: trimesh.Trimesh, at: tuple[float, float, float] = (0, 0, 0)) -> Mesh:
    return np.array(made.vertices) + np.array(at), np.array(made.faces)


def ball(radius: float = 1.0, at: tuple[float, float, float] = (0, 0, 0)) -> Mesh:
    """A polyhedron with the volume of the ball."""
    made = trimesh.creation.icosphere(subdivisions=3)
    made.apply_scale(radius * (BALL / made.volume) ** (1 / 3))
    return of(made, at)


def box(sides: tuple[float, float, float] = (1, 1, 1), at: tuple[float, float, float] = (0, 0, 0)) -> Mesh:
    return of(trimesh.creation.box(sides), at)


def rod(radius: float, length: float) -> Mesh:
    return of(trimesh.creation.cylinder(radius, length, sections=96))


def join(*meshes: Mesh) -> Mesh:
    starts = np.cumsum([0, *(len(v) for v, _ in meshes)])
    return np.concatenate([v for v, _ in meshes]), np.concatenate(
        [f + n for (_, f), n in zip(meshes, starts, strict=False)]
    )


def turned(mesh: Mesh, share: float = 1.0) -> Mesh:
    """A share of the faces, chosen at random, wound the other way."""
    vertices, faces = mesh
    chosen = np.random.default_rng(0).random(len(faces)) < share
    return vertices, np.where(chosen[:, None], faces[:, ::-1], faces)


def soup(mesh: Mesh) -> Mesh:
    """Every triangle with corners of its own, as an STL has them."""
    vertices, faces = mesh
    return vertices[faces].reshape(-1, 3), np.arange(3 * len(faces)).reshape(-1, 3)


def in_ball(radius: float = 1.0, at: tuple[float, float, float] = (0, 0, 0)) -> Distance:
    return lambda p: np.linalg.norm(p - np.array(at), axis=1) - radius


def in_box(sides: tuple[float, float, float] = (1, 1, 1), at: tuple[float, float, float] = (0, 0, 0)) -> Distance:
    def distance(p: Floats) -> Floats:
        q = np.abs(p - np.array(at)) - np.array(sides) / 2
        result: Floats = np.linalg.norm(np.maximum(q, 0), axis=1) + np.minimum(q.max(axis=1), 0)
        return result

    return distance


def in_rod(radius: float, length: float) -> Distance:
    return lambda p: np.maximum(np.linalg.norm(p[:, :2], axis=1) - radius, np.abs(p[:, 2]) - length / 2)


def union(*parts: Distance) -> Distance:
    return lambda p: np.min([d(p) for d in parts], axis=0)


def without(whole: Distance, cut: Distance) -> Distance:
    return lambda p: np.maximum(whole(p), -cut(p))


@dataclasses.dataclass(frozen=True)
class Case:
    """distance: negative inside; outside it is exact. n_shells: connected surfaces, a cavity's counted apart."""

    mesh: Mesh
    distance: Distance
    volume: float
    n_shells: int = 1
    note: str = ""


def boxes(n: int) -> list[Mesh]:
    return [box(at=(i, j, k)) for i in range(n) for j in range(n) for k in range(n)]


AWAY = (0.8, 0.0, 0.0)
TWO, BESIDE = union(in_ball(), in_ball(1, AWAY)), union(in_box(), in_box(at=(1, 0, 0)))
HOLLOW = without(in_ball(), in_ball(0.5))
BLOCK = in_box((2, 2, 2), (0.5, 0.5, 0.5))
WALL = (np.array([[0.5, -0.5, -0.5], [0.5, 0.5, -0.5], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5]]),
        np.array([[0, 1, 2], [0, 2, 3]]))  # fmt: skip


def shell_of_two_boxes() -> Mesh:
    """The outside of two boxes beside each other, and the wall between them once."""
    vertices, faces = join(box(), box(at=(1, 0, 0)))
    is_wall = (vertices[faces][:, :, 0] == 0.5).all(axis=1)
    return join((vertices, faces[~is_wall]), WALL)


CASES: dict[str, Case] = {
    "union": Case(join(ball(), ball(1, AWAY)), TWO, 2 * BALL - LENS, note="overlap"),
    "union of opposite windings": Case(
        join(ball(), turned(ball(1, AWAY))), TWO, 2 * BALL - LENS, note="1 of its parts"
    ),
    "union inside out": Case(turned(join(ball(), ball(1, AWAY))), TWO, 2 * BALL - LENS, note="inwards"),
    "union as a soup": Case(soup(join(ball(), turned(ball(1, AWAY)))), TWO, 2 * BALL - LENS),
    "box and a rod through it": Case(
        join(box((2, 2, 2)), rod(0.5, 4)), union(in_box((2, 2, 2)), in_rod(0.5, 4)), 8 + math.pi / 2
    ),
    "box and a thin rod through it": Case(
        join(box((2, 2, 2)), rod(0.02, 4)), union(in_box((2, 2, 2)), in_rod(0.02, 4)), 8 + 2 * math.pi * 0.02**2
    ),
    "nested": Case(join(ball(), ball(0.5)), in_ball(), BALL, note="overlap"),
    "hollow": Case(join(ball(), turned(ball(0.5))), HOLLOW, BALL * 7 / 8, 2),
    "hollow inside out": Case(join(turned(ball()), ball(0.5)), HOLLOW, BALL * 7 / 8, 2, note="inwards"),
    "island in a cavity": Case(
        join(ball(), turned(ball(0.8)), ball(0.4)),
        union(without(in_ball(), in_ball(0.8)), in_ball(0.4)),
        BALL * (1 - 0.8**3 + 0.4**3),
        3,
    ),
    "island in a cavity, turned": Case(
        join(ball(), turned(ball(0.8)), turned(ball(0.4))),
        union(without(in_ball(), in_ball(0.8)), in_ball(0.4)),
        BALL * (1 - 0.8**3 + 0.4**3),
        3,
    ),
    "filled cavity": Case(join(ball(), turned(ball(0.5)), ball(0.5)), in_ball(), BALL),
    "cavities that overlap": Case(
        join(box((4, 4, 4)), turned(box()), turned(box(at=(0.5, 0.1, 0.1)))),
        without(in_box((4, 4, 4)), union(in_box(), in_box(at=(0.5, 0.1, 0.1)))),
        64 - 2 + 0.5 * 0.9 * 0.9,
        2,
    ),
    "cavity open to one side": Case(
        join(box((2, 2, 2)), turned(box(at=(0, 0, 0.5)))), without(in_box((2, 2, 2)), in_box(at=(0, 0, 0.5))), 7
    ),
    "doubled": Case(join(ball(), ball()), in_ball(), BALL, note="1280 repeated"),
    "doubled, nearly": Case(join(ball(), ball(1 + 1e-7)), in_ball(), BALL),
    "both orientations": Case(join(ball(), turned(ball())), in_ball(), BALL, note="1280 repeated"),
    "hollow, doubled nearly": Case(
        join(ball(), turned(ball(0.5)), ball(1 + 1e-7), turned(ball(0.5 + 1e-7))), HOLLOW, BALL * 7 / 8, 2
    ),
    "apart": Case(
        join(ball(), turned(ball(1, (3, 0, 0)))), union(in_ball(), in_ball(1, (3, 0, 0))), 2 * BALL, 2, "1 of its parts"
    ),
    "sharing a side": Case(join(box(), box(at=(1, 0, 0))), BESIDE, 2),
    "sharing a side, one turned": Case(join(box(), turned(box(at=(1, 0, 0)))), BESIDE, 2, note="1 of its parts"),
    "sharing a side, faces turned": Case(
        turned(join(box(), box(at=(1, 0, 0))), 0.4), BESIDE, 2, note="wound against the others"
    ),
    "touching with part of a side": Case(
        join(box(), box((0.5, 0.5, 0.5), (0.75, 0.1, 0))),
        union(in_box(), in_box((0.5, 0.5, 0.5), (0.75, 0.1, 0))),
        1.125,
    ),
    "sharing an edge": Case(join(box(), turned(box(at=(1, 1, 0)))), union(in_box(), in_box(at=(1, 1, 0))), 2, 2),
    "wall between two insides": Case(shell_of_two_boxes(), BESIDE, 2, note="2 faces between two insides"),
    "eight boxes": Case(join(*boxes(2)), BLOCK, 8),
    "eight boxes, four turned": Case(
        join(*[turned(b) if i in (1, 2, 4, 7) else b for i, b in enumerate(boxes(2))]), BLOCK, 8, note="4 of its parts"
    ),
    "eight boxes, faces turned": Case(turned(join(*boxes(2)), 0.4), BLOCK, 8),
    **{
        f"ball, {share:.0%} of its faces turned": Case(turned(ball(), share), in_ball(), BALL, note="wound against")
        for share in (0.1, 0.25, 0.5, 0.9)
    },
    "box, one side turned": Case(
        (box()[0], np.concatenate([box()[1][:2, ::-1], box()[1][2:]])), in_box(), 1, note="2 faces wound"
    ),
    "fin": Case(join(box(), (WALL[0] * 2, WALL[1])), in_box(), 1, note="2 faces of sheets"),
    "far triangle": Case(
        join(ball(), (np.array([[1e6, 0, 0], [1e6, 1, 0], [1e6, 0, 1.0]]), np.array([[0, 1, 2]]))), in_ball(), BALL,
        note="1 face of sheets",
    ),
    "plate": Case(box((1000, 1000, 1)), in_box((1000, 1000, 1)), 1e6),
    "rod": Case(box((1, 1, 100)), in_box((1, 1, 100)), 100),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_surface_is_what_bounds_the_solid(name: str) -> None:
    case = CASES[name]
    shape = Shape.of_mesh(*case.mesh)
    made: Any = trimesh.Trimesh(*shape.mesh, process=False)
    assert made.is_watertight
    assert made.volume == pytest.approx(case.volume, rel=0.01)
    assert made.body_count == case.n_shells
    assert case.note in " ".join(shape.notes)

    low, high = made.bounds
    assert shape.frame.scale[0] == pytest.approx(1.1 * float((high - low).max()))
    points = low + (high - low) * (1.2 * np.random.default_rng(0).random((20000, 3)) - 0.1)
    exact = case.distance(points)
    unit = shape.frame.domain.to_unit(torch.from_numpy(points))
    found = shape.distance(unit)[:, 0].numpy()
    slack = 0.01 * float((high - low).max()) if "plate" not in name else 1e-6
    certain = np.abs(exact) > slack
    np.testing.assert_array_equal(found[certain] < 0, exact[certain] < 0)
    if "cavit" not in name and "hollow" not in name:
        outside = exact > slack  # there alone is the formula of a union a distance, and that of a rod not over its ends
        outside &= ("rod" not in name) | (np.abs(points[:, 2]) < 2)
        np.testing.assert_allclose(found[outside], exact[outside], atol=slack)


def grid(height: Callable[[Floats, Floats], Floats], n: int = 24) -> Mesh:
    x, y = np.meshgrid(np.linspace(0, 1, n), np.linspace(0, 1, n))
    vertices = np.stack([x.ravel(), y.ravel(), height(x, y).ravel()], axis=1)
    at = np.arange(n * n).reshape(n, n)
    a, b, c, d = (q.ravel() for q in (at[:-1, :-1], at[:-1, 1:], at[1:, 1:], at[1:, :-1]))
    return vertices, np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])


def strip(n: int = 60) -> Mesh:
    """A Möbius strip."""
    t = np.linspace(0, 2 * np.pi, n, endpoint=False)
    rims = [
        np.stack([(1 + s * np.cos(t / 2)) * np.cos(t), (1 + s * np.cos(t / 2)) * np.sin(t), s * np.sin(t / 2)], axis=1)
        for s in (-0.3, 0.3)
    ]
    faces = []
    for i in range(n):
        c, d = (i + 1, i + 1 + n) if i + 1 < n else (n, 0)
        faces += [[i, c, i + n], [i + n, c, d]]
    return np.concatenate(rims), np.array(faces)


SHEETS = {
    "sheet": WALL,
    "one triangle": (WALL[0], WALL[1][:1]),
    "both sides of a sheet": join(WALL, turned(WALL)),
    "flat box": box((1, 1, 0)),
    "waves": grid(lambda x, y: 0.1 * np.sin(9 * x) * np.cos(7 * y)),
    "strip": strip(),
    "two sheets": join(WALL, (WALL[0] + np.array([3.0, 0, 0]), WALL[1])),
}


@pytest.mark.parametrize("name", SHEETS)
def test_surfaces_that_enclose_nothing_are_refused(name: str) -> None:
    with pytest.raises(UnreadableError, match="encloses nothing") as caught:
        Shape.of_mesh(*SHEETS[name])
    assert caught.value.exit_code == 3
    assert caught.value.hint


def part_of(mesh: Mesh, keep: Callable[[Floats], np.ndarray[Any, np.dtype[np.bool_]]]) -> Mesh:
    vertices, faces = mesh
    return vertices, faces[keep(vertices[faces].mean(axis=1))]


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize(
    ("mesh", "volume", "openings"),
    [
        (part_of(ball(), lambda c: c[:, 2] > 0), 2.05, "48 edges of 1 hole"),
        (part_of(rod(0.5, 2), lambda c: np.abs(c[:, 2]) < 0.99), 1.55, "192 edges of 2 holes"),
        (part_of(ball(), lambda c: c[:, 2] < 0.95), BALL, "16 edges of 1 hole"),
    ],
)  # fmt: skip
def test_open_surfaces_are_closed_by_their_winding_number(
    mesh: Mesh, volume: float, openings: str, share: float
) -> None:
    shape = Shape.of_mesh(*turned(mesh, share), sign="winding")
    assert Shape.load_options(shape.meta) == {"sign": "winding"}
    assert f"(open at {openings})" in shape.notes[-1]
    solid = shape.solid
    x = solid.low + (solid.high - solid.low) * np.random.default_rng(0).random((40000, 3))
    inside = float((solid.distance(x) < 0).mean() * np.prod((solid.high - solid.low) * shape.meta["side"]))
    assert inside == pytest.approx(volume, rel=0.03)


def test_half_a_ball_is_refused_unless_a_sign_is_given() -> None:
    half = part_of(ball(), lambda c: c[:, 2] > 0)
    with pytest.raises(UsageError, match=r"is open: 1 boundary of 48 edges, and 3\d % of its box is neither") as caught:
        Shape.of_mesh(*half)
    assert caught.value.exit_code == 2
    assert "signal.sign=winding" in str(caught.value.hint)


def test_what_a_large_opening_adds_is_noted() -> None:
    pipe = part_of(rod(0.5, 2), lambda c: np.abs(c[:, 2]) < 0.99)
    notes = Shape.of_mesh(*pipe).notes
    (note,) = (note for note in notes if "it has a large opening (2 boundaries of 192 edges)" in note)
    assert note.endswith("it was closed there, `kind=unsigned` keeps it open")
    lid = Shape.of_mesh(*part_of(ball(), lambda c: c[:, 2] < 0.95)).notes
    assert not any("large opening" in note for note in lid)


def test_a_part_that_crosses_itself_is_cut() -> None:
    """A tube along a figure of eight: what lies inside the other branch is not surface."""
    t = np.linspace(0, 2 * np.pi, 121)[:-1]
    line = 2 * np.stack([np.sin(t), np.sin(t) * np.cos(t), 0 * t], axis=1)
    along = np.roll(line, -1, axis=0) - np.roll(line, 1, axis=0)
    across = np.cross(along / np.linalg.norm(along, axis=1, keepdims=True), [0, 0, 1.0])
    turn = np.linspace(0, 2 * np.pi, 25)[:-1]
    ring = 0.3 * (np.cos(turn)[None, :, None] * np.array([0, 0, 1.0]) + np.sin(turn)[None, :, None] * across[:, None])
    at = np.arange(120 * 24).reshape(120, 24)
    a, b = at.ravel(), np.roll(at, -1, axis=1).ravel()
    d, c = np.roll(at, -1, axis=0).ravel(), np.roll(np.roll(at, -1, axis=0), -1, axis=1).ravel()
    faces = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
    shape = Shape.of_mesh((line[:, None] + ring).reshape(-1, 3), faces)
    assert "crosses itself" in shape.notes[-1]

    points = np.array([[0.0, 0, 0], [0, 0, 0.2], [0, 0, 0.45], [1.4, 0, 0]])
    there = shape.distance(shape.frame.domain.to_unit(torch.from_numpy(points)))[:, 0].numpy()
    np.testing.assert_allclose(there[:3], [-0.3, -0.1, 0.15], atol=5e-3)
    assert there[3] > 0.1
    middle = shape.frame.domain.to_unit(torch.from_numpy(shape.mesh[0][shape.mesh[1]].mean(axis=1)))
    centre = middle[::7].numpy()
    assert (np.abs(shape.solid.distance(centre)) < 1e-6).all()
    a, b, c = np.moveaxis(shape.mesh[0][shape.mesh[1][::7]], 1, 0)
    normals = np.cross(b - a, c - a)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    out, back = (shape.solid.distance(centre + step * normals) for step in (2e-3, -2e-3))
    assert ((out > 0) & (back < 0)).mean() > 0.98  # but for pieces that the line of crossing runs through


@pytest.mark.parametrize("scale", [1e-12, 1e9])
def test_parts_do_not_depend_on_the_units(scale: float) -> None:
    vertices, faces = join(ball(), turned(ball(1, AWAY)))
    shape = Shape.of_mesh(vertices * scale + 5 * scale, faces)
    made: Any = trimesh.Trimesh(shape.mesh[0] / scale, shape.mesh[1], process=False)
    assert made.is_watertight
    assert made.volume == pytest.approx(2 * BALL - LENS, rel=0.01)


@pytest.mark.parametrize(
    ("mesh", "thickness"),
    [(ball(), 2.0), (box((1000, 1000, 1)), 1.0), (box((1, 1, 100)), 1.0), (join(ball(), turned(ball(0.8))), 0.2)],
)
def test_thickness_is_the_length_of_a_ray_inside(mesh: Mesh, thickness: float) -> None:
    shape = Shape.of_mesh(*mesh)
    assert shape.thickness == pytest.approx(thickness, rel=0.02)
    assert shape.meta["thickness"] == shape.thickness


def test_a_plate_has_samples_inside_and_a_note() -> None:
    shape = Shape.of_mesh(*box((1000, 1000, 1)), n_points=2**14)
    batch = shape.pool(torch.Generator().manual_seed(0)).batch(torch.arange(2**14))
    near = batch.y[2**12 : 2**12 + 3 * 2**11]
    assert float((near < 0).float().mean()) > 0.2
    assert "about 1 thick in places, less than 1/256 of the box (4.3)" in shape.notes[-1]
    assert not Shape.of_mesh(*box((100, 100, 1))).notes


def test_metrics_see_lumps_anywhere_in_the_cube() -> None:
    shape = Shape.of_mesh(*box((2, 2, 0.2)))

    radius = (0.6 / math.pi) ** (1 / 3)  # of a ball with the volume of the plate

    def with_lump(x: torch.Tensor) -> torch.Tensor:
        p = shape.frame.domain.from_unit(x.double())
        lump = (p - torch.tensor([0, 0, 0.5])).norm(dim=1) - radius
        return torch.minimum(shape.distance(x.double())[:, 0], lump)[:, None]

    found = shape.metrics(with_lump)
    height = 0.1 - (0.5 - radius)  # of the caps of the ball inside the plate and below it
    caps = [math.pi * h**2 * (3 * radius - h) / 3 if h > 0 else 0.0 for h in (height, height - 0.2)]
    added = 0.8 - (caps[0] - caps[1])
    assert found["sign_error"] == pytest.approx(added / 2.2**3, rel=0.02)
    assert found["iou"] == pytest.approx(0.8 / (0.8 + added), rel=0.02)
    exact = shape.metrics(lambda x: shape.distance(x))
    assert (exact["iou"], exact["sign_error"]) == (1, 0)


def test_seams_that_do_not_quite_meet_are_joined() -> None:
    vertices, faces = soup(ball())
    corner = vertices.reshape(-1, 3, 3)
    upper = corner.mean(axis=1)[:, 2] > 0
    on_seam = np.abs(corner[:, :, 2]) < 1e-9
    corner[upper[:, None] & on_seam] *= 1 + 1e-6
    shape = Shape.of_mesh(vertices, faces)
    assert shape.meta["is_watertight"]
    assert "joined: 32 vertices" in shape.notes[0]
    x, p = torch.rand(2000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64), Shape.of_mesh(*ball())
    torch.testing.assert_close(shape.distance(x), p.distance(x), atol=1e-5, rtol=0)


def sides(n: tuple[int, ...], chosen: tuple[int, ...] = (), gap: float = 0.0) -> Mesh:
    """A unit cube of six sides with vertices of their own, n[k] along each edge; some are wound the other way.

    gap: by which the corners of each side are moved, at random.
    """
    random = np.random.default_rng(0)
    made = []
    for k in range(6):
        vertices, faces = grid(lambda x, y: 0 * x, n[k])
        flat = np.concatenate([vertices[:, :2], np.full((len(vertices), 1), float(k % 2))], axis=1)
        place = np.roll(flat, k // 2 - 2, axis=1) + gap * random.uniform(-1, 1, flat.shape)
        made.append((place, faces if (k % 2 == 1) != (k in chosen) else faces[:, ::-1]))
    return join(*made)


@pytest.mark.slow
@pytest.mark.parametrize("n", [(2,) * 6, (5,) * 6, (5, 6, 7, 8, 9, 10)], ids=str)
@pytest.mark.parametrize("gap", [0.0, 1e-7, 1e-4, 1e-3])
@pytest.mark.parametrize("chosen", [(0, 1), (0, 2), (3, 5), (0, 2, 4), (0, 1, 2, 3, 4, 5)], ids=str)
def test_separate_sides_are_turned_alike(n: tuple[int, ...], gap: float, chosen: tuple[int, ...]) -> None:
    """Corners that are written once per side are one corner; where they differ, the boundaries are joined."""
    shape = Shape.of_mesh(*sides(n, chosen, gap))
    x = torch.rand(20_000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    inside = shape.distance(x)[:, 0].numpy() < 0
    expected = in_box((1, 1, 1), (0.5, 0.5, 0.5))(shape.frame.domain.from_unit(x).numpy()) < 0
    assert np.count_nonzero(inside != expected) <= 0.01 * np.count_nonzero(expected)


def test_sides_that_share_no_corners_enclose_together() -> None:
    """A box of six sides, each with a triangulation of its own that meets no other's corners along the edges."""
    sides = []
    for axis in range(3):
        for k, end in enumerate((0.0, 1.0)):
            vertices, faces = grid(lambda x, y: 0 * x, 5 + 2 * axis + k)
            place = np.roll(
                np.concatenate([vertices[:, :2], np.full((len(vertices), 1), end)], axis=1), axis - 2, axis=1
            )
            sides.append((place, faces if end else faces[:, ::-1]))
    shape = Shape.of_mesh(*join(*sides))
    assert "not watertight" in shape.notes[-1]
    x = torch.rand(4000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    exact = in_box((1, 1, 1), (0.5, 0.5, 0.5))(shape.frame.domain.from_unit(x).numpy())
    np.testing.assert_allclose(shape.distance(x)[:, 0].numpy(), exact, atol=1e-9)
