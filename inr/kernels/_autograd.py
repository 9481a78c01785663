"""Shared parts of the backward passes of compiled kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from inr.kernels._dispatch import is_functional


def applied(function: Any, *inputs: Any) -> Tensor:
    """function.apply(*inputs) of an autograd function with one result: torch gives `apply` no types."""
    result: Tensor = function.apply(*inputs)
    return result


def all_applied(function: Any, *inputs: Any) -> tuple[Tensor, ...]:
    """`applied` for a function with several results."""
    results: tuple[Tensor, ...] = function.apply(*inputs)
    return results


def asked(ctx: Any, n_inputs: int) -> tuple[bool, ...]:
    """The inputs, of the first ones, whose gradient the running backward pass needs.

    `ctx.needs_input_grad` lists all inputs that require gradients; with it a normal by x would also cost a gradient by
    the parameters. Autograd knows this for inner nodes only, so inputs must reach the function as views.
    """
    nodes = [node for node, _ in ctx.next_functions[:n_inputs]]
    return tuple(node is not None and torch._C._will_engine_execute_node(node) for node in nodes)


def tracked(tensor: Tensor) -> Tensor:
    """The tensor as a separate variable, so that a cotangent that depends on x does not connect to x."""
    return tensor.view_as(tensor) if tensor.requires_grad else tensor.detach().requires_grad_()


def reference_gradients(
    reference: Callable[[Sequence[Any]], Tensor],
    g: Tensor,
    inputs: Sequence[Tensor | None],
    is_wanted: Sequence[bool],
) -> tuple[Tensor | None, ...]:
    """The wanted gradients of <g, reference(inputs)> in plain torch: differentiable, and under any transform."""
    with torch.enable_grad():
        sources = [None if tensor is None else tracked(tensor) for tensor in inputs]
        pairs = zip(sources, is_wanted, strict=True)
        picked = [source for source, is_asked in pairs if source is not None and is_asked]
        found = iter(torch.autograd.grad(reference(sources), picked, g, create_graph=True))
    return tuple(next(found) if is_asked else None for is_asked in is_wanted)


def handed_over(
    ctx: Any, g: Tensor, reference: Callable[[Sequence[Tensor]], Tensor], n_others: int = 1
) -> tuple[Tensor | None, ...]:
    """For a backward pass: the gradients `ctx.found` that a scalar op computed together with its value.

    If the pass is to be differentiated, or needs a gradient that was not computed (None), those of the reference. The
    inputs are ctx.saved_tensors; n_others inputs before them are not tensors.
    """
    needs = ctx.needs_input_grad[n_others:]
    found, ctx.found = ctx.found, None  # without another reference autograd moves the gradient instead of copying it
    is_known = found is None or all(by is not None for by, need in zip(found, needs, strict=True) if need)
    if torch.is_grad_enabled() or is_functional(g) or not is_known:
        ctx.found = found
        return reference_gradients(reference, g, ctx.saved_tensors, needs)
    if found is None:
        raise RuntimeError("these gradients were used before; call the op again, or use create_graph=True")
    pairs = zip(found, needs, strict=True)
    return tuple(None if not need or by is None else by if float(g) == 1 else by * g for by, need in pairs)
