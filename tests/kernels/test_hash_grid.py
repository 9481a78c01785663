"""The hash grid: index arithmetic of tiny-cuda-nn, closed forms, and every backend against the reference."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from inr.core.errors import ConfigError, UnavailableError, UsageError
from inr.kernels import Need, use_backend
from inr.kernels.grid_geometry import PRIMES
from inr.kernels.hash_grid import OP, GridGeometry, Interpolation, from_scale, grid_geometry, hash_grid
from tests.assertions import assert_near, assert_same_bytes, assert_same_bytes_for_threads
from tests.kernels.conftest import Packages

BACKENDS = [
    backend.name for backend in OP.backends if not backend.reasons_against(Need(device="cpu", dtype=torch.float32))
]
COMPILED = [name for name in BACKENDS if name != "reference"]
INTERPOLATIONS: tuple[Interpolation, ...] = ("linear", "smoothstep")
# Every dimension, odd and even numbers of features and both types, in few machine-code variants.
CASES = [(1, 1, torch.float64), (2, 2, torch.float32), (3, 2, torch.float32), (4, 3, torch.float64)]


def _geometry(d_in: int, log2_table_size: int = 7) -> GridGeometry:
    """Dense and hashed levels with another resolution on each axis."""
    return grid_geometry(d_in, 5, log2_table_size, (3, 4, 5, 2)[:d_in], (60, 17, 33, 9)[:d_in])


def _interior(geometry: GridGeometry, n: int, dtype: torch.dtype, generator: torch.Generator) -> Tensor:
    """Points at least a thousandth of a cell away from the faces of every level's cells."""
    x = torch.rand(8 * n + 64, geometry.d_in, generator=generator, dtype=torch.float64)
    position = x[:, None, :] * torch.tensor(geometry.scale, dtype=torch.float64) + 0.5
    distance = (position - position.round()).abs().flatten(1).amin(1)
    return x[distance > 1e-3][:n].to(dtype)


def _problem(d_in: int, n_features: int, dtype: torch.dtype, n: int, generator: torch.Generator) -> tuple[Any, ...]:
    geometry = _geometry(d_in)
    x = _interior(geometry, n, dtype, generator).requires_grad_()
    assert len(x) == n
    table = torch.randn(geometry.total_entries, n_features, generator=generator, dtype=dtype).requires_grad_()
    g = torch.randn(n, geometry.n_levels * n_features, generator=generator, dtype=dtype).requires_grad_()
    return geometry, x, table, g


@pytest.mark.parametrize(
    ("vertex", "expected"),
    [
        ((1, 0), 1),
        ((0, 1), 2654435761),
        ((1, 1), 2654435760),
        ((123, 456), 3536896819),
        ((511, 511), 3501975984),
        ((1, 2, 3), 2892625372),
        ((127, 63, 31), 1072589307),
        ((100, 200, 300), 3655970992),
    ],
)
def test_hash_vectors(vertex: tuple[int, ...], expected: int) -> None:
    """The row that each backend reads at a vertex is the 32-bit hash of tiny-cuda-nn, modulo the table size."""
    found = 0
    for coordinate, prime in zip(vertex, PRIMES, strict=False):
        found ^= coordinate * prime % 2**32
    assert found == expected
    d_in, scale, log2_table_size = len(vertex), 1023.0, 15
    geometry = GridGeometry(
        scale=((scale,) * d_in,),
        resolution=((1024,) * d_in,),
        entries=(2**log2_table_size,),
        offset=(0,),
        is_dense=(False,),
    )
    table = torch.zeros(2**log2_table_size, 2)
    table[expected % 2**log2_table_size] = 1
    # Inside the cell, a thousandth from its lowest corner, which then has nearly all the weight.
    x = (torch.tensor([vertex], dtype=torch.float32) + 1e-3 - 0.5) / scale
    for backend in BACKENDS if min(vertex) > 0 else []:
        with use_backend(backend):
            assert_near(hash_grid(x, table, geometry), torch.ones(1, 2), 0.01)


