"""Textures: every place of the surface has the colour that the function gives there; read back from GLB."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import trimesh

from inr.core.errors import UnavailableError, UsageError
from inr.core.optional import has
from inr.mesh import Mesh, extract_mesh, save_mesh, textured
from tests.mesh import shapes

needs_xatlas = pytest.mark.skipif(not has("xatlas"), reason="needs xatlas")


def place_as_colour(places: Any) -> Any:
    return np.clip(np.round(255 * places), 0, 255).astype(np.uint8)


@needs_xatlas
def test_the_texture_in_a_glb_has_the_colours_of_the_places() -> None:
    mesh = extract_mesh(shapes.torus, resolution=24)
    made = textured(mesh, place_as_colour, 512)
    assert made.texture is not None
    assert made.texture.shape == (512, 512, 3)
    assert len(made.faces) == len(mesh.faces)
    assert np.allclose(made.vertices[made.faces], mesh.vertices[mesh.faces], atol=1e-6)
    out = io.BytesIO()
    save_mesh(made, out, ".glb")
    again = trimesh.load(io.BytesIO(out.getvalue()), file_type="glb", force="mesh", process=False)
    image = np.asarray(again.visual.material.baseColorTexture.convert("RGB")).astype(float)
    corner_uv, corners = again.visual.uv[again.faces], again.vertices[again.faces]
    weights = np.random.default_rng(0).dirichlet((1, 1, 1), len(again.faces))
    uv = np.einsum("fk,fkd->fd", weights, corner_uv)
    place = np.einsum("fk,fkd->fd", weights, corners)
    column, row = (np.clip((x * 512).astype(int), 0, 511) for x in (uv[:, 0], 1 - uv[:, 1]))
    off = np.abs(image[row, column] - 255 * place).max(axis=1)
    assert np.quantile(off, 0.99) < 2.5  # a texel is about 1/100 of the box here
    assert off.max() < 8


@needs_xatlas
def test_no_texel_stays_black() -> None:
    mesh = extract_mesh(shapes.sphere, resolution=16)
    made = textured(mesh, lambda places: np.full((len(places), 4), 200, np.uint8), 64)
    assert made.texture is not None
    assert (made.texture == 200).all()


def test_sizes_and_the_missing_package_are_told() -> None:
    box = trimesh.creation.box()
    mesh = Mesh(np.asarray(box.vertices), np.asarray(box.faces, np.int64))
    with pytest.raises(UsageError, match="a texture of 8 texels a side is out of range"):
        textured(mesh, place_as_colour, 8)
    if not has("xatlas"):
        with pytest.raises(UnavailableError, match="a texture needs the package 'xatlas'"):
            textured(mesh, place_as_colour, 64)
