"""With a certified slope the sparse search for a mesh is exact."""

from __future__ import annotations

import numpy as np

import inr


def test_a_certified_field_has_the_dense_mesh_and_never_overshoots_the_distance() -> None:
    document = {"type": "lbdn", "width": 32, "depth": 2}
    fit = inr.fit("analytic:torus", document, {"steps": 60, "batch": 2048})
    bound = fit.field.lipschitz_bound()
    assert bound is not None
    assert 0.5 < bound <= 1 + 1e-4
    sparse = inr.extract_mesh(fit, 48)
    assert sparse.lipschitz == bound
    assert sparse.outcome == "ok"
    dense = inr.extract_mesh(fit, 48, dense=True)
    assert np.array_equal(sparse.faces, dense.faces)
    assert np.array_equal(sparse.vertices, dense.vertices)
