"""Meshes of fits: components, volume and notes, and a resolution that shows thin shapes."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from torch import Tensor, nn

from inr.core.domain import Domain, Frame, Spec
from inr.core.errors import UsageError
from inr.fitting import Fit
from inr.mesh import extract_mesh, large_mesh_of_fit, mesh_of_fit
from tests.mesh import open_surfaces as made
from tests.mesh import shapes

SIDE = 3.0


class _Known(nn.Module):
    """A field that is a formula."""

    smoothness = 0

    def __init__(self, distance: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.distance = distance
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.distance(x)[:, None]

    def lipschitz_bound(self) -> float | None:
        return None


def fit_of(distance: Callable[[Tensor], Tensor], **meta: float) -> Fit:
    frame = Frame(Domain((0.0,) * 3, (SIDE,) * 3, ("x", "y", "z"), "mesh units"), (0.0,), (SIDE,))
    made = SimpleNamespace(field=_Known(distance), frame=frame, spec=Spec("shape", 3, 1), meta=meta)
    return cast(Fit, made)


def rod(x: Tensor) -> Tensor:
    """Radius 1/100, along an axis that is none of the lattice's, ends at 0.1 and 0.9."""
    along = x.new_tensor([1.0, 0.3, 0.2]) / math.sqrt(1.13)
    p = x - 0.5
    t = p @ along
    across = shapes.norm(p - t[:, None] * along)
    return torch.maximum(across - 0.01, t.abs() - 0.4)


def plate(thickness: float) -> Callable[[Tensor], Tensor]:
    half = torch.tensor([0.45, 0.45, thickness / 2])

    def distance(x: Tensor) -> Tensor:
        q = (x - torch.tensor([0.5, 0.5, 0.5157])).abs() - half
        return shapes.norm(q.clamp(min=0)) + q.amax(dim=1).clamp(max=0)

    return distance


def hollow(x: Tensor) -> Tensor:
    return torch.maximum(shapes.sphere(x), 0.2 - shapes.norm(x - 0.5))


def dusty(x: Tensor) -> Tensor:
    """A ball and 27 balls of half a cell at 64 cells."""
    at = torch.cartesian_prod(*[torch.tensor([0.1, 0.5, 0.9])] * 3)
    at = torch.round(at * 64) / 64
    crumbs = torch.cdist(x, at).amin(dim=1) - 0.5 / 64
    return torch.minimum(shapes.norm(x - 0.5) - 0.2, crumbs)


def beside(radius: float) -> Callable[[Tensor], Tensor]:
    """A ball of radius 0.2 and one of `radius` beside it; none for 0."""

    def distance(x: Tensor) -> Tensor:
        large = shapes.norm(x - torch.tensor([0.25, 0.5, 0.5])) - 0.2
        small = shapes.norm(x - torch.tensor([0.75, 0.5, 0.5])) - radius
        return torch.minimum(large, small) if radius else large

    return distance


def test_components_cavities_and_volume_in_units() -> None:
    ball = 4 / 3 * math.pi
    found = mesh_of_fit(fit_of(hollow), 96)
    assert (found.n_components, found.n_cavities, found.n_specks) == (2, 1, 0)
    assert found.volume == pytest.approx(SIDE**3 * ball * (shapes.R**3 - 0.2**3), rel=0.01)
    found = mesh_of_fit(fit_of(shapes.sphere), 96)
    assert (found.n_components, found.n_cavities) == (1, 0)
    assert found.volume == pytest.approx(SIDE**3 * ball * shapes.R**3, rel=0.01)
    assert found.thickness == pytest.approx(SIDE * 2 / 3 * shapes.R, rel=0.01)
    assert found.notes == ()


def test_small_components_are_noted() -> None:
    found = mesh_of_fit(fit_of(dusty), 64)
    assert (found.n_components, found.n_specks) == (27, 26)  # the one in the middle is inside the ball
    assert "26 of its 27 surfaces are specks" in found.notes[0]


def test_a_ball_of_two_cells_beside_a_large_one_is_left_out_unless_kept() -> None:
    found, kept = (mesh_of_fit(fit_of(beside(1 / 64)), 64, keep_specks=keep) for keep in (False, True))
    assert (found.n_components, found.n_specks, found.n_left_out, found.is_closed) == (1, 0, 1, True)
    assert (kept.n_components, kept.n_specks, kept.n_left_out) == (2, 1, 0)
    assert found.vertices[:, 0].max() < SIDE * 0.6 < kept.vertices[:, 0].max()
    assert len(np.unique(found.faces)) == len(found.vertices) == len(found.normals) < len(kept.vertices)
    assert found.notes == ("1 speck of 3 cells or less was left out; `inr mesh --keep-specks` keeps it",)
    assert found.volume == pytest.approx(mesh_of_fit(fit_of(beside(0.0)), 64).volume, rel=1e-9)


@pytest.mark.parametrize("radius", [3 / 64, 0.15, 0.2])
def test_a_ball_of_more_than_three_cells_beside_a_larger_one_stays(radius: float) -> None:
    found = mesh_of_fit(fit_of(beside(radius)), 64)
    assert (found.n_components, found.n_left_out, found.notes) == (2, 0, ())


def test_a_surface_that_meets_the_box_is_noted() -> None:
    assert "meets the walls" in mesh_of_fit(fit_of(shapes.clipped_sphere), 32).notes[0]


