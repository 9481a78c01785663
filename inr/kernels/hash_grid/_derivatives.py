"""Derivatives of the hash grid to second order from three sums over the corners of a cell; higher ones in plain torch.

With w_m(x) the weight of corner m, and W either w or, in second derivatives, its derivative along a direction v given
for each point, sum_d v_d dw/dx_d:

    interpolate   y = sum_m W_m table[i_m]
    scatter       table_grad[i_m] += W_m g
    slope         x_grad_e = sum_m dW_m/dx_e <table[i_m], g>
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from inr.kernels._autograd import all_applied, applied, asked, reference_gradients, tracked
from inr.kernels._dispatch import is_functional
from inr.kernels.grid_geometry import GridGeometry, Interpolation
from inr.kernels.hash_grid import reference


class Sums(Protocol):
    """The three sums as functions on tensors, for one geometry and interpolation; a direction of None is none."""

    geometry: GridGeometry
    interpolation: Interpolation

    def interpolate(self, x: Tensor, v: Tensor | None, table: Tensor) -> Tensor: ...

    def scatter(self, x: Tensor, v: Tensor | None, g: Tensor) -> Tensor: ...

    def slope(self, x: Tensor, v: Tensor | None, table: Tensor, g: Tensor) -> Tensor: ...


def differentiable(x: Tensor, table: Tensor, sums: Sums) -> Tensor:
    """The features, with derivatives of every order by x and table."""
    return applied(_Value, x.view_as(x), table.view_as(table), sums)


def _reference(x: Tensor, table: Tensor, sums: Sums) -> Tensor:
    return reference.hash_grid(x, table, sums.geometry, sums.interpolation)


class _Value(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, table: Tensor, sums: Sums) -> Tensor:
        ctx.save_for_backward(x, table)
        ctx.sums = sums
        return sums.interpolate(x, None, table)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (g,) = grads
        x, table = ctx.saved_tensors
        wanted = asked(ctx, 2)
        if is_functional(g):
            return *_value_gradients(g, x, table, ctx.sums, wanted), None
        return *all_applied(_Gradients, g.view_as(g), x, table, ctx.sums, wanted), None


class _Gradients(torch.autograd.Function):
    """Gradients by x and by table, each None unless wanted, of the value times g."""

    @staticmethod
    def forward(ctx: Any, g: Tensor, x: Tensor, table: Tensor, sums: Sums, wanted: tuple[bool, bool]) -> Any:
        ctx.save_for_backward(g, x, table)
        ctx.sums, ctx.wanted = sums, wanted
        ctx.set_materialize_grads(False)
        return (
            sums.slope(x, None, table, g) if wanted[0] else None,
            sums.scatter(x, None, g) if wanted[1] else None,
        )

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        by_x, by_table = grads
        g, x, table = ctx.saved_tensors
        sums: Sums = ctx.sums
        needs = asked(ctx, 3)
        given = [grad for grad in grads if grad is not None]
        if torch.is_grad_enabled() or is_functional(*given):
            return *_reference_second(g, x, table, sums, ctx.wanted, grads, needs), None, None
        g_grad, x_grad, table_grad = None, None, None
        if needs[0]:
            g_grad = _sum(
                sums.interpolate(x, by_x, table) if by_x is not None else None,
                sums.interpolate(x, None, by_table) if by_table is not None else None,
            )
        if needs[1]:
            x_grad = _sum(
                sums.slope(x, by_x, table, g) if by_x is not None else None,
                sums.slope(x, None, by_table, g) if by_table is not None else None,
            )
        if needs[2] and by_x is not None:
            table_grad = sums.scatter(x, by_x, g)
        return g_grad, x_grad, table_grad, None, None


def _sum(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    return b if a is None else a if b is None else a + b


def _value_gradients(
    g: Tensor, x: Tensor, table: Tensor, sums: Sums, wanted: tuple[bool, ...]
) -> tuple[Tensor | None, ...]:
    """What `_Gradients` returns, in plain torch: differentiable, and under any transform."""
    return reference_gradients(lambda sources: _reference(sources[0], sources[1], sums), g, (x, table), wanted)


def _reference_second(
    g: Tensor,
    x: Tensor,
    table: Tensor,
    sums: Sums,
    wanted: tuple[bool, ...],
    grads: tuple[Tensor | None, ...],
    needs: tuple[bool, ...],
) -> tuple[Tensor | None, ...]:
    """What the backward pass of `_Gradients` gives, in plain torch, so that a third derivative can be taken."""
    with torch.enable_grad():
        sources = [tracked(g), tracked(x), tracked(table)]
        firsts = _value_gradients(sources[0], sources[1], sources[2], sums, wanted)
        pairs = [
            (first, grad) for first, grad in zip(firsts, grads, strict=True) if first is not None and grad is not None
        ]
        picked = [source for source, is_needed in zip(sources, needs, strict=True) if is_needed]
        found = iter(
            torch.autograd.grad(
                [first for first, _ in pairs],
                picked,
                [grad for _, grad in pairs],
                create_graph=True,
                allow_unused=True,
            )
        )
    return tuple(next(found) if is_needed else None for is_needed in needs)
