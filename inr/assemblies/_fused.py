"""Fused kernels for whole bodies, selected by the types of their layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from torch import Tensor, nn

from inr.kernels.dense_mlp import dense_mlp
from inr.kernels.dense_mlp_loss import dense_mlp_loss
from inr.kernels.filter_mlp import filter_mlp
from inr.kernels.pointwise import Pointwise
from inr.kernels.precision import precision
from inr.kernels.relu_mlp import relu_mlp
from inr.layers import Activation, Linear
from inr.layers.activations.identity import IdentityActivation
from inr.layers.blocks.affine import AffineBlock
from inr.layers.blocks.filter import FilterBlock


def fused(blocks: Sequence[nn.Module], last: Linear) -> Callable[[Tensor], Tensor] | None:
    """The blocks and the last linear map as one operation [*B, d_in] -> [*B, d_out]; None if there is no such kernel.

    There are kernels for affine blocks with activations that are `Pointwise`, and for multiplicative filters without
    activations, with linear maps that multiply by their effective matrices, provided that no module has forward or
    backward hooks.
    """
    found = _network(blocks, last)
    if found is None:
        return _filters(blocks, last)
    linears, activations = found
    if precision() == "float32" and all(activation.name == "relu" for activation in activations):
        return lambda h: _on_rows(lambda rows: relu_mlp(rows, *layers(linears)), h)
    return lambda h: _on_rows(lambda rows: dense_mlp(rows, *layers(linears), activations), h)


def has_dense_kernel(blocks: Sequence[nn.Module], last: Linear) -> bool:
    """Whether they are a network for `dense_mlp`, whose products can have reduced precision."""
    return _network(blocks, last) is not None


def _filters(blocks: Sequence[nn.Module], last: Linear) -> Callable[[Tensor], Tensor] | None:
    found = [block for block in blocks if type(block) is FilterBlock and type(block.activation) is IdentityActivation]
    linears = [*(block.linear for block in found if block.linear is not None), last]
    parts = (*found, *(block.filter for block in found), *(block.activation for block in found), *linears)
    if not found or len(found) < len(blocks) or any(has_hooks(part) for part in parts) or not _are_plain(linears):
        return None
    filters = [block.filter for block in found]

    def network(rows: Tensor) -> Tensor:
        maps = [filter_.window_map() for filter_ in filters]
        envelopes = [map_ for map_ in maps if map_ is not None]
        return filter_mlp(rows, [(f.omega, f.phase) for f in filters], envelopes, *layers(linears))

    return lambda h: _on_rows(network, h)


def _are_plain(linears: Sequence[Linear]) -> bool:
    """Whether they multiply by their effective matrices."""
    return all(type(linear).forward is Linear.forward for linear in linears)


Error = Callable[[Tensor, Tensor, Tensor | None, Literal[1, 2]], Tensor]


def fused_error(blocks: Sequence[nn.Module], last: Linear) -> Error | None:
    """Points, targets, weights or None, and power to the mean error of `fused`; None if no kernel gains by it."""
    found = None if precision() == "float32" else _network(blocks, last)
    if found is None:
        return None
    linears, activations = found
    return lambda h, y, weight, power: dense_mlp_loss(h, y, weight, power, *layers(linears), activations)


def _network(blocks: Sequence[nn.Module], last: Linear) -> tuple[list[Linear], list[Pointwise]] | None:
    """The linear maps and what is between them, if that is all there is."""
    linears = plain_linears(blocks, last)
    activations = [activation.pointwise() for activation in _activations(blocks)]
    known = [activation for activation in activations if activation is not None]
    return None if linears is None or len(known) < len(activations) else (linears, known)


def linears_between(kind: type[Activation], blocks: Sequence[nn.Module], last: Linear) -> list[Linear] | None:
    """The linear maps if only activations of this kind are between them; else None."""
    return plain_linears(blocks, last) if all(type(found) is kind for found in _activations(blocks)) else None


def plain_linears(blocks: Sequence[nn.Module], last: Linear) -> list[Linear] | None:
    """The linear maps if they multiply by their effective matrices, with only activations between them; else None."""
    plain = [block for block in blocks if type(block) is AffineBlock]
    linears = [*(block.linear for block in plain), last]
    parts = (*plain, *(block.activation for block in plain), *linears)
    if not plain or len(plain) < len(blocks) or any(has_hooks(part) for part in parts):
        return None
    return linears if _are_plain(linears) else None


def _activations(blocks: Sequence[nn.Module]) -> list[Activation]:
    return [block.activation for block in blocks if isinstance(block, AffineBlock)]


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