def test_a_large_mesh_uses_a_certified_slope_and_has_values_in_units() -> None:
    def ball(x: Tensor) -> Tensor:
        distance: Tensor = torch.linalg.vector_norm(x - 0.98, dim=1) - 0.03
        return distance

    fit = fit_of(ball)
    free = large_mesh_of_fit(fit, 1024)
    cast(Any, fit.field).lipschitz_bound = lambda: 1.0
    bound = large_mesh_of_fit(fit, 1024)
    assert bound.n_evaluated < free.n_evaluated
    assert len(bound.faces) == len(free.faces)
    assert bound.volume == pytest.approx(free.volume)
    assert bound.value_range[1] == pytest.approx(SIDE * (0.98 * math.sqrt(3) - 0.03), rel=1e-5)
    assert "meets the walls" in bound.notes[0]


def test_a_moebius_strip_is_noted() -> None:
    angle = torch.linspace(0, 2 * math.pi, 721, dtype=torch.float64)[:-1, None]
    across = torch.linspace(-0.12, 0.12, 49, dtype=torch.float64)
    r = 0.3 + across * torch.cos(angle / 2)
    height = across * torch.sin(angle / 2)
    strip = torch.stack([r * torch.cos(angle), r * torch.sin(angle), height], dim=-1).reshape(-1, 3) + 0.5
    tree = cKDTree(strip.numpy())
    fit = fit_of(lambda x: torch.from_numpy(tree.query(x.numpy())[0]).float())
    cast(Any, fit).spec = Spec("unsigned", 3, 1)
    found = mesh_of_fit(fit, 32)
    assert found.open is not None
    assert not found.open.is_orientable
    assert found.open.n_loops == 1
    assert "the surface is not orientable: no choice of a front holds everywhere" in found.notes


@pytest.mark.parametrize(("amplitude", "is_rough"), [(0.0, False), (0.6, True)])
def test_a_rough_fit_is_noted_and_sheets_that_meet_are_not_taken_for_one(amplitude: float, is_rough: bool) -> None:
    """On a coarse lattice, where edges with three faces are more than 1 % of the faces."""
    n = 20
    exact = made.turned(made.junction(0.3))
    errors = torch.randn(1, 1, 65, 65, 65, generator=torch.Generator().manual_seed(0))

    def values(x: Tensor) -> Tensor:
        at = (2 * x - 1).flip(1)[None, :, None, None]
        off = torch.nn.functional.grid_sample(errors, at, align_corners=True).reshape(-1)
        return (exact(x) + amplitude / n * off).clamp(min=0)

    fit = fit_of(values)
    cast(Any, fit).spec = Spec("unsigned", 3, 1)
    found = mesh_of_fit(fit, n)
    assert found.open is not None
    assert is_rough or found.open.n_nonmanifold_edges > 0.01 * len(found.faces)
    assert any("the surface is uncertain by 0.3 cells or more" in note for note in found.notes) == is_rough
    assert any("as where surfaces meet" in note for note in found.notes) != is_rough


@pytest.mark.parametrize("kind", ["unsigned", "shape"])
def test_a_method_that_has_no_effect_is_refused(kind: str) -> None:
    fit = fit_of(shapes.sphere)
    cast(Any, fit).spec = Spec(kind, 3, 1)
    shell = 0.1 if kind == "shape" else 0.0
    with pytest.raises(UsageError, match=r"`method` is dual, but (a shell|an open surface) has no choice"):
        mesh_of_fit(fit, 16, method="dual", shell=shell)
    with pytest.raises(UsageError, match="unknown mesh method 'duel'"):
        mesh_of_fit(fit, 16, method="duel", shell=shell)


def test_the_default_resolution_grows_for_a_thin_rod() -> None:
    exact = SIDE**3 * math.pi * 0.01**2 * 0.8
    coarse, fine = mesh_of_fit(fit_of(rod), 256), mesh_of_fit(fit_of(rod))
    assert coarse.volume < 0.985 * exact
    assert fine.volume == pytest.approx(exact, rel=0.01)
    assert fine.resolution > 256
    assert fine.n_components == 1
    assert mesh_of_fit(fit_of(shapes.sphere)).resolution == 256


def test_a_shape_thinner_than_a_cell_is_noted_with_a_resolution_that_shows_it() -> None:
    thin = fit_of(plate(1 / 100), thickness=SIDE / 100)
    found = mesh_of_fit(thin, 32)
    assert found.outcome == "empty" or found.volume < 0.5 * SIDE**3 * 0.81 / 100
    assert "thick in places, less than a cell of 0.0938" in found.notes[-1]
    assert "use `resolution=200`" in found.notes[-1]
    enough = mesh_of_fit(thin, 200)
    assert enough.notes == ()
    assert enough.volume == pytest.approx(SIDE**3 * 0.81 / 100, rel=0.01)
    assert "no resolution is high enough" in mesh_of_fit(fit_of(plate(1e-4), thickness=SIDE * 1e-4), 32).notes[-1]


def test_an_empty_mesh_has_no_parts() -> None:
    found: Any = extract_mesh(lambda x: x[:, :1] + 1, resolution=8)
    assert (found.n_components, found.n_specks, found.volume, found.thickness) == (0, 0, 0.0, 0.0)
