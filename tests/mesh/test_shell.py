"""Shells: their volume in closed form, and where they lie."""

from __future__ import annotations

import dataclasses
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor

from inr.core.domain import Spec
from inr.core.errors import UsageError
from inr.fitting import Fit
from inr.mesh import MeshResult, leaves_box, mesh_of_fit
from tests.mesh import open_surfaces as made
from tests.mesh import shapes
from tests.mesh.test_fitted_surface import SIDE, fit_of


def unsigned(distance: made.Distance) -> Fit:
    """A fit of kind "unsigned" whose values are exact."""
    tau = 1 / 64

    def soft(x: Tensor) -> Tensor:
        d = distance(x)
        return d * d / (d + tau)

    fit: Any = fit_of(soft)
    fit.spec = Spec("unsigned", 3, 1)
    fit.frame = dataclasses.replace(fit.frame, softening=tau)
    return cast(Fit, fit)


class _Callable:
    """The fit as a function, which `SimpleNamespace` is not."""

    def __init__(self, fit: Any) -> None:
        self.field, self.frame, self.spec, self.meta = fit.field, fit.frame, fit.spec, fit.meta

    def __call__(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.frame.from_field(self.field(x)))


def shell(fit: Fit, thickness: float, **more: Any) -> MeshResult:
    return mesh_of_fit(cast(Fit, _Callable(fit)), shell=thickness, **more)


def test_the_shell_of_a_sphere_has_its_volume_and_a_cavity() -> None:
    mesh = shell(fit_of(shapes.sphere), 0.3, resolution=64)
    outer, inner = shapes.R * SIDE + 0.15, shapes.R * SIDE - 0.15
    assert mesh.is_closed
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * (outer**3 - inner**3), rel=0.01)
    assert mesh.n_cavities == 1
    assert "cavity without an opening" in " ".join(mesh.notes)


def test_the_level_moves_the_shell() -> None:
    mesh = shell(fit_of(shapes.sphere), 0.2, level=0.2, resolution=64)
    radius = np.linalg.norm(mesh.vertices - SIDE / 2, axis=1)
    assert radius.max() == pytest.approx(shapes.R * SIDE + 0.3, abs=0.005)
    assert radius.min() == pytest.approx(shapes.R * SIDE + 0.1, abs=0.005)


def test_a_sheet_becomes_a_closed_plate_with_round_edges() -> None:
    """Steiner: area T + half a perimeter's cylinder + a ball's worth of corners."""
    a, r = 0.6 * SIDE, 0.15
    mesh = shell(unsigned(made.turned(made.square(0.6))), 2 * r, resolution=64)
    assert mesh.is_closed
    assert mesh.n_cavities == 0
    assert mesh.volume == pytest.approx(a * a * 2 * r + 4 * a * np.pi * r**2 / 2 + 4 / 3 * np.pi * r**3, rel=0.02)


def test_a_shell_beyond_the_box_is_not_cut_off() -> None:
    mesh = shell(fit_of(shapes.sphere), 2.0, resolution=48)
    assert mesh.is_closed
    assert not mesh.is_clipped
    assert np.linalg.norm(mesh.vertices - SIDE / 2, axis=1).max() == pytest.approx(shapes.R * SIDE + 1, rel=0.05)


def test_an_offset_of_a_sheet_is_closed_too() -> None:
    mesh = mesh_of_fit(unsigned(made.turned(made.square(0.6))), 48, level=0.15)
    assert mesh.is_closed
    assert mesh.open is None
    with pytest.raises(UsageError, match="have no sign"):
        mesh_of_fit(unsigned(made.turned(made.square(0.6))), 48, level=-0.15)


def test_an_offset_beyond_the_box_is_not_cut_off() -> None:
    """A ball of radius 0.35 of the box, and twice as large."""
    mesh = mesh_of_fit(cast(Fit, _Callable(fit_of(shapes.sphere))), 48, level=shapes.R * SIDE)
    assert mesh.is_closed
    assert not mesh.is_clipped
    radius = np.linalg.norm(mesh.vertices - SIDE / 2, axis=1)
    assert radius == pytest.approx(2 * shapes.R * SIDE, rel=0.01)
    assert "the offset reaches beyond the box of the model" in mesh.notes[0]
    with pytest.raises(UsageError, match="`level` is 1e\\+30, expected at most"):
        mesh_of_fit(cast(Fit, _Callable(fit_of(shapes.sphere))), 16, level=1e30)


