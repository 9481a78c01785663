"""What the backward passes of compiled kernels share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


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