def test_level_table_of_tiny_cuda_nn() -> None:
    geometry = from_scale(2, 16, 19, 16, 1.5)
    expected = [16, 24, 36, 54, 81, 122, 183, 274, 411, 616, 923, 1384, 2076, 3114, 4671, 7007]
    assert geometry.resolution == tuple((r, r) for r in expected)
    assert geometry.entries[:10] == (256, 576, 1296, 2920, 6568, 14888, 33496, 75080, 168928, 379456)
    assert geometry.entries[10:] == (2**19,) * 6
    assert geometry.offset[9:12] == (304008, 683464, 1207752)
    assert geometry.is_dense == (True,) * 10 + (False,) * 6
    assert 2 * geometry.total_entries == 7_658_384
    assert 2 * from_scale(2, 16, 15, 16, 1.5).total_entries == 708_368


@pytest.mark.parametrize(
    ("d_in", "log2_table_size", "finest", "resolution", "parameters"),
    [(3, 19, 2048, 2048, 12_196_240), (2, 24, 256, 256, 425_472), (2, 24, 384, 385, 858_032)],
)
def test_equal_axes_are_the_grid_of_tiny_cuda_nn(
    d_in: int, log2_table_size: int, finest: int, resolution: int, parameters: int
) -> None:
    geometry = grid_geometry(d_in, 16, log2_table_size, (16,) * d_in, (finest,) * d_in)
    assert geometry.resolution[-1] == (resolution,) * d_in
    assert 2 * geometry.total_entries == parameters
    assert geometry == from_scale(d_in, 16, log2_table_size, 16, (finest / 16) ** (1 / 15))


def test_one_level_has_the_base_resolution() -> None:
    geometry = grid_geometry(2, 1, 10, (5, 7), (9, 9))
    assert geometry.resolution == ((5, 7),)
    assert geometry.entries == (40,)


def test_geometry_lists_every_problem() -> None:
    with pytest.raises(ConfigError) as caught:
        grid_geometry(2, 0, 31, (1, 16), (8, 8))
    assert len(caught.value.problems) == 4
    with pytest.raises(ConfigError, match="per_level_scale"):
        from_scale(2, 4, 10, 16, 0.5)


def test_shapes_that_do_not_fit_are_refused() -> None:
    geometry = _geometry(2)
    x, table = torch.rand(3, 2), torch.zeros(geometry.total_entries, 2)
    for bad_x, bad_table in ((x[:, :1], table), (x[0], table), (x, table[:-1]), (x, table[:, :0]), (x, table.double())):
        with pytest.raises(UsageError):
            hash_grid(bad_x, bad_table, geometry)
    with pytest.raises(UsageError, match="cubic"):
        hash_grid(x, table, geometry, "cubic")  # type: ignore[arg-type]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("d_in", "n_features", "dtype"), CASES)
def test_without_collisions_it_is_multilinear_interpolation(
    backend: str, d_in: int, n_features: int, dtype: torch.dtype, generator: torch.Generator
) -> None:
    """A table that holds a multilinear function of the vertices gives that function back, wherever no cell wraps."""
    geometry = grid_geometry(d_in, 3, 14, (4,) * d_in, (9,) * d_in)
    assert all(geometry.is_dense)
    coefficients = torch.randn(n_features, *(2,) * d_in, generator=generator, dtype=dtype)

    def multilinear(position: Tensor) -> Tensor:
        value = torch.zeros(len(position), n_features, dtype=dtype)
        for powers in product((0, 1), repeat=d_in):
            monomial = (position ** torch.tensor(powers, dtype=dtype)).prod(-1)
            value += monomial[:, None] * coefficients.flatten(1)[:, int("".join(map(str, powers)), 2)]
        return value

    table = torch.zeros(geometry.total_entries, n_features, dtype=dtype)
    for level, resolution in enumerate(geometry.resolution):
        vertices = torch.cartesian_prod(*(torch.arange(r) for r in resolution)).reshape(-1, d_in)
        rows = geometry.offset[level] + (vertices * torch.tensor(geometry.stride[level])).sum(-1)
        table[rows] = multilinear(vertices.to(dtype))
    largest = min((r[0] - 1.5) / s[0] for r, s in zip(geometry.resolution, geometry.scale, strict=True))
    x = torch.rand(50, d_in, generator=generator, dtype=dtype) * largest
    with use_backend(backend):
        found = hash_grid(x, table, geometry)
    expected = torch.cat([multilinear(x * s[0] + 0.5) for s in geometry.scale], 1)
    assert_near(found, expected, OP.tolerances[dtype])


