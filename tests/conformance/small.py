"""Settings that make a family small where its defaults are not, for the conformance suite."""

from __future__ import annotations

from typing import Any

import pytest

from inr.fields import FIELDS, Field
from inr.testing import FieldTests

# The first document of each list is the default form.
SMALL: dict[str, list[dict[str, Any]]] = {
    "cam": [
        {"width": 32, "encoding": {"type": "random_fourier", "n_frequencies": 64}, "block": {"vertices": 8}},
        {
            "encoding": "identity", "head": "linear", "width": 32, "activation": "sine",
            "block": {"vertices": 8, "has_norm": False, "interpolation": "smoothstep"},
        },
    ],
    "chebyshev": [{"degree": [31]}, {"degree": [31], "basis": "legendre"}],
    "dense_grid": [
        {"encoding": {"levels": 3}, "width": 16},
        {"encoding": {"levels": 2, "features": 3, "interpolation": "smoothstep", "init_range": 0.1}, "width": 16},
    ],
    "dictionary": [
        {"encoding": {"features": [8, 4], "frequencies": [2, 3.2], "vertices": [320, 510]}, "width": 16},
        {"encoding": {"features": [8, 4], "frequencies": [2, 3.2], "vertices": [320, 510], "wrap": "triangle"}},
    ],
    "f_inr": [
        {"width": 32, "assembly": {"type": "cp", "rank": 8}},
        {"width": 32, "assembly": {"type": "tt", "rank": 4}},
        {"width": 32, "assembly": {"type": "tucker", "rank": 8}},
        {"width": 96, "assembly": {"type": "cp", "rank": 8}, "encoding": {"type": "hash_grid", "levels": 3},
         "activation": "relu"},
    ],
    "finer": [
        {"width": 32, "depth": 3},
        {"width": 32, "depth": 3, "activation": {"type": "finer", "has_scale_gradient": True, "first_bias": 1.0}},
    ],
    "fourier_reparam": [
        {"width": 32, "depth": 3, "linear": {"type": "fourier_reparam", "n_low": 16, "n_high": 16, "phases": 8}},
        {
            "width": 32, "depth": 2, "activation": "relu", "encoding": "frequency",
            "linear": {"type": "fourier_reparam", "n_low": 16, "n_high": 16, "phases": 8},
        },
    ],
    "gauss": [
        {"width": 32, "depth": 3},
        {"width": 32, "depth": 3, "activation": {"type": "gauss", "scale": 10.0}},
    ],
    "gaussian_image": [
        {"encoding": {"n_gaussians": 100}},
        {"encoding": {"n_gaussians": 60, "features": 6}, "assembly": "single", "depth": 1, "width": 16},
    ],
    "hash_grid": [
        {"encoding": {"type": "hash_grid", "levels": 4, "log2_table": 8, "finest": [24]}, "width": 16},
        {
            "encoding": {
                "type": "hash_grid", "levels": 3, "log2_table": 8, "finest": [24], "interpolation": "smoothstep",
                "features": 3, "init_range": 0.1,
            },
            "width": 16,
        },
        {"encoding": {"type": "latent_grid", "grid": {"type": "hash_grid", "levels": 3, "log2_table": 8, "finest": [24],
                                                      "features": 2}, "features": 3}, "width": 16},
    ],
    "lbdn": [  # the default form, for shapes, is in tests/layers/linear/test_lipschitz.py
        {"width": 32, "depth": 2},
        {"width": 32, "depth": 2, "encoding": "identity", "activation": {"type": "sine", "omega": 10.0}},
    ],
    "lipmlp": [{"width": 32, "depth": 2}],
    "local_cosine": [{}, {"encoding": {"bands": [5]}}],
    "low_rank": [
        {"width": 32, "depth": 3, "linear": {"type": "low_rank", "rank": 16}},
        {"width": 32, "depth": 2, "linear": {"type": "low_rank", "lasso": 1e-6}},
        {"width": 32, "depth": 2, "linear": "dlrt"},
    ],
    "mfn_fourier": [{"width": 32, "depth": 3, "block": {"input_scale": 64.0}}],
    "mfn_gabor": [{"width": 32, "depth": 3, "block": {"input_scale": 64.0}}],
    "mlp": [
        {"width": 32, "depth": 2},
        {"width": 32, "encoding": {"type": "random_fourier", "sigma": 4.0, "n_frequencies": 64}, "head": "tanh"},
        {"width": 32, "depth": 2, "linear": "weight_norm", "head": "scaled"},
    ],
    "neurbf": [
        {"width": 16, "encoding": {"second": {"n_kernels": 60, "high": 64.0}}},
        {
            "width": 16,
            "encoding": {
                "second": {"n_kernels": 60, "kernel": "tent", "shape": "scalar", "neighbours": 8, "features": 8,
                           "low": 1.0, "high": 8.0, "init_range": 0.1},
            },
        },
    ],
    "poly_inr": [{"width": 64}],
    "polyharmonic": [
        {},
        {"encoding": {"first": {"kernel": "cubic", "n_centres": 50}}},
    ],
    "polyharmonic_cascade": [
        {"nodes": 4, "widths": [3, 5]},
        {"nodes": 0, "widths": [2, 6, 6]},
    ],
    "rbf": [
        {},
        {"encoding": {"kernel": "inverse_multiquadric", "n_centres": 50, "overlap": 2.0}},
    ],
    "rbfnet": [  # units near their maxima, as they start, have slopes that differences of float64 do not resolve
        {"encoding": {"type": "hash_grid", "levels": 4, "log2_table": 8, "finest": [24], "init_range": 0.1},
         "width": 32, "block": {"type": "radial", "reach": 0.1}},
        {"encoding": {"type": "frequency", "octaves": 3}, "width": 48},
    ],
    "relu_pe": [{"width": 64, "depth": 4}],
    "row_equilibrated": [{"width": 32, "depth": 3}],
    "spder": [
        {"width": 32, "depth": 3},
        {"width": 32, "depth": 3, "activation": {"type": "spder", "damping": "arctan"}},
    ],
    "subspace": [
        {"base": {"type": "mlp", "encoding": "identity", "activation": "sine", "width": 32, "depth": 3},
         "dimensions": 600},
        {"base": {"type": "mlp", "width": 32, "depth": 2}, "dimensions": 600, "projection": "fastfood"},
    ],
    "triplane": [
        {"encoding": {"resolution": [24], "features": 4, "beside": {"type": "frequency", "octaves": 2}}, "width": 16},
        {
            "encoding": {"resolution": [32], "features": 4, "beside": "identity", "interpolation": "smoothstep",
                         "combine": "product", "std": 0.1},
            "width": 16,
        },
    ],
    "winner": [{"width": 32, "depth": 3, "init": {"type": "winner", "s0": 10.0, "s1": 0.1}}],
    "wire": [
        {"width": 128, "depth": 3},  # fewer windows leave holes between them, and then the seed decides what it learns
        {"width": 32, "depth": 3, "activation": {"type": "gabor", "omega": 4.0, "scale": 2.0, "warp": 5.0}},
        {"width": 32, "depth": 3, "linear": "dense", "activation": "real_gabor"},
    ],
}  # fmt: skip
DEFAULT_SMALL: list[dict[str, Any]] = [{"width": 32, "depth": 3}]

DOCUMENTS: list[dict[str, Any]] = [
    {"type": name, **document} for name in FIELDS for document in SMALL.get(name, DEFAULT_SMALL)
]
CASES = [pytest.param(document, id=f"{document['type']}-{i}") for i, document in enumerate(DOCUMENTS)]
every_field = pytest.mark.parametrize("document", CASES)


def make(document: dict[str, Any], d_in: int = 2, d_out: int = 3, seed: int = 0) -> Field:
    """A small field of any family."""
    return FieldTests().make(document, d_in, d_out, seed)
