"""Composed fields as op lists: in NumPy, in ONNX, as shaders and on the page."""

from __future__ import annotations

import io

import pytest
import torch

from inr.exporters import lower
from inr.exporters.evaluator import evaluate
from inr.fitting import Fit
from inr.workflows.csg import combine
from tests.exporters import runtimes
from tests.exporters.engines import a_torus
from tests.exporters.fits import assert_agrees, encoded

EXPRESSIONS = [
    "ring + sphere(1,0,0,0.5)",
    "move(scale(ring, 0.5), 0.5,0,0) - box(0.5,0,0, 0.4,3,0.2)",
    "union(ring, rotate(ring, 90,0,0), 0.2) & cylinder(0,0,0, 1.2,1)",
    "offset(torus(0,0,0, 1,0.3), 0.1)",
    "shell(ring, 0.1) - plane(1,1,0,0.2)",
]


def _combined(text: str) -> Fit:
    return combine(text, lambda name: a_torus())


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_the_op_list_is_the_field_inside_and_beyond_the_box(text: str) -> None:
    fit = _combined(text)
    x = 2 * torch.rand(3000, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    rows, arrays = lower(fit).document()
    assert_agrees(fit, evaluate(rows, arrays, x.numpy()), x)


def test_onnx_gives_the_same() -> None:
    fit = _combined(EXPRESSIONS[1])
    x = torch.rand(500, 3, generator=torch.Generator().manual_seed(0))
    assert_agrees(fit, runtimes.onnx(encoded("onnx", fit).main, x.numpy()), x)


@pytest.mark.slow
def test_pt2_gives_the_same() -> None:
    fit = _combined(EXPRESSIONS[1])
    x = torch.rand(500, 3, generator=torch.Generator().manual_seed(0))
    program = torch.export.load(io.BytesIO(encoded("pt2", fit).main))
    assert_agrees(fit, program.module()(x), x)


def test_shaders_and_the_page_take_it() -> None:
    fit = _combined("sphere(0,0,0,1) - box(0.6,0,0, 1,1,1)")
    assert b"float field(vec3 x)" in encoded("glsl", fit).main
    assert b"fn field" in encoded("wgsl", fit).main
    assert b"<html" in encoded("html", fit).main


def test_grids_and_meshes_of_a_combination() -> None:
    fit = _combined(EXPRESSIONS[0])
    assert encoded("nvdb", fit, voxel=0.1).main
    assert encoded("mesh", fit, ".ply", resolution=24).main.startswith(b"ply")