@pytest.mark.parametrize("backend", COMPILED)
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize(("d_in", "n_features", "dtype"), CASES)
@pytest.mark.parametrize("n", [0, 1, 7, 1000])
def test_values_and_gradients_equal_the_reference(
    backend: str,
    interpolation: Interpolation,
    d_in: int,
    n_features: int,
    dtype: torch.dtype,
    n: int,
    generator: torch.Generator,
) -> None:
    geometry, x, table, g = _problem(d_in, n_features, dtype, n, generator)
    results = {}
    for name in ("reference", backend):
        with use_backend(name):
            y = hash_grid(x, table, geometry, interpolation)
            results[name] = (y, *torch.autograd.grad(y, (x, table), g))
    for found, expected in zip(results[backend], results["reference"], strict=True):
        assert_near(found.detach(), expected.detach(), OP.tolerances[dtype])


@pytest.mark.parametrize("backend", COMPILED)
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize(("d_in", "n_features", "dtype"), CASES[:2])
def test_second_gradients_equal_the_reference(
    backend: str,
    interpolation: Interpolation,
    d_in: int,
    n_features: int,
    dtype: torch.dtype,
    generator: torch.Generator,
) -> None:
    geometry, x, table, g = _problem(d_in, n_features, dtype, 300, generator)
    by_x = torch.randn(x.shape, generator=generator, dtype=dtype)
    by_table = torch.randn(table.shape, generator=generator, dtype=dtype)
    results = {}
    for name in ("reference", backend):
        with use_backend(name):
            y = hash_grid(x, table, geometry, interpolation, order=2)
            firsts = torch.autograd.grad(y, (x, table), g, create_graph=True)
            seconds = torch.autograd.grad(firsts, (g, x, table), (by_x, by_table), retain_graph=True)
            (normal,) = torch.autograd.grad(hash_grid(x, table, geometry, interpolation), x, g, create_graph=True)
            eikonal = torch.autograd.grad((normal.norm(dim=-1) - 1).square().sum(), table)
            results[name] = (*seconds, *eikonal)
    for found, expected in zip(results[backend], results["reference"], strict=True):
        assert_near(found, expected, OP.tolerances[dtype])


@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != "cuda"])  # too many calls to interpret
def test_finite_differences_of_values_and_gradients(backend: str, generator: torch.Generator) -> None:
    geometry, x, table, _ = _problem(1, 1, torch.float64, 5, generator)

    def call(x: Tensor, table: Tensor) -> Tensor:
        return hash_grid(x, table, geometry, "smoothstep")

    with use_backend(backend):
        assert torch.autograd.gradcheck(call, (x, table))
        assert torch.autograd.gradgradcheck(call, (x, table))


@pytest.mark.parametrize("backend", COMPILED)
def test_third_gradients_use_the_reference(backend: str, generator: torch.Generator) -> None:
    geometry, x, table, _ = _problem(1, 1, torch.float64, 6, generator)
    thirds = []
    for name in ("reference", backend):
        with use_backend(name):
            value = hash_grid(x, table, geometry, "smoothstep").square().sum()
            for _ in range(3):
                (derivative,) = torch.autograd.grad(value, x, create_graph=True)
                value = derivative.sum()
            thirds.append(torch.autograd.grad(value, table)[0])
    assert thirds[0].abs().max() > 0
    assert_near(thirds[1], thirds[0], 1e-10)


@pytest.mark.parametrize("backend", COMPILED)
@pytest.mark.parametrize(("d_in", "n_features", "dtype"), CASES)
def test_borders_of_the_domain_and_beyond(
    backend: str, d_in: int, n_features: int, dtype: torch.dtype, generator: torch.Generator
) -> None:
    """Points outside are clamped and have no gradient along the clamped axes; the border itself has one."""
    geometry, _, table, _ = _problem(d_in, n_features, dtype, 1, generator)
    places = torch.tensor([-7.0, -1e-6, 0.0, 0.25, 1.0, 1.0 + 1e-6, float("inf")], dtype=dtype)
    x = torch.cartesian_prod(*(places,) * d_in).reshape(-1, d_in).requires_grad_()
    values, gradients = [], []
    for name in ("reference", backend):
        with use_backend(name):
            y = hash_grid(x, table, geometry)
            values.append(y.detach())
            gradients.append(torch.autograd.grad(y.sum(), x)[0])
            assert_same_bytes(y, hash_grid(x.detach().clamp(0, 1), table, geometry))
    assert_near(values[1], values[0], OP.tolerances[dtype])
    assert_near(gradients[1], gradients[0], OP.tolerances[dtype])
    outside = (x < 0) | (x > 1)
    assert torch.equal(gradients[1][outside], torch.zeros(int(outside.sum()), dtype=dtype))


