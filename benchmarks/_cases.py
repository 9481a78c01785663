"""Timing cases of the kernel ops, with their minimal memory traffic and number of operations.

A new op needs one function here, marked `@cases("its name")`: the number of points to the cases.

Bytes are the least that any implementation moves through memory: each array once per pass that needs it, and of a table
as many rows as are read, but no more than it has. Operations are those of the formula in the op's docstring; a sine or
an exponential counts as TRANSCENDENTAL. The backward pass counts what it needs: twice the products of a network, once
more the sum over corners for a table. A call that fits into a cache may exceed 100 % of memory.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Generator, Tensor

TRANSCENDENTAL = 16
REAL, INDEX = 4, 8  # bytes


@dataclass(frozen=True)
class Case:
    """One size of an op and one pass over it. call: runs it on the chosen backend."""

    size: str
    name: str
    call: Callable[[], object]
    n_bytes: float
    n_flops: float


Cases = Callable[[int], Iterator[Case]]
CASES: dict[str, Cases] = {}


def cases(op: str) -> Callable[[Cases], Cases]:
    def add(function: Cases) -> Cases:
        CASES[op] = function
        return function

    return add


def _generator() -> Generator:
    return torch.Generator().manual_seed(0)


def _both(
    size: str, call: Callable[[], Tensor], by: tuple[Tensor, ...], n_bytes: float, n_flops: float, backwards: float
) -> Iterator[Case]:
    """Forward, and forward with the gradients by some tensors. n_bytes: of the forward pass, without its result.

    backwards: operations of the backward pass, as a multiple of the forward one's.
    """
    with torch.no_grad():
        result = call()
    g = torch.randn(result.shape, generator=_generator())
    out = REAL * result.numel()
    gradients = REAL * sum(tensor.numel() for tensor in by)

    def forward() -> Tensor:
        with torch.no_grad():
            return call()

    yield Case(size, "forward", forward, n_bytes + out, n_flops)
    yield Case(
        size,
        "forward + backward",
        lambda: torch.autograd.grad(call(), by, g),
        2 * n_bytes + 2 * out + gradients,
        (1 + backwards) * n_flops,
    )


@cases("hash_grid")
def _hash_grid(n: int) -> Iterator[Case]:
    from inr.kernels.hash_grid import GridGeometry, grid_geometry, hash_grid

    levels, features = 16, 2
    for d, log2_table, finest in ((1, 16, 65536), (2, 16, 768), (3, 19, 2048), (4, 19, 128)):
        geometry = grid_geometry(d, levels, log2_table, (16,) * d, (finest,) * d)
        x = torch.rand(n, d, generator=_generator())
        points = x.clone().requires_grad_()
        table = torch.randn(geometry.total_entries, features, generator=_generator()).requires_grad_()
        size = f"{d}-D, {n} points, {levels} x {features}, 2^{log2_table}"
        rows = REAL * features * min(n * levels * 2**d, geometry.total_entries)
        flops = n * levels * 2**d * (d + 2 * features)

        def call(x: Tensor = x, table: Tensor = table, geometry: GridGeometry = geometry, order: int = 1) -> Tensor:
            return hash_grid(x, table, geometry, order=order)

        yield from _both(size, call, (table,), REAL * x.numel() + rows, flops, 1)
        if d not in (2, 3):
            continue
        by_x = list(_both(size, functools.partial(call, points), (points,), REAL * x.numel() + rows, flops, d))[1]
        yield Case(size, "forward + gradient by x", by_x.call, by_x.n_bytes, by_x.n_flops)
        g = torch.randn(n, levels * features, generator=_generator())

        def eikonal(
            call: Callable[..., Tensor] = call, x: Tensor = points, g: Tensor = g, by: Tensor = table
        ) -> object:
            (normal,) = torch.autograd.grad(call(x, order=2), x, g, create_graph=True)
            return torch.autograd.grad((normal.norm(dim=-1) - 1).square().mean(), by)

        passes = REAL * (5 * x.numel() + 4 * g.numel() + table.numel()) + 3 * rows
        yield Case(size, "eikonal: gradient of a gradient", eikonal, passes, (1 + 2 * d) * flops)


@cases("knn")
def _knn(n: int) -> Iterator[Case]:
    from inr.kernels.knn import knn

    for d, centres, k in ((2, 4096, 8), (3, 4096, 8)):
        x = torch.rand(n, d, generator=_generator())
        c = torch.rand(centres, d, generator=_generator())
        # A tree visits about k log2 M centres, not all of them.
        yield Case(
            f"{d}-D, {n} points, {centres} centres, k {k}",
            "forward",
            functools.partial(knn, x, c, k),
            REAL * (x.numel() + c.numel()) + INDEX * n * k,
            3 * d * n * k * math.log2(centres),
        )


@cases("sine")
def _sine(n: int) -> Iterator[Case]:
    from inr.kernels.sine import sine

    z = torch.randn(n, 256, generator=_generator()).requires_grad_()
    yield from _both(
        f"{n} x 256", lambda: sine(z, 30.0), (z,), REAL * z.numel(), TRANSCENDENTAL * z.numel(), 1 + 2 / TRANSCENDENTAL
    )


@cases("dense_mlp")
def _dense_mlp(n: int) -> Iterator[Case]:
    from inr.kernels.dense_mlp import dense_mlp
    from inr.kernels.pointwise import sines

    for hidden in ((256, 256, 256), (64, 64)):
        sizes = (2, *hidden, 3)
        weights, biases = _sine_parameters(sizes)
        x = torch.rand(n, 2, generator=_generator()) * 2 - 1
        products = sum(weight.numel() for weight in weights)

        def call(x: Tensor = x, w: list[Tensor] = weights, b: list[Tensor] = biases) -> Tensor:
            return dense_mlp(x, w, b, sines(*[30.0] * (len(w) - 1)))

        yield from _both(
            f"{n} points, 2-{'-'.join(map(str, hidden))}-3",
            call,
            (*weights, *biases),
            REAL * (x.numel() + products),
            n * (2 * products + TRANSCENDENTAL * sum(hidden)),
            2,
        )


@cases("filter_mlp")
def _filter_mlp(n: int) -> Iterator[Case]:
    from inr.kernels.filter_mlp import filter_mlp

    sizes = (256, 256, 256, 256, 3)
    weights, biases = _sine_parameters(sizes)
    generator = _generator()
    e = torch.rand(n, 2, generator=generator) * 2 - 1
    products = sum(weight.numel() for weight in weights)
    for name, d_in in (("plane waves", 0), ("windowed waves", 3)):
        waves, envelopes = (
            [
                (torch.randn(h, d, generator=generator).requires_grad_(), torch.zeros(h).requires_grad_())
                for h in sizes[:-1]
                if d > 0
            ]
            for d in (2, d_in)
        )
        filters = [tensor for layer in (*waves, *envelopes) for tensor in layer]

        def call(waves: list[Any] = waves, envelopes: list[Any] = envelopes) -> Tensor:
            return filter_mlp(e, waves, envelopes, weights, biases)

        yield from _both(
            f"{n} points, 4 {name} of 256",
            call,
            (*filters, *weights, *biases),
            REAL * (e.numel() + products),
            n * (2 * products + TRANSCENDENTAL * sum(sizes[:-1]) * (2 if envelopes else 1)),
            2,
        )


@cases("dense_mlp_loss")
def _dense_mlp_loss(n: int) -> Iterator[Case]:
    """In bfloat16 where the processor has units for it; else the reference is all there is."""
    from inr.kernels import use_precision
    from inr.kernels.dense_mlp_loss import dense_mlp_loss
    from inr.kernels.pointwise import sines
    from inr.kernels.precision import reason_against

    sizes = (2, 256, 256, 256, 3)
    weights, biases = _sine_parameters(sizes)
    x, y = torch.rand(n, 2, generator=_generator()) * 2 - 1, torch.rand(n, 3, generator=_generator())
    products = sum(weight.numel() for weight in weights)

    def call() -> Tensor:
        with use_precision("float32" if reason_against("bfloat16") else "bfloat16"):
            return dense_mlp_loss(x, y, None, 2, weights, biases, sines(*[30.0] * (len(weights) - 1)))

    yield from _both(
        f"{n} points, 2-256-256-256-3, bfloat16",
        call,
        (*weights, *biases),
        REAL * (x.numel() + y.numel() + products),
        n * (2 * products + TRANSCENDENTAL * sum(sizes[1:-1])),
        2,
    )


def _sine_parameters(sizes: tuple[int, ...]) -> tuple[list[Tensor], list[Tensor]]:
    generator = _generator()
    weights = [
        (torch.rand(o, i, generator=generator) * 2 - 1).mul_(1 / i if k == 0 else math.sqrt(6 / i) / 30)
        for k, (i, o) in enumerate(pairwise(sizes))
    ]
    return [weight.requires_grad_() for weight in weights], [torch.zeros(o).requires_grad_() for o in sizes[1:]]


def _relu_parameters(sizes: tuple[int, ...]) -> tuple[list[Tensor], list[Tensor | None]]:
    generator = _generator()
    weights = [torch.randn(o, i, generator=generator).div_(i**0.5).requires_grad_() for i, o in pairwise(sizes)]
    return weights, [None] * len(weights)


@cases("relu_mlp")
def _relu_mlp(n: int) -> Iterator[Case]:
    from inr.kernels.relu_mlp import relu_mlp

    for sizes in ((20, 32, 3), (32, 64, 64, 3), (32, 128, 128, 1)):
        weights, biases = _relu_parameters(sizes)
        x = torch.randn(n, sizes[0], generator=_generator()).requires_grad_()
        products = sum(weight.numel() for weight in weights)
        yield from _both(
            f"{n} points, {'-'.join(map(str, sizes))}",
            functools.partial(relu_mlp, x, weights, biases),
            (x, *weights),
            REAL * (x.numel() + products),
            2 * n * products,
            2,
        )


@cases("grid_mlp_loss")
def _grid_mlp_loss(n: int) -> Iterator[Case]:
    from inr.kernels.grid_mlp_loss import grid_mlp_loss
    from inr.kernels.hash_grid import grid_geometry

    for d, levels, features, base, finest in ((2, 10, 2, 128, 769), (3, 13, 2, 21, 256)):
        geometry = grid_geometry(d, levels, 16, (base,) * d, (finest,) * d)
        weights, biases = _relu_parameters((levels * features, 32, 3))
        x = torch.rand(n, d, generator=_generator())
        y = torch.randn(n, 3, generator=_generator())
        table = torch.randn(geometry.total_entries, features, generator=_generator()).requires_grad_()
        products = sum(weight.numel() for weight in weights)
        corners = n * levels * 2**d
        rows = REAL * features * min(corners, geometry.total_entries)
        yield from _both(
            f"{d}-D, {n} points, {levels} x {features}, 2^16, {levels * features}-32-3",
            functools.partial(grid_mlp_loss, x, y, None, 2, table, geometry, "linear", weights, biases),
            (table, *weights),
            REAL * (x.numel() + y.numel() + products) + rows,
            corners * (d + 2 * features) + 2 * n * products,
            1.5,
        )


@cases("kernel_sum")
def _kernel_sum(n: int) -> Iterator[Case]:
    from inr.kernels.kernel_sum import kernel_sum

    d, m, channels = 2, 1024, 3
    p = torch.rand(n, d, generator=_generator())
    centres = torch.rand(m, d, generator=_generator()).requires_grad_()
    widths = torch.full((m,), 0.05).requires_grad_()
    weights = torch.randn(m, channels, generator=_generator()).requires_grad_()
    by = (centres, widths, weights)
    yield from _both(
        f"{d}-D, {n} points, {m} Gaussians, {channels} channels",
        lambda: kernel_sum(p, *by, "gauss"),
        by,
        REAL * (p.numel() + sum(t.numel() for t in by)),
        n * m * (3 * d + 2 + TRANSCENDENTAL + 2 * channels),
        1,
    )


@cases("neighbour_sum")
def _neighbour_sum(n: int) -> Iterator[Case]:
    from inr.kernels.neighbour_sum import neighbour_sum

    k, m, features = 8, 8192, 32
    phi = torch.rand(n, k, generator=_generator()).requires_grad_()
    index = torch.randint(m, (n, k), generator=_generator())
    weight = torch.randn(m, features, generator=_generator()).requires_grad_()
    factors = 2.0 ** torch.linspace(0, 6, features)
    yield from _both(
        f"{n} points, {k} of {m} kernels, {features} features",
        lambda: neighbour_sum(phi, index, weight, factors),
        (phi, weight),
        REAL * (phi.numel() + features * min(m, n * k)) + INDEX * index.numel(),
        n * k * features * (TRANSCENDENTAL + 3),
        1 + 4 / TRANSCENDENTAL,
    )


@cases("splat")
def _splat(n: int) -> Iterator[Case]:
    from inr.kernels.splat import splat

    m, channels, deviation, reach = 8192, 3, 0.01, 3.0
    p = torch.rand(n, 2, generator=_generator())
    centres = torch.rand(m, 2, generator=_generator()).requires_grad_()
    factors = (deviation * torch.eye(2)).repeat(m, 1, 1).requires_grad_()
    values = torch.randn(m, channels, generator=_generator()).requires_grad_()
    by = (centres, factors, values)
    pairs = n * m * math.pi * (reach * deviation) ** 2
    yield from _both(
        f"2-D, {n} points, {m} Gaussians, {channels} channels",
        lambda: splat(p, *by, (1.0, 1.0), reach),
        by,
        REAL * (p.numel() + sum(t.numel() for t in by)),
        pairs * (2 + 4 + 3 + TRANSCENDENTAL + 2 * channels),
        2,
    )


def _pyramid(n: int, n_grids: int) -> list[Tensor]:
    """Grids of a picture of about n pixels, 3 to 2."""
    height = max(1, round(math.sqrt(n / 1.5)))
    shape = height, max(1, n // height)
    grids = []
    for _ in range(n_grids):
        grids.append((2 * torch.randn(shape, generator=_generator())).requires_grad_())
        shape = -(-shape[0] // 2), -(-shape[1] // 2)
    return grids


def _parameters(*shapes: tuple[int, ...]) -> list[Tensor]:
    return [
        torch.randn(shape, generator=_generator()).div_(math.prod(shape[1:]) ** 0.5).requires_grad_()
        for shape in shapes
    ]


@cases("context_rate")
def _context_rate(n: int) -> Iterator[Case]:
    from inr.kernels.context_rate import context_rate

    n_grids, n_mixes = 7, 4
    offsets = [(0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-1, -2), (-1, 2)]
    k = len(offsets) + n_mixes
    grids = _pyramid(n, n_grids)
    numbers = sum(grid.numel() for grid in grids)
    mixes = _parameters(*((n_mixes, n_grids - level) for level in range(n_grids)))
    weights, biases, (skip,) = _parameters((k, k), (k, k), (2, k)), _parameters((k,), (k,), (2,)), _parameters((2, k))
    yield from _both(
        f"{n} pixels, {n_grids} grids, {len(offsets)} + {n_mixes} contexts, 2 hidden layers",
        lambda: context_rate(grids, mixes, weights, biases, skip, offsets),
        (*grids, *mixes, *weights, *biases, skip),
        REAL * numbers,
        numbers * (2 * (2 * k * k + 4 * k) + 4 * TRANSCENDENTAL),
        2,
    )


@cases("pyramid_error")
def _pyramid_error(n: int) -> Iterator[Case]:
    from inr.kernels.pyramid_error import pyramid_error

    n_grids, hidden, channels = 7, 16, 3
    grids = _pyramid(n, n_grids)
    pixels = grids[0].numel()
    kernels = [torch.tensor([-0.02, -0.05, 0.15, 0.42]).requires_grad_() for _ in grids[1:]]
    filters = [(channels, channels, 3, 3)] * 2
    weights = _parameters((hidden, n_grids), (channels, hidden), *filters)
    biases = _parameters((hidden,), *[(channels,)] * 3)
    (skip,) = _parameters((channels, n_grids))
    target = torch.rand(channels, *grids[0].shape, generator=_generator())
    products = sum(weight.numel() for weight in weights) + skip.numel()
    yield from _both(
        f"{n} pixels, {n_grids} grids, {n_grids}-{hidden}-{channels}, 2 filters",
        lambda: pyramid_error(grids, kernels, weights, biases, skip, target),
        (*grids, *kernels, *weights, *biases, skip),
        REAL * (sum(grid.numel() for grid in grids) + target.numel()),
        pixels * (2 * products + 12 * n_grids),
        2,
    )


@cases("noisy_round")
def _noisy_round(n: int) -> Iterator[Case]:
    from inr.kernels.noisy_round import noisy_round

    x = (3 * torch.randn(n, generator=_generator())).requires_grad_()
    yield from _both(
        f"{n} numbers",
        lambda: noisy_round(x, 0.3, 0.2, 0, 0),
        (x,),
        REAL * n,
        5 * TRANSCENDENTAL * n,
        1 / TRANSCENDENTAL,
    )


@cases("touched_adam")
def _touched_adam(n: int) -> Iterator[Case]:
    from inr.kernels.touched_adam import Rates, touched_adam

    entries, of = 256 * n, 50
    p, m, v, mark, g = (torch.zeros(entries, 2) for _ in range(5))
    g[torch.randperm(entries, generator=_generator())[: entries // of]] = 1.0
    yield Case(
        f"{2 * entries} numbers, one in {of} touched",
        "step",
        lambda: touched_adam(p, m, v, mark, g, Rates(1e-3, 0.9, 0.99, 1e-8), 1000, is_counting=False),
        REAL * (g.numel() + 8 * g.numel() / of),
        12 * g.numel() / of,
    )


@cases("polynomials")
def _polynomials(n: int) -> Iterator[Case]:
    from inr.kernels.polynomials import polynomials

    for degree in (31, 255):
        u = (2 * torch.rand(n, generator=_generator(), dtype=torch.float64) - 1).requires_grad_()
        size = f"{n} points, degree {degree}"
        terms = n * (degree + 1)

        def call(u: Tensor = u, degree: int = degree) -> Tensor:
            return polynomials(u, degree, "chebyshev")

        # In float64, whose results have twice the bytes that `_both` assumes.
        yield from _both(size, call, (u,), 2 * REAL * n + REAL * terms, 3 * terms, 2)
