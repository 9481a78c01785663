"""Bodies that are one kernel: recognised by what they are made of, so that no family needs to know of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from inr.kernels.sine_mlp import sine_mlp
from inr.layers import Linear
from inr.layers.affine import AffineCell
from inr.layers.sine import SineActivation

Network = Callable[[Tensor, Sequence[Tensor], Sequence[Tensor | None]], Tensor]


def fused(cells: Sequence[nn.Module], last: Linear) -> Callable[[Tensor], Tensor] | None:
    """The cells and the last linear map as one operation [*B, d_in] -> [*B, d_out]; None where there is none.

    There is one for plain cells of sines, whose linear maps are products with their effective matrices, as long as
    nobody listens to what passes between them.
    """
    plain = [cell for cell in cells if type(cell) is AffineCell]
    linears = [*(cell.linear for cell in plain), last]
    activations = [cell.activation for cell in plain]
    if not plain or len(plain) < len(cells) or any(_is_heard(part) for part in (*plain, *activations, *linears)):
        return None
    if any(type(linear).forward is not Linear.forward for linear in linears):
        return None
    if all(type(activation) is SineActivation for activation in activations):
        omegas = [activation.omega for activation in activations if isinstance(activation, SineActivation)]
        return _on_rows(lambda h, weights, biases: sine_mlp(h, weights, biases, omegas), linears)
    return None


def _is_heard(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks or module._backward_hooks)


def _on_rows(network: Network, linears: Sequence[Linear]) -> Callable[[Tensor], Tensor]:
    def call(h: Tensor) -> Tensor:
        weights, biases = zip(*(linear.effective() for linear in linears), strict=True)
        rows = network(h.reshape(-1, h.shape[-1]), weights, biases)
        return rows.reshape(*h.shape[:-1], rows.shape[-1])

    return call