@pytest.mark.parametrize("backend", BACKENDS)
def test_cell_faces_give_a_one_sided_gradient(backend: str, generator: torch.Generator) -> None:
    geometry = grid_geometry(1, 1, 6, (17,), (17,))
    table = torch.randn(geometry.total_entries, 1, generator=generator, dtype=torch.float64)
    faces = ((torch.arange(1, 16, dtype=torch.float64) - 0.5) / 16)[:, None].requires_grad_()
    with use_backend(backend):
        (found,) = torch.autograd.grad(hash_grid(faces, table, geometry).sum(), faces)
    steps = 16 * (table[1:17] - table[:16])
    left, right = steps[:15], steps[1:16]
    assert torch.all(torch.minimum((found - left).abs(), (found - right).abs()) < 1e-9)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_nan_coordinate_changes_only_its_own_point(backend: str, generator: torch.Generator) -> None:
    geometry, x, table, _ = _problem(2, 2, torch.float32, 7, generator)
    spoilt = x.detach().clone()
    spoilt[3, 1] = float("nan")
    with use_backend(backend):
        found = hash_grid(spoilt, table, geometry)
        expected = hash_grid(x, table, geometry)
    assert found[3].isnan().all()
    kept = torch.arange(7) != 3
    assert_same_bytes(found[kept], expected[kept])


@pytest.mark.parametrize("backend", COMPILED)
def test_many_collisions(backend: str, generator: torch.Generator) -> None:
    geometry = _geometry(2, log2_table_size=2)
    x = _interior(geometry, 3000, torch.float32, generator)
    table = torch.randn(geometry.total_entries, 2, generator=generator).requires_grad_()
    grads = []
    for name in ("reference", backend):
        with use_backend(name):
            y = hash_grid(x, table, geometry)
            grads.append(torch.autograd.grad(y.square().sum(), table)[0])
    assert_near(grads[1], grads[0], OP.tolerances[torch.float32])


@pytest.mark.parametrize("backend", COMPILED)
def test_strided_inputs(backend: str, generator: torch.Generator) -> None:
    geometry, x, table, g = _problem(2, 2, torch.float32, 64, generator)
    strided_x = torch.stack((x.detach(), x.detach()), -1)[..., 0].requires_grad_()
    strided_table = table.detach().t().contiguous().t().requires_grad_()
    assert not strided_x.is_contiguous()
    assert not strided_table.is_contiguous()
    with use_backend(backend):
        results = []
        for points, rows, cotangent in ((x, table, g), (strided_x, strided_table, g.t().contiguous().t())):
            y = hash_grid(points, rows, geometry)
            results.append((y, *torch.autograd.grad(y, (points, rows), cotangent)))
    for found, expected in zip(results[1], results[0], strict=True):
        assert_same_bytes(found, expected)


@pytest.mark.parametrize("backend", BACKENDS)
def test_points_in_float64_with_a_table_in_float32(backend: str, generator: torch.Generator) -> None:
    """Places that float32 does not tell apart, on a level of 2^21 cells, and on hashed levels."""
    for geometry in (grid_geometry(1, 1, 22, (2**21 + 1,), (2**21 + 1,)), _geometry(3)):
        near = 0.9 + torch.arange(200, dtype=torch.float64) * 2.0**-26
        x = near[:, None].expand(-1, geometry.d_in).clone().requires_grad_()
        table = torch.randn(geometry.total_entries, 2, generator=generator).requires_grad_()
        double = table.detach().double().requires_grad_()
        g = torch.randn(200, geometry.n_levels * 2, generator=generator)
        with use_backend(backend):
            y = hash_grid(x, table, geometry)
            found = (y, *torch.autograd.grad(y, (x, table), g))
        exact = hash_grid(x, double, geometry)
        expected = (exact, *torch.autograd.grad(exact, (x, double), g.double()))
        assert [t.dtype for t in found] == [torch.float32, torch.float64, torch.float32]
        for one, other in zip(found, expected, strict=True):
            assert_near(one.double(), other, 2e-6 * float(other.detach().abs().max()))


