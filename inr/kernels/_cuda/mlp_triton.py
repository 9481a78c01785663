"""Fully connected networks in Triton, with rectified units or sines: values and first gradients.

A program takes a block of points through all layers; activations stay on chip, and are written to memory once for the
backward pass. Gradients by weights are sums over points, taken in slices whose sums are added in order, so results are
deterministic. Matrices are copied into tiles whose sides are powers of two, filled up with zeros.

Precision of the factors of matrix products; sums are in float32, weights and results too:

    float32    three products of tf32 parts each (about 2^-22 off)
    tf32       10 bits
    float16    10 bits, and activations are kept in it; the cotangent is scaled by a power of two so that its largest
               element is in [1, 2), and back afterwards

The first layer of sines, whose frequencies need exact coordinates, and the last one are always in float32.
"""

# mypy: disable-error-code=untyped-decorator

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from inr.kernels._autograd import applied, asked, reference_gradients
from inr.kernels._cuda.launch import block, power_of_two, start
from inr.kernels._cuda.sine_triton import sine_cosine
from inr.kernels._dispatch import is_functional

LEAST_SIDE = 16  # of a tile in a matrix product
MAX_SLICES = 128
KEPT_AS = {"float32": torch.float32, "tf32": torch.float32, "float16": torch.float16}

Reference = Callable[[Tensor, Sequence[Tensor], Sequence[Tensor | None]], Tensor]


@triton.jit
def _product(a: tl.tensor, b: tl.tensor, KIND: tl.constexpr) -> tl.tensor:
    """a b, in float32; KIND says to what factors are rounded."""
    if KIND == "float16":
        c = tl.dot(a.to(tl.float16), b.to(tl.float16))
    elif KIND == "tf32":
        c = tl.dot(a.to(tl.float32), b.to(tl.float32), input_precision="tf32")
    else:
        c = tl.dot(a.to(tl.float32), b.to(tl.float32), input_precision="tf32x3")
    return c


