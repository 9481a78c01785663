"""Solids of several parts and a flat one: fitted, and through the codec, their meshes have no extra components."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import trimesh

import inr

BALL = 4 / 3 * math.pi


@pytest.mark.slow
def test_a_fitted_union_is_one_part(tmp_path: Path) -> None:
    one = trimesh.creation.icosphere(subdivisions=4)
    other = one.copy()
    other.apply_translation((0.8, 0, 0))
    other.invert()
    trimesh.util.concatenate([one, other]).export(tmp_path / "union.ply")
    fit = inr.fit(tmp_path / "union.ply", "hash_grid", {"steps": 200, "batch": 8192})
    assert fit.metrics["iou"] > 0.99
    mesh = inr.extract_mesh(fit, 64)
    assert mesh.n_components == 1
    assert mesh.volume == pytest.approx(2 * BALL - math.pi / 12 * 4.8 * 1.2**2, rel=0.01)
    assert mesh.notes == ()


@pytest.mark.slow
def test_a_flat_ring_comes_back_from_the_codec_in_one_part(tmp_path: Path) -> None:
    ring = trimesh.creation.torus(1.0, 0.15, major_sections=96, minor_sections=32)
    ring.export(tmp_path / "ring.ply")
    made = inr.compress(tmp_path / "ring.ply", tmp_path / "ring.inrz", effort=1)
    fit = inr.decompress(tmp_path / "ring.inrz").fit()
    mesh = inr.extract_mesh(fit, 96)
    assert mesh.n_components == 1
    assert mesh.volume == pytest.approx(float(ring.volume), rel=0.05)
    assert made.is_verified
    assert made.metrics["iou"] > 0.9