@pytest.mark.parametrize("level", [0.4, 3.0, 20.0])
def test_an_offset_is_exact_however_far_and_costs_what_its_cells_cost(level: float) -> None:
    """Distances to a torus are a formula. 48 cells lie along the larger box, and a sphere that fills it takes less than
    30 evaluations per cell of its projection."""
    mesh = mesh_of_fit(cast(Fit, _Callable(fit_of(shapes.torus))), 48, level=level)
    assert mesh.resolution == 48
    assert mesh.is_closed
    assert not mesh.is_clipped
    cell = np.ptp(mesh.vertices, axis=0).max() / 44
    true = SIDE * shapes.torus(torch.from_numpy(mesh.vertices / SIDE)).numpy()
    assert np.abs(true - level).max() < 0.05 * cell
    assert mesh.n_evaluated < 30 * 6 * 48**2


def test_a_shell_is_exact_beyond_the_box() -> None:
    mesh = shell(fit_of(shapes.torus), 8.0, resolution=48)
    true = SIDE * shapes.torus(torch.from_numpy(mesh.vertices / SIDE)).numpy()
    assert (mesh.resolution, mesh.is_closed, mesh.is_clipped, mesh.n_cavities) == (48, True, False, 0)
    assert np.abs(true - 4.0).max() < 0.05 * np.ptp(mesh.vertices, axis=0).max() / 44


def test_an_offset_of_a_sheet_beyond_the_box_is_closed_and_exact() -> None:
    a, r = 0.6 * SIDE, 2.0
    mesh = mesh_of_fit(cast(Fit, _Callable(unsigned(made.turned(made.square(0.6))))), 48, level=r)
    assert mesh.is_closed
    assert not mesh.is_clipped
    assert mesh.volume == pytest.approx(a * a * 2 * r + 4 * a * np.pi * r**2 / 2 + 4 / 3 * np.pi * r**3, rel=0.02)


def test_an_offset_that_meets_no_wall_stays_in_the_box() -> None:
    """The ball is 0.15 sides from the walls."""
    fit = cast(Fit, _Callable(fit_of(shapes.sphere)))
    assert not leaves_box(fit, 0.14 * SIDE)
    assert leaves_box(fit, 0.16 * SIDE)
    assert mesh_of_fit(fit, 32, level=0.14 * SIDE).notes == ()


def test_an_offset_keeps_parts_thinner_than_its_cells() -> None:
    """A ball with a rod of a tenth of the cells, 4 times as long: the offset has its round end."""

    def with_rod(x: Tensor) -> Tensor:
        p = x - 0.5
        along = p[:, 0].clamp(0, 0.4)
        rod = shapes.norm(torch.stack([p[:, 0] - along, p[:, 1], p[:, 2]], dim=1)) - 0.012
        return torch.minimum(shapes.norm(p) - 0.1, rod)

    mesh = mesh_of_fit(cast(Fit, _Callable(fit_of(with_rod))), 64, level=6.0)
    assert mesh.vertices[:, 0].max() == pytest.approx(SIDE / 2 + SIDE * 0.412 + 6.0, abs=0.02)


def test_the_surface_of_a_fit_without_a_sign_is_open_and_in_its_units() -> None:
    mesh = mesh_of_fit(unsigned(made.turned(made.square(0.6))), 40)
    assert mesh.open is not None
    assert mesh.open.n_loops == 1
    assert mesh.open.area == pytest.approx((0.6 * SIDE) ** 2, rel=0.01)


def test_the_shell_of_a_speck_is_left_out_unless_kept() -> None:
    """A small ball beside a large one: its shell is a ball of 2.7 cells."""

    def two(x: Tensor) -> Tensor:
        return torch.minimum(shapes.sphere(x), shapes.norm(x - 0.07) - 0.004)

    fit = fit_of(two)
    mesh, whole = (shell(fit, 0.02 * SIDE, resolution=96, keep_specks=kept) for kept in (False, True))
    assert whole.n_components == mesh.n_components + 1
    assert "1 speck of 3 cells or less was left out" in " ".join(mesh.notes)
    assert "left out" not in " ".join(whole.notes)
    with pytest.raises(UsageError, match="`keep_specks` has no effect on an open surface"):
        mesh_of_fit(unsigned(made.turned(made.square(0.6))), 40, keep_specks=True)


def test_thin_shells_have_finer_cells_or_a_note() -> None:
    fine = shell(fit_of(shapes.sphere), 0.02, resolution=64)
    assert "less than two cells" in " ".join(fine.notes)
    with pytest.raises(UsageError, match="above 0"):
        shell(fit_of(shapes.sphere), -1.0)
