"""LBDN: statements of the authors' example of a curve; with a certified slope the sparse search for a mesh is exact."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import inr
from inr.core.config import parse
from inr.core.domain import Spec
from inr.encodings.frequency import Frequency
from inr.encodings.identity import Identity
from inr.fields import FieldConfig
from inr.fields.lbdn import Lbdn
from inr.layers.linear.cayley import Cayley
from tests.fields.formulas import torch_default
from tests.published import AnyValues, Array, Constant, Parameters, PublishedFamily, check

CURVE = Spec("array", 1, 1, (300,))
GAMMA = math.pi * 300 / 8


def _cayley(matrix: Array) -> Array:
    """[U; V] to [(I + Z)^-1 (I - Z); -2 V (I + Z)^-1], Z = U - U^T + V^T V; of a wide matrix that of its transpose."""
    if matrix.shape[1] > matrix.shape[0]:
        return _cayley(matrix.T).T
    n = matrix.shape[1]
    upper, lower = matrix[:n], matrix[n:]
    z = upper - upper.T + lower.T @ lower
    inverse = np.linalg.inv(np.eye(n) + z)
    return np.concatenate([inverse @ (np.eye(n) - z), -2 * lower @ inverse])


def _halves(p: Parameters, prefix: str) -> tuple[Array, Array]:
    """A and B of cayley(a V / |V|) = [A | B], A square."""
    v = p[f"{prefix}.skew"]
    q = _cayley(p[f"{prefix}.length"] * v / np.linalg.norm(v))
    return q[:, : len(v)], q[:, len(v) :]


def _forward(p: Parameters, x: Array) -> Array:
    """sqrt(2) A^T Psi relu(sqrt(2) Psi^-1 B h + b) in every layer, then B h + b; sqrt(gamma) at both ends."""
    h = math.sqrt(GAMMA) * (x - 0.5)
    for layer in range(4):
        block = f"body.blocks.{layer}"
        a, b = _halves(p, f"{block}.linear")
        psi = np.exp(p[f"{block}.psi"])
        z = np.maximum(math.sqrt(2) * (h @ b.T) / psi + p[f"{block}.linear.bias"], 0)
        h = math.sqrt(2) * (psi * z) @ a
    _, b = _halves(p, "body.last")
    return np.asarray(math.sqrt(GAMMA) * h @ b.T + p["body.last.bias"])


def _move_psi(module: torch.nn.Module) -> None:
    """psi starts at 0, where a factor would leave it: other values, in the network whose outputs are compared."""
    for name, parameter in module.named_parameters():
        if name.endswith("psi") and parameter.dtype == torch.float64:
            parameter.data.normal_(generator=torch.Generator().manual_seed(1))


PUBLISHED = (
    PublishedFamily(
        config=Lbdn(encoding=Identity(), linear=Cayley(gamma=GAMMA)),
        source="acfr/LBDN, layer.py, model.py (Toy)",
        spec=CURVE,
        small=("width=16",),
        forward=_forward,
        prepare=_move_psi,
        initial={
            "*.psi": Constant(0),
            "*.length": AnyValues(),  # |V|
            "body.blocks.0.linear.*": torch_default(1 + 128),
            "body.blocks.*": torch_default(128 + 128),
            "body.last.*": torch_default(128 + 1),
        },
        settings={
            "field.width": 86,
            "field.depth": 9,
            "field.activation": "relu",
            "field.linear.gamma": 1,
            "fit.optimizer": "adam",
            "fit.lr": 1e-2,
            "fit.schedule": "linear pieces",
            "fit.loss": "mse",
            "fit.batch": 50,
            "fit.steps": 600,
        },
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.subject)
def test_it_is_the_published_family(statement: PublishedFamily) -> None:
    check(statement)


def test_lattices_have_octaves_and_the_bound_counts_them() -> None:
    octaves = Lbdn().resolve(CURVE)
    assert isinstance(octaves.encoding, Frequency)
    assert octaves.resolve(CURVE) == octaves
    field = octaves.build(CURVE, torch.Generator().manual_seed(0))
    steepest = 2 * math.sqrt(1 + sum((math.pi * 2**k) ** 2 for k in range(octaves.encoding.octaves or 0)))
    bound = field.lipschitz_bound()
    assert bound is not None
    assert bound <= 4 * steepest * (1 + 1e-4)
    x = torch.linspace(0, 1, 3001)[:, None]
    y = field(x)
    assert ((y[1:] - y[:-1]).abs() / (x[1:] - x[:-1])).max() <= bound


def test_raw_coordinates_of_a_lattice_may_be_as_steep_as_a_wave_over_16_samples() -> None:
    raw = Lbdn(encoding=Identity()).resolve(CURVE)
    assert isinstance(raw.linear, Cayley)
    assert raw.linear.gamma == pytest.approx(math.pi * 300 / 8)
    assert raw.encoding == Identity(low=-0.5, high=0.5)
    assert Lbdn().resolve(Spec("shape", 3, 1)).encoding == raw.encoding


def test_a_given_encoding_and_bound_are_kept() -> None:
    given = Lbdn(encoding=Identity(low=-0.5, high=0.5), linear=Cayley(gamma=2.0))
    resolved = given.resolve(CURVE)
    assert (resolved.encoding, resolved.linear) == (given.encoding, given.linear)
    assert parse(FieldConfig, {"type": "lbdn", "encoding": "identity"}).resolve(CURVE) == Lbdn(
        encoding=Identity()
    ).resolve(CURVE)


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