@pytest.mark.parametrize("backend", BACKENDS)
def test_same_bytes_twice_and_for_any_number_of_threads(backend: str, generator: torch.Generator) -> None:
    geometry, x, table, g = _problem(2, 2, torch.float32, 3000, generator)

    def results() -> tuple[Tensor, ...]:
        y = hash_grid(x, table, geometry)
        return y, *torch.autograd.grad(y, (x, table), g)

    with use_backend(backend):
        assert_same_bytes_for_threads(results, (1, 2, 2, 3) if backend == "cpu" else (1, 1))


@pytest.mark.parametrize("n_features", [2, 4])
@pytest.mark.parametrize("is_sorted", [False, True])
def test_levels_that_are_written_in_bands(n_features: int, is_sorted: bool, generator: torch.Generator) -> None:
    """Points along the table or in any order, at and beyond the borders; one is not a number."""
    geometry = grid_geometry(2, 2, 19, (20, 10), (700, 300))
    inside = torch.rand(3000, 2, generator=generator, dtype=torch.float64)
    x = torch.cat([torch.tensor([[-0.1, -0.1], [0.5, 0.0], [1.0, 1.0]], dtype=torch.float64), inside])
    x = x[x[:, 1].argsort()] if is_sorted else x
    table = torch.randn(geometry.total_entries, n_features, generator=generator, dtype=torch.float64)
    g = torch.randn(len(x), 2 * n_features, generator=generator, dtype=torch.float64)

    def gradient(points: Tensor, backend: str) -> Tensor:
        leaf = table.clone().requires_grad_()
        with use_backend(backend):
            (found,) = torch.autograd.grad(hash_grid(points, leaf, geometry, "linear"), leaf, g)
        return found

    assert_near(gradient(x, "cpu"), gradient(x, "reference"), 1e-12)
    wrong = x.clone()
    wrong[2000, 1] = float("nan")
    assert torch.equal(gradient(wrong, "cpu").isnan(), gradient(wrong, "reference").isnan())


def test_functional_transforms_equal_autograd(generator: torch.Generator) -> None:
    geometry, x, table, _ = _problem(2, 2, torch.float64, 5, generator)
    x, table = x.detach(), table.detach()

    def call(table: Tensor) -> Tensor:
        return hash_grid(x, table, geometry)

    expected = torch.autograd.functional.jacobian(call, table)  # type: ignore[no-untyped-call]
    assert_near(torch.func.jacrev(call)(table), expected, 1e-12)
    assert_near(torch.func.jacfwd(call)(table), expected, 1e-12)
    each = torch.func.vmap(lambda point: hash_grid(point[None], table, geometry)[0])(x)
    assert_near(each, call(table), 1e-12)
    batched = torch.autograd.functional.jacobian(call, table, vectorize=True)  # type: ignore[no-untyped-call]
    assert_near(batched, expected, 1e-12)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_call_can_be_exported(generator: torch.Generator) -> None:
    geometry, x, table, _ = _problem(2, 2, torch.float32, 6, generator)

    class Module(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = torch.nn.Parameter(table.detach())

        def forward(self, x: Tensor) -> Tensor:
            return hash_grid(x, self.table, geometry)

    module = Module()
    program = torch.export.export(module, (x.detach(),))
    assert_near(program.module()(x.detach()), module(x).detach(), OP.tolerances[torch.float32])


def test_half_precision_and_missing_numba_use_the_reference(packages: Packages) -> None:
    geometry = _geometry(2)
    x, table = torch.rand(4, 2), torch.ones(geometry.total_entries, 2)
    assert_near(hash_grid(x.bfloat16(), table.bfloat16(), geometry).float(), torch.ones(4, 10), 0.02)
    with use_backend("cpu"), pytest.raises(UnavailableError, match="bfloat16"):
        hash_grid(x.bfloat16(), table.bfloat16(), geometry)
    packages.remove("numba", "triton", "tinycudann")
    assert_near(hash_grid(x, table, geometry), torch.ones(4, 10), 1e-6)
    with use_backend("cpu"), pytest.raises(UnavailableError, match="no numba"):
        hash_grid(x, table, geometry)
