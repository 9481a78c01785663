"""Distillation: from one family to another and back, on lattices and distances."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import inr
from inr.core.errors import UsageError
from inr.fitting import Fit, Progress
from inr.fitting.teacher import DistanceTeacher, teacher_of
from inr.signals.analytic import demo
from inr.signals.array import Array
from inr.signals.image import Image
from inr.workflows.distillation import distil
from inr.workflows.fit import fit

SIREN: dict[str, Any] = {"type": "siren", "width": 32, "depth": 3}
GRID: dict[str, Any] = {
    "type": "hash_grid",
    "encoding": {"type": "hash_grid", "levels": 5, "log2_table": 11, "finest": [41]},
}
QUICK = {"lr": 1e-3, "batch": 1600}


def waves(n: int = 40) -> Array:
    a = (np.arange(n, dtype=np.float32) + 0.5) / n
    return Array.of_array(np.sin(6 * a)[:, None] * np.cos(9 * a)[None, :])


@pytest.fixture(scope="module")
def taught() -> Fit:
    return fit(waves(), SIREN, {"steps": 250, **QUICK})


def test_siren_to_hash_grid_and_back(taught: Fit, tmp_path: Path) -> None:
    grid = distil(taught, GRID, {"steps": 200}, name="a.safetensors")
    assert grid.metrics["psnr_db"] > 40
    assert grid.metrics["psnr_between_db"] > 35
    again = distil(grid, SIREN, {"steps": 300, **QUICK}, name="b.safetensors")
    assert again.metrics["psnr_db"] > 40
    assert waves().metrics(again)["psnr_db"] > 35  # against the signal, which neither student was fitted to
    again.save(tmp_path / "again.safetensors")
    loaded = inr.load(tmp_path / "again.safetensors")
    np.testing.assert_array_equal(loaded.render()[0], again.render()[0])
    origin = loaded.provenance["distilled_from"]
    assert (origin["file"], origin["field"]) == ("b.safetensors", "hash_grid")
    assert origin["provenance"]["distilled_from"]["file"] == "a.safetensors"


def test_a_grid_of_a_colour_picture_starts_from_what_the_teacher_renders() -> None:
    x = torch.linspace(0, 1, 24).repeat(24, 1)
    picture = Image.of_pixels((255 * torch.stack([x, x.T, x * x.T], -1)).round().byte().numpy())
    taught = fit(picture, SIREN, {"steps": 100, **QUICK})
    started = distil(taught, "hash_grid", {"steps": 1, "lr": 1e-9})
    random = distil(taught, {"type": "hash_grid", "init": "xavier"}, {"steps": 1, "lr": 1e-9})
    assert started.metrics["psnr_db"] > random.metrics["psnr_db"] + 15


def test_fidelity_is_to_the_teacher_and_infinite_for_itself(taught: Fit) -> None:
    teacher = teacher_of(taught, "t")
    assert teacher.metrics(taught)["psnr_db"] > 100
    off = dataclasses.replace(taught, frame=dataclasses.replace(taught.frame, offset=(taught.frame.offset[0] + 0.02,)))
    moved = teacher.metrics(off)
    peak = teacher.peak
    assert peak is not None
    assert moved["psnr_db"] == pytest.approx(20 * np.log10(peak / 0.02), abs=0.01)
    assert moved["psnr_between_db"] == pytest.approx(moved["psnr_db"], abs=0.01)


def test_the_teachers_pool_is_its_lattice_and_uniform_points(taught: Fit) -> None:
    generator = torch.Generator().manual_seed(0)
    pool = teacher_of(taught, "t").pool(generator)
    batch = pool.batch(torch.arange(pool.size))
    assert pool.size == 2 * 40 * 40
    with torch.no_grad():
        torch.testing.assert_close(taught.field(batch.x), batch.y, atol=1e-5, rtol=0)
    assert teacher_of(taught, "t").at_stage(0, is_lattice=True).pool(generator).order == (0, 1)
    coarse = teacher_of(taught, "t").at_stage(3, is_lattice=False).pool(generator)
    smooth = coarse.batch(torch.arange(coarse.size)).y
    assert smooth.std() < 0.9 * batch.y[:1600].std()


def test_a_teacher_is_rendered_once_for_all_stages(taught: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    renderings: list[Fit] = []
    render = Fit.render

    def counted(fit: Fit, *given: Any) -> Any:
        renderings.append(fit)
        return render(fit, *given)

    monkeypatch.setattr(Fit, "render", counted)
    teacher = teacher_of(taught, "t")
    student = distil(teacher, GRID, {"steps": 6}, stages=3)
    assert len(renderings) == 1
    monkeypatch.undo()
    again = distil(taught, GRID, {"steps": 6}, stages=3)
    np.testing.assert_array_equal(student.render()[0], again.render()[0])


def test_stages_share_the_steps_and_progress_is_continuous(taught: Fit) -> None:
    heard: list[Progress] = []
    done = distil(taught, GRID, {"steps": 50}, stages=3, on_progress=heard.append)
    assert [p.step for p in heard] == list(range(1, 51))
    assert {p.steps for p in heard} == {50}
    assert (done.steps, done.settings.steps) == (50, 50)
    with pytest.raises(UsageError, match="`stages` is 0, expected 1 to 8"):
        distil(taught, GRID, stages=0)


BALL: dict[str, Any] = {"type": "siren", "width": 32, "depth": 2, "activation": {"type": "sine", "omega": 8}}
BRIEFLY = {"steps": 300, "lr": 3e-3, "batch": 2048}


@pytest.fixture(scope="module")
def sphere() -> Fit:
    return fit(demo("sphere"), BALL, BRIEFLY)


def test_distances_agree_in_sign_and_size(sphere: Fit) -> None:
    student = distil(sphere, BALL, {**BRIEFLY, "seed": 5})
    assert student.metrics["iou"] > 0.93
    assert student.metrics["sign_agreement"] > 0.7
    assert student.metrics["mean_abs_difference"] < 0.08
    assert demo("sphere").metrics(student)["iou"] > 0.9


def test_surface_points_are_on_the_teachers_surface(sphere: Fit) -> None:
    teacher = DistanceTeacher(sphere, "t")
    points = teacher.surface_points(500, torch.Generator().manual_seed(0))
    assert len(points) > 125
    assert teacher.values(points).abs().max() < 1e-3
    radius = torch.linalg.vector_norm(sphere.frame.domain.from_unit(points), dim=-1)
    assert float((radius - 1).abs().median()) < 0.05  # the median: a brief fit has small parts besides the sphere


def test_half_of_the_samples_are_the_lattice_and_half_are_points_of_the_teacher_which_may_repeat(
    taught: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher, n = teacher_of(taught, "t"), 1600
    generator = torch.Generator().manual_seed(3)
    whole = teacher.pool(torch.Generator().manual_seed(3))
    assert whole.size == 2 * n
    every = whole.batch(torch.arange(2 * n))
    lattice = waves().pool(generator).batch(torch.arange(n))
    assert torch.equal(every.x[:n], lattice.x)
    x = torch.rand(n, 2, generator=generator)
    assert torch.equal(every.x[n:], x)
    assert torch.allclose(every.y[n:], taught.field(x), atol=1e-6)
    shuffled = torch.randperm(2 * n)
    assert torch.equal(whole.batch(shuffled).y, every.y[shuffled])
    monkeypatch.setattr("inr.fitting.teacher.MOST_BETWEEN", 300)
    few = teacher.pool(torch.Generator().manual_seed(3)).batch(torch.arange(2 * n))
    assert torch.equal(few.x[:n], lattice.x)
    assert torch.equal(few.x[n:], few.x[n : n + 300].repeat(6, 1)[:n])
    assert len(torch.unique(few.x[n:], dim=0)) == 300
