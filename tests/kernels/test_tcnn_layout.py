"""tiny-cuda-nn's layouts and settings, without the package; its modules, by a substitute; on a device, the package."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inr.core.errors import UnavailableError, UsageError
from inr.core.optional import has
from inr.kernels import Need, use_backend, use_precision
from inr.kernels.grid_mlp_loss import grid_mlp_loss
from inr.kernels.grid_mlp_loss.tcnn import grid_mlp_loss as their_loss
from inr.kernels.hash_grid import OP as GRID
from inr.kernels.hash_grid import GridGeometry, from_scale, grid_geometry, hash_grid
from inr.kernels.hash_grid.tcnn import hash_grid as their_grid
from inr.kernels.mlp_shape import MlpShape
from inr.kernels.relu_mlp import OP as NETWORK
from inr.kernels.relu_mlp import relu_mlp
from inr.kernels.relu_mlp.tcnn import relu_mlp as their_network
from inr.kernels.tcnn_layout import (
    grid_config,
    grid_reasons,
    network_config,
    network_shapes,
    pack,
    pack_network,
    unpack,
    unpack_network,
)
from tests.assertions import assert_near
from tests.kernels.conftest import Packages

IMAGE = (32, 64, 64, 3)  # of a grid with 16 levels of 2 features


def bias_of_padding(vector: Tensor, widths: tuple[int, ...]) -> Tensor:
    """The bias [H_1] that padded inputs of 1 add to a network without a grid."""
    rows, columns = network_shapes(widths)[0]
    return vector[: rows * columns].view(rows, columns)[: widths[1], widths[0] :].sum(1)


def matrices(widths: tuple[int, ...], generator: torch.Generator) -> list[Tensor]:
    return [torch.randn(b, a, generator=generator) for a, b in pairwise(widths)]


# -- layout


def test_the_number_of_parameters_of_the_image_network() -> None:
    assert sum(rows * columns for rows, columns in network_shapes(IMAGE, 2)) == 7168
    assert network_shapes((9, 16, 17), 3) == [(16, 48), (32, 16)]  # a multiple of lcm(16, 3), and of 16


@pytest.mark.parametrize(("widths", "n_features"), [(IMAGE, 2), ((9, 16, 1), 3), ((2, 32, 32, 32, 20), 1)])
def test_networks_come_back(widths: tuple[int, ...], n_features: int, generator: torch.Generator) -> None:
    given = matrices(widths, generator)
    vector = pack_network(given, n_features)
    for found, expected in zip(unpack_network(vector, widths, n_features), given, strict=True):
        assert torch.equal(found, expected)
    assert vector.count_nonzero() == sum(weight.numel() for weight in given)
    with pytest.raises(UsageError, match="parameters"):
        unpack_network(vector[:-1], widths, n_features)


def test_a_network_over_a_grid_comes_back_the_network_first(generator: torch.Generator) -> None:
    geometry = from_scale(2, 4, 8, 4, 1.5)
    given, table = matrices((8, 16, 3), generator), torch.randn(geometry.total_entries, 2, generator=generator)
    vector = pack(given, table)
    assert torch.equal(vector[: 16 * 16], pack_network(given, 2)[: 16 * 16])
    assert torch.equal(vector[-table.numel() :].view(-1, 2), table)
    weights, rows = unpack(vector, (8, 16, 3), geometry, 2)
    assert torch.equal(rows, table)
    assert all(torch.equal(a, b) for a, b in zip(weights, given, strict=True))
    with pytest.raises(UsageError):
        unpack(vector[:10], (8, 16, 3), geometry, 2)


def test_gradients_by_the_vector_are_those_by_the_parameters(generator: torch.Generator) -> None:
    given = [weight.requires_grad_() for weight in matrices((3, 16, 2), generator)]
    vector = pack_network(given)
    g = torch.randn(vector.shape, generator=generator)
    for found, expected in zip(torch.autograd.grad(vector, given, g), unpack_network(g, (3, 16, 2)), strict=True):
        assert torch.equal(found, expected)


def test_padding_of_ones_is_a_bias(generator: torch.Generator) -> None:
    vector = torch.randn(32 * 16 + 16 * 32, generator=generator)
    weights = unpack_network(vector, (3, 32, 5))
    x = torch.randn(7, 3, generator=generator)
    whole = torch.cat((x, torch.ones(7, 13)), 1) @ vector[: 32 * 16].view(32, 16).t()
    assert_near(x @ weights[0].t() + bias_of_padding(vector, (3, 32, 5)), whole, 1e-5)


# -- settings


@pytest.mark.parametrize(
    "geometry",
    [
        from_scale(2, 16, 19, 16, 1.5),
        grid_geometry(3, 16, 19, (16,) * 3, (2048,) * 3),
        grid_geometry(2, 16, 24, (16,) * 2, (384,) * 2),
        grid_geometry(4, 3, 4, (3,) * 4, (9,) * 4),
        grid_geometry(2, 1, 10, (5, 5), (5, 5)),
    ],
)
def test_grids_come_back_from_their_settings(geometry: GridGeometry) -> None:
    assert not grid_reasons(geometry, 2)
    document = grid_config(geometry, 2, "smoothstep")
    assert read_grid_config(document, geometry.d_in) == (geometry, 2, "smoothstep")
    assert document["interpolation"] == "Smoothstep"


def test_the_settings_of_the_image_network() -> None:
    assert network_config(IMAGE) == {
        "otype": "FullyFusedMLP",
        "activation": "ReLU",
        "output_activation": "None",
        "n_neurons": 64,
        "n_hidden_layers": 2,
    }


@pytest.mark.parametrize(
    ("geometry", "n_features", "word"),
    [
        (grid_geometry(1, 4, 10, (4,), (40,)), 2, "dimensions"),
        (grid_geometry(2, 4, 10, (4, 4), (40, 40)), 3, "features"),
        (grid_geometry(2, 4, 10, (4, 5), (40, 50)), 2, "per axis"),
    ],
)
def test_grids_that_tiny_cuda_nn_lacks_are_refused(geometry: GridGeometry, n_features: int, word: str) -> None:
    (reason,) = grid_reasons(geometry, n_features)
    assert word in reason
    with pytest.raises(UsageError, match=word):
        grid_config(geometry, n_features, "linear")


# -- choosing it


def _reasons(op: Any, packages: Packages, **need: Any) -> str:
    packages.add(ModuleType("tinycudann"))
    backend = next(b for b in op.backends if b.name == "tcnn")
    return "; ".join(backend.reasons_against(Need(device="cuda", dtype=torch.float32, **need)))


@pytest.mark.parametrize(
    ("shape", "order", "word"),
    [
        (MlpShape((32, 64, 64, 3), True), 1, "biases"),
        (MlpShape((32, 48, 48, 3), False), 1, "16, 32, 64, 128"),
        (MlpShape((32, 64, 32, 3), False), 1, "one width"),
        (MlpShape((32, 64, 64, 3), False), 2, "order 2"),
    ],
)
def test_networks_are_refused_with_reasons(shape: MlpShape, order: int, word: str, packages: Packages) -> None:
    assert word in _reasons(NETWORK, packages, shape=shape, order=order, precision="float16")
    assert not _reasons(NETWORK, packages, shape=MlpShape(IMAGE, False), precision="float16")
    assert "float32 is required" in _reasons(NETWORK, packages, shape=MlpShape(IMAGE, False))


def test_grids_are_refused_with_reasons(packages: Packages) -> None:
    geometry = grid_geometry(2, 4, 10, (4, 5), (40, 50))
    reasons = _reasons(GRID, packages, shape=(geometry, 3), order=2, deterministic=True)
    assert all(word in reasons for word in ("per axis", "features", "order 2", "determinism"))


# -- their modules, by a package that computes the same on the CPU


class _Module(nn.Module):
    def __init__(self, n_parameters: int) -> None:
        super().__init__()
        self.params = nn.Parameter(torch.zeros(n_parameters))


def read_grid_config(document: dict[str, Any], d_in: int) -> tuple[GridGeometry, int, Any]:
    keys = ("n_levels", "log2_hashmap_size", "base_resolution", "per_level_scale")
    geometry = from_scale(d_in, *(document[key] for key in keys))
    return geometry, document["n_features_per_level"], document["interpolation"].lower()


class _Encoding(_Module):
    def __init__(self, n_in: int, config: dict[str, Any], dtype: torch.dtype | None = None) -> None:
        self.grid, self.features, self.interpolation = read_grid_config(config, n_in)
        super().__init__(self.grid.total_entries * self.features)

    def forward(self, x: Tensor) -> Tensor:
        return hash_grid(x, self.params.view(-1, self.features), self.grid, self.interpolation)


class _Network(_Module):
    def __init__(self, n_in: int, n_out: int, config: dict[str, Any]) -> None:
        self.widths = (n_in, *[config["n_neurons"]] * config["n_hidden_layers"], n_out)
        super().__init__(sum(rows * columns for rows, columns in network_shapes(self.widths)))

    def forward(self, x: Tensor) -> Tensor:
        weights = unpack_network(self.params, self.widths)
        bias = bias_of_padding(self.params, self.widths)
        return relu_mlp(x, weights, [bias, *[None] * (len(weights) - 1)]).half()


class _Both(_Module):
    def __init__(self, n_in: int, n_out: int, encoding: dict[str, Any], network: dict[str, Any]) -> None:
        self.grid, self.features, self.interpolation = read_grid_config(encoding, n_in)
        hidden = [network["n_neurons"]] * network["n_hidden_layers"]
        self.widths = (self.grid.n_levels * self.features, *hidden, n_out)
        n_network = sum(rows * columns for rows, columns in network_shapes(self.widths, self.features))
        super().__init__(n_network + self.grid.total_entries * self.features)

    def forward(self, x: Tensor) -> Tensor:
        weights, table = unpack(self.params, self.widths, self.grid, self.features)
        features = hash_grid(x, table, self.grid, self.interpolation)
        return relu_mlp(features, weights, [None] * len(weights)).half()


@pytest.fixture
def _package(packages: Packages) -> Iterator[None]:
    package: Any = ModuleType("tinycudann")
    package.Encoding, package.Network, package.NetworkWithInputEncoding = _Encoding, _Network, _Both
    packages.add(package)
    with use_backend("reference"):
        yield


def _problem(generator: torch.Generator) -> tuple[GridGeometry, Tensor, Tensor, list[Tensor]]:
    geometry = from_scale(2, 4, 8, 4, 1.5)
    x = (1.2 * torch.rand(60, 2, generator=generator) - 0.1).requires_grad_()
    table = torch.randn(geometry.total_entries, 2, generator=generator).requires_grad_()
    return geometry, x, table, [weight.requires_grad_() for weight in matrices((8, 16, 3), generator)]


@pytest.mark.usefixtures("_package")
def test_their_modules_take_our_parameters_and_give_their_gradients(generator: torch.Generator) -> None:
    geometry, x, table, weights = _problem(generator)
    y, biases = torch.randn(60, 3, generator=generator), [None, None]
    calls = [
        (their_grid(x, table, geometry, "linear"), hash_grid(x, table, geometry, "linear"), [x, table], 1e-6),
        (their_network(table[:9].repeat(1, 4), weights, biases), None, [table, *weights], 2e-3),
        (their_loss(x, y, None, 2, table, geometry, "linear", weights, biases), None, [x, table, *weights], 5e-3),
    ]
    expected = [
        calls[0][1],
        relu_mlp(table[:9].repeat(1, 4), weights, biases),
        grid_mlp_loss(x, y, None, 2, table, geometry, "linear", weights, biases),
    ]
    for (found, _, inputs, tolerance), wanted in zip(calls, expected, strict=True):
        assert wanted is not None
        assert found.dtype == torch.float32
        assert_near(found.detach(), wanted.detach(), tolerance)
        grads = zip(torch.autograd.grad(found.sum(), inputs), torch.autograd.grad(wanted.sum(), inputs), strict=True)
        for mine, theirs in grads:
            assert_near(mine, theirs, 10 * tolerance)


@pytest.mark.usefixtures("_package")
def test_a_grid_that_they_lay_out_otherwise_is_an_error(
    generator: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    geometry = from_scale(2, 5, 8, 4, 1.5)  # a unique shape: modules are cached by their settings
    x, table = torch.rand(9, 2, generator=generator), torch.zeros(geometry.total_entries, 2)
    monkeypatch.setattr(_Encoding, "__init__", lambda self, *_, **__: _Module.__init__(self, 7))
    with pytest.raises(UnavailableError, match="7 parameters"):
        their_grid(x, table, geometry, "linear")


# -- the package itself


@pytest.mark.gpu
def test_the_package_agrees_with_the_reference(generator: torch.Generator) -> None:
    if not has("tinycudann"):
        pytest.skip("tinycudann cannot be imported")
    geometry, x, table, _ = _problem(generator)
    weights = [weight.cuda() for weight in matrices((8, 16, 3), generator)]
    x, table = x.detach().cuda(), table.detach().cuda()
    results: dict[str, list[Tensor]] = {}
    for backend in ("reference", "tcnn"):
        with use_backend(backend), use_precision("float16", "cuda"):
            features = hash_grid(x, table, geometry)
            loss = grid_mlp_loss(x, x[:, :1].expand(-1, 3), None, 2, table, geometry, "linear", weights, [None, None])
            results[backend] = [features, relu_mlp(features, weights, [None, None]), loss]
    for found, expected, tolerance in zip(results["tcnn"], results["reference"], (1e-5, 1e-2, 2e-2), strict=True):
        assert_near(found, expected, tolerance)
