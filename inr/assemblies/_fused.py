"""Bodies that are one kernel: recognised by what they are made of, so that no family needs to know of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from inr.kernels.relu_mlp import relu_mlp
from inr.kernels.sine_mlp import sine_mlp
from inr.layers import Activation, Linear
from inr.layers.affine import AffineCell
from inr.layers.relu import ReluActivation
from inr.layers.sine import SineActivation


def fused(cells: Sequence[nn.Module], last: Linear) -> Callable[[Tensor], Tensor] | None:
    """The cells and the last linear map as one operation [*B, d_in] -> [*B, d_out]; None where there is none.

    There is one for plain cells of sines, and of rectified units, whose linear maps are products with their effective
    matrices, as long as nobody listens to what passes between them.
    """
    rectified, sines = linears_between(ReluActivation, cells, last), linears_between(SineActivation, cells, last)
    if rectified is not None:
        return lambda h: _on_rows(lambda rows: relu_mlp(rows, *layers(rectified)), h)
    if sines is not None:
        activations = [cell.activation for cell in cells if isinstance(cell, AffineCell)]
        omegas = [activation.omega for activation in activations if isinstance(activation, SineActivation)]
        return lambda h: _on_rows(lambda rows: sine_mlp(rows, *layers(sines), omegas), h)
    return None


def linears_between(kind: type[Activation], cells: Sequence[nn.Module], last: Linear) -> list[Linear] | None:
    """The linear maps, where nothing but activations of this kind stands between them; else None."""
    plain = [cell for cell in cells if type(cell) is AffineCell]
    linears = [*(cell.linear for cell in plain), last]
    parts = (*plain, *(cell.activation for cell in plain), *linears)
    if not plain or len(plain) < len(cells) or any(is_heard(part) for part in parts):
        return None
    if any(type(cell.activation) is not kind for cell in plain):
        return None
    return linears if all(type(linear).forward is Linear.forward for linear in linears) else None


def is_heard(module: nn.Module) -> bool:
    """Whether hooks wait for what the module takes and gives."""
    return bool(module._forward_hooks or module._forward_pre_hooks or module._backward_hooks)


def layers(linears: Sequence[Linear]) -> tuple[Sequence[Tensor], Sequence[Tensor | None]]:
    """Their matrices and biases."""
    weights, biases = zip(*(linear.effective() for linear in linears), strict=True)
    return weights, biases


def _on_rows(network: Callable[[Tensor], Tensor], h: Tensor) -> Tensor:
    rows = network(h.reshape(-1, h.shape[-1]))
    return rows.reshape(*h.shape[:-1], rows.shape[-1])