@triton.jit
def values(
    x: tl.tensor,
    weights: tl.tensor,
    biases: tl.tensor,
    kept: tl.tensor,
    slopes: tl.tensor,
    out: tl.tensor,
    n: tl.tensor,
    layer: tl.tensor,
    x_by_point: tl.tensor,
    x_by_column: tl.tensor,
    HIDDEN: tl.constexpr,
    K: tl.constexpr,
    C: tl.constexpr,
    PK: tl.constexpr,
    PH: tl.constexpr,
    PC: tl.constexpr,
    SINE: tl.constexpr,
    KEEP: tl.constexpr,
    EDGE: tl.constexpr,
    INNER: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """out [N, C]; kept, slopes [HIDDEN, N, PH]: activations and, of sines, their derivatives by what enters them.

    layer: N PH, which may need 64 bits.
    """
    point = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    is_point = (point < n)[:, None]
    column, unit, channel = tl.arange(0, PK), tl.arange(0, PH), tl.arange(0, PC)
    h = tl.load(
        x + point[:, None] * x_by_point + column[None, :].to(tl.int64) * x_by_column,
        mask=is_point & (column < K)[None, :],
        other=0,
    )
    z = _product(h, tl.load(weights + column[:, None] + unit[None, :] * PK), EDGE) + tl.load(biases + unit)[None, :]
    at = point[:, None] * PH + unit[None, :]
    if SINE:
        h, slope = sine_cosine(z)
    else:
        h = tl.where(z <= 0, 0, z)  # NaN stays NaN
        slope = h
    if KEEP:
        tl.store(kept + at, h, mask=is_point)
        if SINE:
            tl.store(slopes + at, slope, mask=is_point)
    matrix, bias = weights + PH * PK, biases + PH
    for _ in range(HIDDEN - 1):
        z = _product(h, tl.load(matrix + unit[:, None] + unit[None, :] * PH), INNER) + tl.load(bias + unit)[None, :]
        if SINE:
            h, slope = sine_cosine(z)
        else:
            h = tl.where(z <= 0, 0, z)
            slope = h
        matrix += PH * PH
        bias += PH
        if KEEP:
            at += layer
            tl.store(kept + at, h, mask=is_point)
            if SINE:
                tl.store(slopes + at, slope, mask=is_point)
    y = _product(h, tl.load(matrix + unit[:, None] + channel[None, :] * PH), EDGE) + tl.load(bias + channel)[None, :]
    tl.store(out + point[:, None] * C + channel[None, :], y, mask=is_point & (channel < C)[None, :])


@triton.jit
def cotangents(
    g: tl.tensor,
    scale: tl.tensor,
    weights: tl.tensor,
    slopes: tl.tensor,
    found: tl.tensor,
    x_grad: tl.tensor,
    n: tl.tensor,
    layer: tl.tensor,
    g_by_point: tl.tensor,
    g_by_column: tl.tensor,
    x_by_point: tl.tensor,
    x_by_column: tl.tensor,
    HIDDEN: tl.constexpr,
    K: tl.constexpr,
    C: tl.constexpr,
    PK: tl.constexpr,
    PH: tl.constexpr,
    PC: tl.constexpr,
    SINE: tl.constexpr,
    BY_X: tl.constexpr,
    EDGE: tl.constexpr,
    INNER: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """found [HIDDEN, N, PH]: scale times the cotangents of what enters each activation; and x_grad, if BY_X.

    slopes: of sines; of rectified units their activations, which determine them.
    """
    point = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    is_point = (point < n)[:, None]
    column, unit, channel = tl.arange(0, PK), tl.arange(0, PH), tl.arange(0, PC)
    factor = tl.load(scale)
    z_grad = factor * tl.load(
        g + point[:, None] * g_by_point + channel[None, :].to(tl.int64) * g_by_column,
        mask=is_point & (channel < C)[None, :],
        other=0,
    )
    at = point[:, None] * PH + unit[None, :] + (HIDDEN - 1) * layer
    matrix = weights + PH * PK + (HIDDEN - 1) * PH * PH
    h_grad = _product(z_grad, tl.load(matrix + channel[:, None] * PH + unit[None, :]), EDGE)
    for _ in range(HIDDEN - 1):
        slope = tl.load(slopes + at, mask=is_point, other=0).to(tl.float32)
        h_grad = h_grad * slope if SINE else tl.where(slope <= 0, 0, h_grad)
        tl.store(found + at, h_grad, mask=is_point)
        at -= layer
        matrix -= PH * PH
        h_grad = _product(h_grad, tl.load(matrix + unit[:, None] * PH + unit[None, :]), INNER)
    slope = tl.load(slopes + at, mask=is_point, other=0).to(tl.float32)
    h_grad = h_grad * slope if SINE else tl.where(slope <= 0, 0, h_grad)
    tl.store(found + at, h_grad, mask=is_point)
    if BY_X:
        by_x = _product(h_grad, tl.load(weights + unit[:, None] * PK + column[None, :]), EDGE) / factor
        target = x_grad + point[:, None] * x_by_point + column[None, :].to(tl.int64) * x_by_column
        tl.store(target, by_x, mask=is_point & (column < K)[None, :])


@triton.jit
def correlate(
    a: tl.tensor,
    b: tl.tensor,
    scale: tl.tensor,
    products: tl.tensor,
    sums: tl.tensor,
    n: tl.tensor,
    a_by_layer: tl.tensor,
    a_by_point: tl.tensor,
    a_by_column: tl.tensor,
    b_by_layer: tl.tensor,
    b_by_point: tl.tensor,
    b_by_column: tl.tensor,
    A: tl.constexpr,
    B: tl.constexpr,
    PA: tl.constexpr,
    PB: tl.constexpr,
    SCALED: tl.constexpr,
    KIND: tl.constexpr,
    ROUNDS: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """products [slices, layers, PA, PB] = sum_n a_n b_n^T, sums [slices, layers, PA] = sum_n a_n, of a slice's points.

    a [layers, N, A] is multiplied by scale if SCALED; b is [layers, N, B].
    """
    part, layer = tl.program_id(0).to(tl.int64), tl.program_id(1).to(tl.int64)
    row, column = tl.arange(0, PA), tl.arange(0, PB)
    total = tl.zeros([PA, PB], tl.float32)
    side = tl.zeros([PA], tl.float32)
    for i in range(ROUNDS):
        point = (part * ROUNDS + i) * BLOCK + tl.arange(0, BLOCK)
        is_point = (point < n)[:, None]
        a_at = layer * a_by_layer + point[:, None] * a_by_point + row[None, :].to(tl.int64) * a_by_column
        b_at = layer * b_by_layer + point[:, None] * b_by_point + column[None, :].to(tl.int64) * b_by_column
        left = tl.load(a + a_at, mask=is_point & (row < A)[None, :], other=0)
        right = tl.load(b + b_at, mask=is_point & (column < B)[None, :], other=0)
        if SCALED:
            left = left * tl.load(scale)
        total += _product(tl.trans(left), right, KIND)
        side += tl.sum(left.to(tl.float32), axis=0)
    at = part * tl.num_programs(1) + layer
    tl.store(products + at * PA * PB + row[:, None] * PB + column[None, :], total)
    tl.store(sums + at * PA + row, side)


@dataclass
class Network:
    """A network's shape, with its parameters in the kernels' layout and frequencies multiplied into them."""

    weights: Sequence[Tensor]
    biases: Sequence[Tensor | None]
    omegas: Sequence[float] | None
    precision: str

    def __post_init__(self) -> None:
        first = self.weights[0]
        self.widths = (first.shape[1], *(len(weight) for weight in self.weights))
        self.hidden = len(self.weights) - 1
        sides = (self.widths[0], max(self.widths[1:-1]), self.widths[-1])
        self.k, self.h, self.c = (power_of_two(side, LEAST_SIDE) for side in sides)
        tiles = [(self.h, self.k), *[(self.h, self.h)] * (self.hidden - 1), (self.c, self.h)]
        self.matrices = first.new_zeros(sum(rows * columns for rows, columns in tiles))
        self.offsets = first.new_zeros(sum(rows for rows, _ in tiles))
        at, bias_at = 0, 0
        for weight, bias, omega, (rows, columns) in zip(self.weights, self.biases, self.factors, tiles, strict=True):
            tile = self.matrices[at : at + rows * columns].view(rows, columns)[: weight.shape[0], : weight.shape[1]]
            torch.mul(weight.detach(), omega, out=tile)
            if bias is not None:
                torch.mul(bias.detach(), omega, out=self.offsets[bias_at : bias_at + len(bias)])
            at, bias_at = at + rows * columns, bias_at + rows

    @property
    def factors(self) -> list[float]:
        return [1.0] * len(self.weights) if self.omegas is None else [*self.omegas, 1.0]

    def values(self, x: Tensor, *, is_kept: bool) -> tuple[Tensor, Tensor, Tensor]:
        """The result, the activations, and what determines their slopes; the last two are empty unless kept."""
        out = torch.empty((len(x), self.widths[-1]), dtype=x.dtype, device=x.device)
        kind, shape = KEPT_AS[self.precision], (self.hidden, len(x) if is_kept else 0, self.h)
        kept = torch.empty(shape, dtype=kind, device=x.device)
        slopes = torch.empty(shape, dtype=kind, device=x.device) if self.is_sine else kept
        inputs = (x, self.matrices, self.offsets, kept, slopes, out, len(x), len(x) * self.h, *x.stride())
        self._start(values, inputs, KEEP=is_kept)
        return out, kept, slopes

    def gradients(
        self, x: Tensor, g: Tensor, kept: Tensor, slopes: Tensor, is_wanted: Sequence[bool]
    ) -> list[Tensor | None]:
        """By x, then by the weight and the bias of each layer; None where not wanted."""
        scale, found = self._scale(g), torch.empty_like(kept)
        x_grad = torch.empty_like(x) if is_wanted[0] else g
        strides = (*g.stride(), *x_grad.stride())
        inputs = (g, scale, self.matrices, slopes, found, x_grad, len(x), len(x) * self.h, *strides)
        self._start(cotangents, inputs, BY_X=is_wanted[0])
        grads: list[Tensor | None] = [x_grad if is_wanted[0] else None]
        if not any(is_wanted[1:]):
            return grads + [None] * (len(is_wanted) - 1)
        layers = [
            self.correlate(found[:1], x[None], scale, self.edge),
            self.correlate(found[1:], kept[:-1], scale, self.precision),
            self.correlate(g[None], kept[-1:], scale, self.edge, is_scaled=True),
        ]
        products = [product for of_part, _ in layers for product in of_part]
        sums = [side for _, of_part in layers for side in of_part]
        for i, (product, side, omega) in enumerate(zip(products, sums, self.factors, strict=True)):
            rows, columns = self.widths[i + 1], self.widths[i]
            factor = omega / scale
            grads.append(product[:rows, :columns] * factor if is_wanted[1 + 2 * i] else None)
            grads.append(side[:rows] * factor if is_wanted[2 + 2 * i] else None)
        return grads

    @property
    def is_sine(self) -> bool:
        return self.omegas is not None

    @property
    def edge(self) -> str:
        return "float32" if self.is_sine else self.precision

    def _scale(self, g: Tensor) -> Tensor:
        if self.precision != "float16" or g.numel() == 0:
            return torch.ones((), device=g.device)
        largest = g.abs().amax().clamp(2.0**-120, 2.0**120)  # infinities and NaN stay in the gradients
        return torch.exp2(-torch.log2(largest).floor())

    def _start(self, kernel: Any, inputs: tuple[Any, ...], **constants: Any) -> None:
        rows = block(64 if self.h > 64 else 128)
        start(
            kernel, (-(-inputs[6] // rows),), inputs[0], *inputs,
            HIDDEN=self.hidden, K=self.widths[0], C=self.widths[-1],
            PK=self.k, PH=self.h, PC=self.c, SINE=self.is_sine, EDGE=self.edge, INNER=self.precision, BLOCK=rows,
            num_warps=8 if self.h > 64 else 4, num_stages=1, **constants,
        )  # fmt: skip

    def correlate(
        self, a: Tensor, b: Tensor, scale: Tensor, kind: str, *, is_scaled: bool = False
    ) -> tuple[Tensor, Tensor]:
        """sum_n a_n b_n^T [layers, PA, PB] and sum_n a_n [layers, PA] of a [layers, N, A] and b [layers, N, B]."""
        (layers, n, rows), columns = a.shape, b.shape[-1]
        sides = power_of_two(rows, LEAST_SIDE), power_of_two(columns, LEAST_SIDE)
        points = block(64)
        blocks = -(-n // points)
        rounds = power_of_two(-(-blocks // MAX_SLICES))
        slices = -(-blocks // rounds)
        products = torch.empty((slices, layers, *sides), device=a.device)
        sums = torch.empty((slices, layers, sides[0]), device=a.device)
        start(
            correlate, (slices, layers), a, a, b, scale, products, sums, n, *a.stride(), *b.stride(),
            A=rows, B=columns, PA=sides[0], PB=sides[1], SCALED=is_scaled, KIND=kind, ROUNDS=rounds, BLOCK=points,
            num_warps=8 if max(sides) > 64 else 4, num_stages=1,
        )  # fmt: skip
        return products.sum(0), sums.sum(0)


class _Value(torch.autograd.Function):
    """Of x, then the weight and the bias of each layer; an absent bias is None."""

    @staticmethod
    def forward(
        ctx: Any,
        omegas: Sequence[float] | None,
        precision: str,
        reference: Reference,
        x: Tensor,
        *parameters: Tensor | None,
    ) -> Tensor:
        is_kept = any(ctx.needs_input_grad)
        ctx.reference = reference
        ctx.network = Network(*_split(parameters), omegas, precision)
        value: Tensor
        value, kept, slopes = ctx.network.values(x, is_kept=is_kept)
        ctx.save_for_backward(kept, slopes, x, *parameters)
        return value

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (g,) = grads
        kept, slopes, *inputs = ctx.saved_tensors
        found = iter(asked(ctx, len(inputs)))  # inputs that are not tensors have no node
        is_wanted = [tensor is not None and next(found) for tensor in inputs]
        if torch.is_grad_enabled() or is_functional(g):
            by = reference_gradients(
                lambda sources: ctx.reference(sources[0], *_split(sources[1:])), g, inputs, is_wanted
            )
            return None, None, None, *by
        return None, None, None, *ctx.network.gradients(inputs[0], g, kept, slopes, is_wanted)


def _split(parameters: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    return parameters[::2], parameters[1::2]


def mlp(
    x: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor | None],
    omegas: Sequence[float] | None,
    precision: str,
    reference: Reference,
) -> Tensor:
    """A network of sines with these frequencies, or of rectified units if they are None; at least one hidden layer.

    reference: the same in plain torch, for derivatives past the first.
    """
    layers = [tensor for pair in zip(weights, biases, strict=True) for tensor in pair]
    views = [None if tensor is None else tensor.view_as(tensor) for tensor in (x, *layers)]
    return applied(_Value, omegas, precision, reference, *views)
