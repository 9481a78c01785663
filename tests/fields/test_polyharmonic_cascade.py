"""The polyharmonic cascade: statements of its author's code, and what it learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import inr
from inr.core.config import override
from inr.core.domain import Spec
from inr.core.errors import ConfigError
from inr.fields.polyharmonic_cascade import PolyharmonicCascade, SplinePackage, hyperoctahedron
from inr.signals.array import Array as ArraySignal
from inr.workflows.sizing import sized
from tests.published import Array, Constant, Moments, Parameters, PublishedFamily, Uniform, check

B, C = 5.0, 400.0
PICTURE = Spec("image", 2, 3, (64, 64))


def _nodes(n: int, per_axis: int) -> Array:
    if not per_axis:
        return np.concatenate([np.zeros((1, n)), -np.eye(n), np.eye(n)])
    axis = np.linspace(-0.5, 0.5, per_axis)
    return np.stack(np.meshgrid(*[axis] * n, indexing="ij"), axis=-1).reshape(-1, n)


def _kernel(a: Array, b: Array) -> Array:
    """r^2 (ln r - b) + c, as q (ln q - 2 b) / 2 + c for q = r^2 of at least 1e-10."""
    q = np.maximum(((a[:, None] - b[None]) ** 2).sum(-1), 1e-10)
    return np.asarray(0.5 * q * (np.log(q) - 2 * B) + C)


def _forward(first: int) -> object:
    def forward(p: Parameters, x: Array) -> Array:
        channels = []
        for s in range(len(p["packages.0.values"])):
            h = x - 0.5
            for i in range(len(p)):
                nodes = _nodes(h.shape[1], 0 if i else first)
                h = _kernel(h, nodes) @ np.linalg.solve(_kernel(nodes, nodes), p[f"packages.{i}.values"][s])
            channels.append(h)
        return np.concatenate(channels, axis=1)

    return forward


PUBLISHED = tuple(
    PublishedFamily(
        name=f"polyharmonic_cascade, {name}",
        config=PolyharmonicCascade(),
        source="xolod7/polyharmonic-cascade",
        spec=PICTURE,
        small=(f"nodes={first}", "widths=[3,5,5]"),
        forward=_forward(first),  # type: ignore[arg-type]  # a closure whose type mypy cannot state as short
        tolerance=1e-7,  # the author's code and this one round K^-1 differently
        initial={
            "packages.0.values": Uniform(-(2**-0.5), 2**-0.5),
            "packages.1.values": Uniform(-(4**-0.5), 4**-0.5),
            "packages.[23].values": Moments(0.0, (2 / 17) ** 0.5, 8.5),  # the nodes
            "packages.4.values": Constant(0.0),
        },
        settings={
            "field.nodes": 0,
            "field.widths": [100, 20, 20],
            "fit.optimizer": "gauss_newton",
            "fit.optimizer.damping": 200,
            "fit.optimizer.is_adaptive": False,
            "fit.batch": 2000,
            "fit.steps": 300,
        },
    )
    for name, first in (("lattice", 4), ("hyperoctahedra", 0))
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.subject)
def test_it_is_the_published_family(statement: PublishedFamily) -> None:
    check(statement)


def test_a_package_has_its_values_at_its_nodes(generator: torch.Generator) -> None:
    package = SplinePackage(hyperoctahedron(5), 4, 3, "hidden", generator)
    torch.testing.assert_close(package(package.nodes[None]), package.values, atol=1e-9, rtol=0)


def test_a_package_of_equal_sizes_starts_near_the_identity(generator: torch.Generator) -> None:
    package = SplinePackage(hyperoctahedron(4), 4, 1, "hidden", generator)
    h = 0.5 * torch.randn(20, 4, generator=generator, dtype=torch.float64)
    moved = (package(h[None])[0].detach() - h).norm(dim=-1) / h.norm(dim=-1)
    assert float(moved.median()) < 0.5


def test_channels_have_cascades_of_their_own(generator: torch.Generator) -> None:
    field = PolyharmonicCascade().resolve(PICTURE).build(PICTURE, generator)
    assert field.n_params == 3 * (64 * 4 + 9 * 8 + 2 * 17 * 8 + 17)
    field(torch.rand(8, 2, generator=generator))[:, 1].sum().backward()  # type: ignore[no-untyped-call]  # of torch
    for parameter in field.parameters():
        assert parameter.grad is not None
        assert [bool(g.any()) for g in parameter.grad] == [False, True, False]


def test_a_lattice_of_one_node_or_of_too_many_is_refused() -> None:
    for nodes in (1, 100):
        with pytest.raises(ConfigError, match=f"field.nodes is {nodes}"):
            override(PolyharmonicCascade(), [f"nodes={nodes}"], "field").resolve(PICTURE)


def test_it_bends_where_one_package_of_as_many_parameters_cannot() -> None:
    """A ring with a sharp edge, 32 x 32."""
    t = (np.arange(32) + 0.5) / 32 - 0.5
    radius = np.hypot(*np.meshgrid(t, t))
    signal = ArraySignal.of_array(np.tanh(30 * (0.12 - np.abs(radius - 0.3))).astype(np.float32))
    cascade = {"type": "polyharmonic_cascade", "nodes": 4, "widths": [3, 5]}
    many = inr.fit(signal, cascade, {"steps": 40})
    n = many.field.n_params
    spline = {
        "type": "polyharmonic",
        "encoding": {
            "type": "concat",
            "first": {"type": "kernels", "overlap": None, "n_centres": n},
            "second": "identity",
        },
    }
    single = inr.fit(signal, spline)
    assert single.field.n_params >= n
    assert many.metrics["psnr_db"] > single.metrics["psnr_db"] + 3


def test_its_size_is_found_although_it_refuses_one_node_per_axis() -> None:
    found = sized(PolyharmonicCascade(), PICTURE, 3000)
    assert isinstance(found.config, PolyharmonicCascade)
    assert (found.config.nodes or 0) >= 2
    assert 2500 < found.n_params <= 3000
