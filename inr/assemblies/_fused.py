"""Fused kernels for whole bodies, selected by the types of their layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from inr.kernels.relu_mlp import relu_mlp
from inr.kernels.sine_mlp import sine_mlp
from inr.layers import Activation, Linear
from inr.layers.activations.relu import ReluActivation
from inr.layers.activations.sine import SineActivation
from inr.layers.blocks.affine import AffineBlock


def fused(blocks: Sequence[nn.Module], last: Linear) -> Callable[[Tensor], Tensor] | None:
    """The blocks and the last linear map as one operation [*B, d_in] -> [*B, d_out]; None if there is no such kernel.

    There are kernels for affine blocks with sine or ReLU activations whose linear maps multiply by their effective
    matrices, provided that no module has forward or backward hooks.
    """
    rectified, sines = linears_between(ReluActivation, blocks, last), linears_between(SineActivation, blocks, last)
    if rectified is not None:
        return lambda h: _on_rows(lambda rows: relu_mlp(rows, *layers(rectified)), h)
    if sines is not None:
        activations = [block.activation for block in blocks if isinstance(block, AffineBlock)]
        omegas = [activation.omega for activation in activations if isinstance(activation, SineActivation)]
        return lambda h: _on_rows(lambda rows: sine_mlp(rows, *layers(sines), omegas), h)
    return None


def linears_between(kind: type[Activation], blocks: Sequence[nn.Module], last: Linear) -> list[Linear] | None:
    """The linear maps if only activations of this kind are between them; else None."""
    plain = [block for block in blocks if type(block) is AffineBlock]
    linears = [*(block.linear for block in plain), last]
    parts = (*plain, *(block.activation for block in plain), *linears)
    if not plain or len(plain) < len(blocks) or any(has_hooks(part) for part in parts):
        return None
    if any(type(block.activation) is not kind for block in plain):
        return None
    return linears if all(type(linear).forward is Linear.forward for linear in linears) else None


def has_hooks(module: nn.Module) -> bool:
    """True if the module has forward or backward hooks."""
    return bool(module._forward_hooks or module._forward_pre_hooks or module._backward_hooks)


def layers(linears: Sequence[Linear]) -> tuple[Sequence[Tensor], Sequence[Tensor | None]]:
    """The effective matrices and biases of the linear maps."""
    weights, biases = zip(*(linear.effective() for linear in linears), strict=True)
    return weights, biases


def _on_rows(network: Callable[[Tensor], Tensor], h: Tensor) -> Tensor:
    rows = network(h.reshape(-1, h.shape[-1]))
    return rows.reshape(*h.shape[:-1], rows.shape[-1])
