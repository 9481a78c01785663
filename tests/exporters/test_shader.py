"""Shader functions with constants and with weights elsewhere, run as GLSL in a browser and as WGSL on an adapter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inr.core.errors import UsageError
from inr.exporters.shader import number
from tests.exporters import runtimes
from tests.exporters.fits import assert_agrees, encoded, fit_of, points

SIREN = {"type": "siren", "width": 10, "depth": 2}
GRID = {"type": "hash_grid", "encoding": {"levels": 2, "log2_table": 6, "finest": [24]}, "width": 8}
SMALL = [
    pytest.param(SIREN, 4096, id="sines as constants"),
    pytest.param(SIREN, 0, id="sines"),
    pytest.param(GRID, 4096, id="hash grid"),
    pytest.param({"type": "gaussian_image", "encoding": {"n_gaussians": 30}}, 4096, id="Gaussians"),
]


@pytest.mark.parametrize(("document", "limit"), SMALL)
@pytest.mark.slow
def test_wgsl_runs(document: dict[str, Any], limit: int) -> None:
    fit, x = fit_of(document), points(64)
    files = encoded("wgsl", fit, limit=limit).files
    assert_agrees(fit, runtimes.wgsl(files, x.numpy(), 3), x, 1 / 255)


@pytest.mark.slow
def test_glsl_runs_for_any_numbers_of_coordinates_and_channels(tmp_path: Path) -> None:
    jobs, fits = {}, {}
    for d_in in (1, 2, 3):
        for d_out in (1, 2, 4):
            for limit in (0, 4096):
                for document in (SIREN, GRID):
                    key = f"{document['type']} {d_in} {d_out} {limit}"
                    fits[key] = fit_of(document, d_in, d_out), points(16, d_in)
                    files = encoded("glsl", fits[key][0], limit=limit).files
                    jobs[key] = files, fits[key][1].numpy(), d_out
    found = runtimes.glsl(jobs, tmp_path)
    for key, (fit, x) in fits.items():
        assert not isinstance(found[key], str), f"{key}: {found[key]}"
        assert_agrees(fit, found[key], x, 1 / 255)


def test_numbers_read_back_the_same() -> None:
    powers = np.float32(10) ** np.arange(-20, 20, dtype=np.float32).repeat(25)
    for value in np.random.default_rng(0).standard_normal(1000).astype(np.float32) * powers:
        text = number(float(value))
        assert np.float32(text) == value
        assert "." in text or "e" in text


def test_few_numbers_are_constants_and_many_are_in_a_second_file() -> None:
    fit = fit_of(SIREN)
    few, many = (encoded("glsl", fit, limit=limit).files for limit in (4096, 10))
    assert list(few) == [".glsl"]
    assert list(many) == [".glsl", ".bin"]
    assert b"uniform" not in few[".glsl"]
    assert len(many[".bin"]) % (2048 * 16) == 0
    assert b"vec3 field(vec2 x)" in few[".glsl"]
    assert b"31.50 dB PSNR" in few[".glsl"]


def test_a_function_takes_the_name_that_it_is_given_and_no_other() -> None:
    made = encoded("wgsl", fit_of(SIREN), name="bunny", limit=0, binding=3).main.decode()
    assert "fn bunny(x: vec2f) -> vec3f" in made
    assert "@group(0) @binding(3) var<storage, read> bunny_weights" in made
    assert "field" not in "".join(line for line in made.splitlines() if not line.startswith("//"))
    with pytest.raises(UsageError, match="name is 'a b'"):
        encoded("glsl", fit_of(SIREN), name="a b")
