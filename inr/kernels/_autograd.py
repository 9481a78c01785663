"""What the backward passes of compiled kernels share."""

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
    """The same of one with several results."""
    results: tuple[Tensor, ...] = function.apply(*inputs)
    return results


def asked(ctx: Any, n_inputs: int) -> tuple[bool, ...]:
    """Which of the first inputs the running backward pass asks a gradient for.

    `ctx.needs_input_grad` says only which could be asked for; a normal by x would then cost a gradient by the
    parameters too. autograd answers for inner nodes alone, so inputs must come to the function as views.
    """
    nodes = [node for node, _ in ctx.next_functions[:n_inputs]]
    return tuple(node is not None and torch._C._will_engine_execute_node(node) for node in nodes)


def tracked(tensor: Tensor) -> Tensor:
    """The tensor as a variable of its own: a cotangent that depends on x must not bring x along."""
    return tensor.view_as(tensor) if tensor.requires_grad else tensor.detach().requires_grad_()


def handed_over(
    ctx: Any, g: Tensor, reference: Callable[[Sequence[Tensor]], Tensor], n_others: int = 1
) -> tuple[Tensor | None, ...]:
    """The gradients `ctx.found` that a scalar op worked out with its value, for a backward pass.

    Those of the reference where that pass is to be differentiated, or asks for what was not worked out (None). The
    inputs are ctx.saved_tensors, after n_others that are no tensors.
    """
    needs = ctx.needs_input_grad[n_others:]
    found, ctx.found = ctx.found, None  # a gradient that nobody else holds becomes the parameter's without a copy
    is_known = found is None or all(by is not None for by, need in zip(found, needs, strict=True) if need)
    if torch.is_grad_enabled() or is_functional(g) or not is_known:
        ctx.found = found
        with torch.enable_grad():
            sources = [tracked(tensor) for tensor in ctx.saved_tensors]
            picked = [source for source, need in zip(sources, needs, strict=True) if need]
            by = iter(torch.autograd.grad(reference(sources), picked, g, create_graph=True))
        return tuple(next(by) if need else None for need in needs)
    if found is None:
        raise RuntimeError("these gradients were taken before; call the op again, or create a graph")
    pairs = zip(found, needs, strict=True)
    return tuple(None if not need or by is None else by if float(g) == 1 else by * g for by, need in pairs)
