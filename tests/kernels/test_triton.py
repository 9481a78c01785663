"""Every Triton kernel against the reference, in value and every gradient.

Run as part of the suite these tests need a CUDA device; `test_interpreter.py` runs them in Triton's interpreter on the
CPU as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from inr.core.errors import UnavailableError
from inr.kernels import Op, Precision, is_interpreted, ops, use_backend, use_precision
from inr.kernels.dense_mlp import dense_mlp
from inr.kernels.grid_mlp_loss import grid_mlp_loss
from inr.kernels.hash_grid import GridGeometry, Interpolation, grid_geometry, hash_grid
from inr.kernels.kernel_sum import kernel_sum
from inr.kernels.noisy_round import noisy_round
from inr.kernels.pointwise import sines
from inr.kernels.radial import SQUARE_KERNELS, Kernel
from inr.kernels.relu_mlp import relu_mlp
from inr.kernels.sine import sine
from inr.kernels.sine_jet import JetPlan
from tests.assertions import assert_near, assert_same_bytes
from tests.kernels.test_context_rate import Problem as RateProblem
from tests.kernels.test_pyramid_error import SIZES
from tests.kernels.test_pyramid_error import Problem as ErrorProblem
from tests.kernels.test_sine_jet import Problem as JetProblem

DEVICE = "cpu" if is_interpreted() else "cuda"
pytestmark = [] if is_interpreted() else [pytest.mark.gpu]

INTERPOLATIONS: tuple[Interpolation, ...] = ("linear", "smoothstep")

Call = Callable[..., Tensor]


def leaves(*inputs: Tensor) -> list[Tensor]:
    return [tensor.detach().to(DEVICE).requires_grad_() for tensor in inputs]


def results(backend: str, call: Call, inputs: Sequence[Tensor]) -> list[Tensor]:
    """The value, and the gradients of its product with fixed numbers."""
    with use_backend(backend):
        y = call(*inputs)
        g = torch.randn(y.shape, generator=torch.Generator().manual_seed(3)).to(y)
        return [y.detach(), *torch.autograd.grad(y, inputs, g)]


def assert_agree(op: Op, call: Call, inputs: Sequence[Tensor]) -> None:
    found, expected = (results(backend, call, inputs) for backend in ("cuda", "reference"))
    assert found[1].shape == inputs[0].shape
    for mine, wanted in zip(found, expected, strict=True):
        assert mine.dtype == wanted.dtype
        assert_near(mine, wanted, op.tolerances[wanted.dtype])


# -- hash grid: the rest of its tests, in `test_hash_grid.py`, run in the interpreter too


def _grid(d_in: int, log2_table_size: int, n: int, generator: torch.Generator) -> tuple[GridGeometry, list[Tensor]]:
    geometry = grid_geometry(d_in, 4, log2_table_size, (3, 4, 5, 2)[:d_in], (40, 17, 33, 9)[:d_in])
    table = torch.randn(geometry.total_entries, 2, generator=generator)
    return geometry, leaves(torch.rand(n, d_in, generator=generator), table)


@pytest.mark.parametrize("d_in", [1, 2, 3, 4])
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_the_hash_grid_to_second_order(d_in: int, interpolation: Interpolation, generator: torch.Generator) -> None:
    geometry, inputs = _grid(d_in, 7, 1100, generator)
    seconds = []
    for backend in ("cuda", "reference"):
        with use_backend(backend):
            (normal,) = torch.autograd.grad(
                hash_grid(inputs[0], inputs[1], geometry, interpolation).square().sum(), inputs[0], create_graph=True
            )
            seconds.append((normal, *torch.autograd.grad((normal.norm(dim=-1) - 1).square().sum(), inputs)))
    for mine, wanted in zip(*seconds, strict=True):
        assert_near(mine.detach(), wanted.detach(), 1e-4)


@pytest.mark.parametrize("log2_table_size", [2, 12])
def test_a_deterministic_table_gradient(log2_table_size: int, generator: torch.Generator) -> None:
    """Neither the order of the points nor their scale changes a bit, unlike floating-point sums."""
    geometry, (x, table) = _grid(2, log2_table_size, 1100, generator)
    g = torch.randn(1100, 8, generator=generator).to(DEVICE)
    order = torch.randperm(1100, generator=generator).to(DEVICE)

    def gradient(x: Tensor, g: Tensor) -> Tensor:
        with use_backend("cuda"):
            return torch.autograd.grad(hash_grid(x, table, geometry, "smoothstep"), table, g)[0]

    expected = gradient(x, g)
    torch.use_deterministic_algorithms(True)
    try:
        found = gradient(x, g)
        assert_same_bytes(found.cpu(), gradient(x[order], g[order]).cpu())
        for size in (2.0**-100, 2.0**60):
            assert_same_bytes((gradient(x, g * size) / size).cpu(), found.cpu())
        assert_near(gradient(x, 0 * g), 0 * g[:1, :1].expand_as(table), 0)
        with use_backend("cuda"):
            y = hash_grid(x, table, geometry, "smoothstep")
            (normal,) = torch.autograd.grad(y.sum(), x, create_graph=True)
            (second,) = torch.autograd.grad(normal.square().sum(), table)
    finally:
        torch.use_deterministic_algorithms(False)
    assert_near(found, expected, 1e-5)
    with use_backend("reference"):
        y = hash_grid(x, table, geometry, "smoothstep")
        (normal,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        (wanted,) = torch.autograd.grad(normal.square().sum(), table)
    assert_near(second, wanted, 1e-5)


def test_the_error_of_a_network_over_a_grid(generator: torch.Generator) -> None:
    geometry, inputs = _grid(2, 7, 300, generator)
    inputs += leaves(torch.randn(16, 8, generator=generator), torch.randn(3, 16, generator=generator))
    y = torch.randn(300, 3, generator=generator).to(DEVICE)

    def call(x: Tensor, table: Tensor, *weights: Tensor) -> Tensor:
        return grid_mlp_loss(x, y, None, 2, table, geometry, "linear", weights, [None, None])

    assert_agree(ops()["grid_mlp_loss"], call, inputs)


# -- sine


@pytest.mark.parametrize("n", [0, 1, 5000])
def test_sines_to_second_order(n: int, generator: torch.Generator) -> None:
    (z,) = leaves(torch.randn(n, 1, generator=generator))
    for omega in (1.0, 30.0, 3000.0):
        expected = torch.sin(omega * z)
        with use_backend("cuda"):
            y = sine(z, omega)
            (first,) = torch.autograd.grad(y.sum(), z, create_graph=True)
            (second,) = torch.autograd.grad(first.sum(), z, create_graph=True)
        assert_near(y.detach(), expected.detach(), 2e-6)
        assert_near(first.detach() / omega, torch.cos(omega * z).detach(), 2e-6)
        assert_near(second.detach() / omega**2, -expected.detach(), 4e-6)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numpy's, in the interpreter
def test_sines_of_large_numbers_and_of_none() -> None:
    z = torch.tensor([0.0, 32768.0, 40000.5, 1e6, -3e7, 1e9, float("inf"), float("-inf"), float("nan")], device=DEVICE)
    with use_backend("cuda"):
        found = sine(z, 1.0)
    assert_near(found[:6], torch.sin(z[:6].double()).float(), 2e-6)
    assert found[6:].isnan().all()


# -- jets

JET_PLANS = [JetPlan(2), JetPlan.laplacian(3), JetPlan(2, (((0, 0, 2.0), (0, 1, -0.5)), ((1, 1, 3.0),)))]


@pytest.mark.parametrize("plan", JET_PLANS)
@pytest.mark.parametrize("is_tanh", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [0, 1, 300])
def test_jets(plan: JetPlan, is_tanh: bool, dtype: torch.dtype, n: int, generator: torch.Generator) -> None:
    problem = JetProblem((3, 20, 30, 2), n, plan, generator, dtype=dtype, is_tanh=is_tanh)
    assert_agree(ops()["sine_jet"], problem.call, leaves(*problem.inputs))


# -- sums of kernels


@pytest.mark.parametrize("kernel", SQUARE_KERNELS)
def test_sums_of_kernels(kernel: Kernel, generator: torch.Generator) -> None:
    inputs = leaves(*_sum(37, 21, 2, 3, generator))
    assert_agree(ops()["kernel_sum"], _summing(kernel), inputs)


@pytest.mark.parametrize(
    ("n", "m", "d_in", "n_values"), [(0, 3, 2, 1), (1, 1, 1, 1), (1500, 1100, 3, 1), (70, 33, 4, 17)]
)
def test_sums_of_any_shape(n: int, m: int, d_in: int, n_values: int, generator: torch.Generator) -> None:
    inputs = leaves(*_sum(n, m, d_in, n_values, generator))
    assert_agree(ops()["kernel_sum"], _summing("gauss"), inputs)


@pytest.mark.parametrize("kernel", ["gauss", "linear", "thin_plate", "markov"])
def test_sums_at_the_centres(kernel: Kernel, generator: torch.Generator) -> None:
    """Where q is 0, roots and logarithms have the derivative 0."""
    p, _, widths, weights = _sum(20, 20, 2, 1, generator)
    inputs = leaves(p, p.clone(), widths, weights)
    assert_agree(ops()["kernel_sum"], _summing(kernel), inputs)


def _summing(kernel: Kernel) -> Call:
    return lambda p, centres, widths, weights: kernel_sum(p, centres, widths, weights, kernel)


def _sum(n: int, m: int, d_in: int, n_values: int, generator: torch.Generator) -> list[Tensor]:
    p, centres = torch.rand(n, d_in, generator=generator), torch.rand(m, d_in, generator=generator)
    return [p, centres, 0.2 + torch.rand(m, generator=generator), torch.randn(m, n_values, generator=generator)]


# -- the codec's loops

RATES = [
    ((5, 7), 3, 3, 2, 2),
    ((1, 19), 2, 4, 1, 1),
    ((1, 1), 3, 2, 2, 1),
    ((65, 33), 4, 8, 4, 2),
    ((24, 70), 7, 12, 6, 3),
]


@pytest.mark.parametrize(("shape", "n_grids", "n_near", "n_mixes", "n_hidden"), RATES)
def test_codec_rates_equal_the_reference(
    shape: tuple[int, int], n_grids: int, n_near: int, n_mixes: int, n_hidden: int, generator: torch.Generator
) -> None:
    problem = RateProblem(shape, n_grids, n_near, n_mixes, n_hidden, torch.float32, generator)
    assert_agree(ops()["context_rate"], problem.of, leaves(*problem.inputs))


@pytest.mark.parametrize("log_scale", [-9.0, 0.0, 13.0])
def test_codec_rates_of_certain_and_impossible_numbers(log_scale: float, generator: torch.Generator) -> None:
    problem = RateProblem((16, 16), 1, 3, 1, 1, torch.float32, generator)
    problem.inputs[-2] = torch.tensor([0.0, log_scale])
    problem.inputs[0] = problem.inputs[0] * 8
    assert_agree(ops()["context_rate"], problem.of, leaves(*problem.inputs))


@pytest.mark.parametrize(("shape", "n_grids", "hidden", "channels", "n_filters"), SIZES)
def test_codec_errors_equal_the_reference(
    shape: tuple[int, int], n_grids: int, hidden: int, channels: int, n_filters: int, generator: torch.Generator
) -> None:
    problem = ErrorProblem(shape, n_grids, hidden, channels, n_filters, torch.float32, generator)
    problem.target = problem.target.to(DEVICE)
    assert_agree(ops()["pyramid_error"], problem.of, leaves(*problem.inputs))


@pytest.mark.parametrize(("n", "first"), [(0, 3), (3, 31), (5000, 17), (70, 2**32 - 80)])
def test_codec_rounding_equals_the_reference(n: int, first: int, generator: torch.Generator) -> None:
    (x,) = leaves(3 * torch.randn(n, generator=generator))
    for temperature, deviation, seed in ((0.35, 0.22, 3), (0.1, 0.15, 2**61 + 5), (0.3, 0.0, 0)):

        def call(x: Tensor, given: tuple[float, float, int] = (temperature, deviation, seed)) -> Tensor:
            return noisy_round(x, *given, 1000, first)

        assert_agree(ops()["noisy_round"], call, [x])


def test_codec_steps_give_the_same_bytes_twice_and_use_the_reference_for_second_gradients(
    generator: torch.Generator,
) -> None:
    rate = RateProblem((12, 13), 3, 4, 2, 2, torch.float32, generator)
    error = ErrorProblem((12, 13), 3, 4, 3, 2, torch.float32, generator)
    error.target = error.target.to(DEVICE)
    calls: list[tuple[str, Call, list[Tensor]]] = [
        ("context_rate", rate.of, leaves(*rate.inputs)),
        ("pyramid_error", error.of, leaves(*error.inputs)),
        ("noisy_round", lambda x: noisy_round(x, 0.3, 0.2, 1, 2), leaves(torch.randn(40, generator=generator))),
    ]
    for name, call, inputs in calls:
        for mine, again in zip(results("cuda", call, inputs), results("cuda", call, inputs), strict=True):
            assert_same_bytes(mine.cpu(), again.cpu())
        seconds = []
        for backend in ("cuda", "reference"):
            with use_backend(backend):
                firsts = torch.autograd.grad(call(*inputs).square().sum(), inputs, create_graph=True)
                seconds.append(
                    torch.autograd.grad(torch.stack([first.square().sum() for first in firsts]).sum(), inputs)
                )
        for mine, wanted in zip(*seconds, strict=True):
            assert_near(mine, wanted, 10 * ops()[name].tolerances[torch.float32])


def test_codec_rates_of_no_hidden_layer_are_refused_with_a_reason(generator: torch.Generator) -> None:
    problem = RateProblem((3, 3), 1, 2, 2, 0, torch.float32, generator)
    with use_backend("cuda"), pytest.raises(UnavailableError, match="hidden layer"):
        problem.of(*leaves(*problem.inputs))


# -- networks

# Inputs, hidden layers and outputs around the sides of tiles, with one and with many layers.
WIDTHS = [(1, 1, 1), (3, 16, 16, 3), (32, 64, 64, 3), (17, 33, 128, 1, 5), (2, *(20,) * 4, 1)]


def network(kind: str, widths: Sequence[int], n: int, generator: torch.Generator) -> tuple[Call, list[Tensor]]:
    """A call, and its inputs: points, matrices, and biases of every second layer."""

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    weights = [normal(b, a) / a**0.5 for a, b in pairwise(widths)]
    biases = [normal(b) for b in widths[1::2]]

    def call(x: Tensor, *parameters: Tensor) -> Tensor:
        rest = iter(parameters[len(weights) :])
        given = [next(rest) if i % 2 == 0 else None for i in range(len(weights))]
        if kind == "relu":
            return relu_mlp(x, parameters[: len(weights)], given)
        return dense_mlp(x, parameters[: len(weights)], given, sines(10.0, *[1.5] * (len(weights) - 2)))

    return call, leaves(normal(n, widths[0]), *weights, *biases)


@pytest.mark.parametrize("kind", ["relu", "sine"])
@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize("n", [0, 1, 1300])
def test_networks_equal_the_reference(kind: str, widths: tuple[int, ...], n: int, generator: torch.Generator) -> None:
    assert_agree(ops()[{"relu": "relu_mlp", "sine": "dense_mlp"}[kind]], *network(kind, widths, n, generator))


@pytest.mark.parametrize("kind", ["relu", "sine"])
@pytest.mark.parametrize(("precision", "tolerance"), [("tf32", 2e-3), ("float16", 2e-2)])
def test_reduced_precision_of_networks(
    kind: str, precision: Precision, tolerance: float, generator: torch.Generator
) -> None:
    """By norms: a rectified unit whose input is nearly zero may be on in one and off in the other.

    Cotangents far below and above what half precision can hold change nothing.
    """
    call, inputs = network(kind, (8, 64, 64, 64, 3), 1300, generator)
    expected = results("reference", call, inputs)
    for size in (1e-9, 1.0, 1e9):

        def scaled(*inputs: Tensor, size: float = size) -> Tensor:
            return size * call(*inputs)

        with use_precision(precision, "cuda"):
            found = results("cuda", scaled, inputs)
        for mine, wanted in zip(found, expected, strict=True):
            assert (mine / size - wanted).norm() <= tolerance * wanted.norm()
            assert mine.dtype == torch.float32


@pytest.mark.parametrize("kind", ["relu", "sine"])
def test_networks_give_each_gradient_alone_and_the_same_bytes_twice(kind: str, generator: torch.Generator) -> None:
    call, inputs = network(kind, (5, 20, 30, 4), 700, generator)
    with use_backend("cuda"):
        g = torch.ones(700, 4, device=DEVICE)
        together = torch.autograd.grad(call(*inputs), inputs, g)
        for tensor, expected in zip(inputs, together, strict=True):
            (alone,) = torch.autograd.grad(call(*inputs), tensor, g)
            assert_same_bytes(alone.cpu(), expected.cpu())


@pytest.mark.parametrize("kind", ["relu", "sine"])
def test_networks_accept_strides_and_use_the_reference_for_second_gradients(
    kind: str, generator: torch.Generator
) -> None:
    call, inputs = network(kind, (5, 20, 30, 4), 70, generator)
    expected = results("cuda", call, inputs)
    strided = [tensor.detach().t().contiguous().t().requires_grad_() for tensor in inputs[:4]]
    assert not strided[0].is_contiguous()
    for mine, wanted in zip(results("cuda", call, [*strided, *inputs[4:]]), expected, strict=True):
        assert_near(mine, wanted, 1e-5)
    seconds = []
    for backend in ("cuda", "reference"):
        with use_backend(backend):
            (normal,) = torch.autograd.grad(call(*inputs).sum(), inputs[0], create_graph=True)
            seconds.append(torch.autograd.grad(normal.square().sum(), inputs[1:4]))
    for mine, wanted in zip(*seconds, strict=True):
        assert_near(mine, wanted, 1e-4)


@pytest.mark.parametrize("kind", ["relu", "sine"])
def test_nan_values_stay_in_their_point(kind: str, generator: torch.Generator) -> None:
    call, inputs = network(kind, (4, 20, 20, 3), 130, generator)
    spoilt = inputs[0].detach().clone()
    spoilt[61, 2] = float("nan")
    with use_backend("cuda"):
        y = call(spoilt, *inputs[1:])
        (grad,) = torch.autograd.grad(y.sum(), inputs[1])
        whole = call(*inputs)
    kept = torch.arange(130, device=DEVICE) != 61
    assert y[61].isnan().all()
    assert grad.isnan().any()
    assert_same_bytes(y[kept].cpu(), whole[kept].cpu())


def test_networks_that_do_not_fit_are_refused_with_reasons() -> None:
    wide = [torch.zeros(129, 2, device=DEVICE), torch.zeros(1, 129, device=DEVICE)]
    x = torch.zeros(3, 2, device=DEVICE)
    with use_backend("cuda"), pytest.raises(UnavailableError, match="129"):
        relu_mlp(x, wide, [None, None])
    with use_backend("cuda"), pytest.raises(UnavailableError, match="hidden layer"):
        relu_mlp(x, wide[:1], [None])
