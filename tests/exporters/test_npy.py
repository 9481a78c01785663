"""Arrays of distances: where the nodes are, bands, and 16 bits."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

from inr.mesh.fit_distance import FitDistance
from tests.exporters.engines import a_torus
from tests.exporters.fits import encoded


def test_each_value_is_the_distance_at_the_place_that_the_json_states() -> None:
    files = encoded("npy", a_torus(), voxel=0.1).files
    values, about = np.load(io.BytesIO(files[".npy"])), json.loads(files[".json"])
    assert values.shape == tuple(about["dims"]) == (31, 31, 31)
    assert values.dtype == about["dtype"] == "float32"
    index = np.stack(np.meshgrid(*[np.arange(n) for n in about["dims"]], indexing="ij"), -1)
    p = np.array(about["lower"]) + about["spacing"] * index
    assert np.array_equal(values, FitDistance(a_torus())(p.reshape(-1, 3)).reshape(values.shape))
    assert np.allclose(p[-1, -1, -1], about["upper"])
    assert about["unity_scale"] * (p[-1, 0, 0, 0] - p[0, 0, 0, 0]) == pytest.approx(1)
    assert about["unit"] == "mesh units"
    assert "exported by inr" in about["about"][0]


def test_a_band_cuts_distances_off() -> None:
    whole = np.load(io.BytesIO(encoded("npy", a_torus(), voxel=0.05).main))
    files = encoded("npy", a_torus(), voxel=0.05, band=2, half=True).files
    band = np.load(io.BytesIO(files[".npy"]))
    assert band.dtype == "float16"
    assert np.abs(band - np.clip(whole, -0.1, 0.1)).max() <= 1e-4
    assert json.loads(files[".json"])["band"] == pytest.approx(0.1)
