"""What backends need to know of a fully connected network, and what they refuse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from inr.kernels.row_share import ALL, RowShare

MAX_WIDTH = 128
TCNN_WIDTHS = (16, 32, 64, 128)


@dataclass(frozen=True)
class MlpShape:
    """widths: of the inputs, every hidden layer and the outputs. activations: names of those between the layers.

    share: of the rows of grids that its gradients come from.
    """

    widths: tuple[int, ...]
    has_bias: bool
    activations: tuple[str, ...] = ()
    share: RowShare = ALL

    @classmethod
    def of(
        cls,
        weights: Sequence[Tensor],
        biases: Sequence[Tensor | None],
        activations: Sequence[str] = (),
        share: RowShare = ALL,
    ) -> MlpShape:
        widths = (weights[0].shape[1], *(len(weight) for weight in weights))
        return cls(widths, any(bias is not None for bias in biases), tuple(activations), share)

    @property
    def hidden(self) -> tuple[int, ...]:
        return self.widths[1:-1]


def refused_by_triton(shape: MlpShape) -> list[str]:
    reasons = [] if shape.hidden else ["it needs a hidden layer, and there is none"]
    if max(shape.widths) > MAX_WIDTH:
        reasons.append(f"its layers have up to {MAX_WIDTH} units, and the network's widths are {shape.widths}")
    if shape.share.every > 1:
        reasons.append(f"it sums the network's gradients over all rows, and one of {shape.share.every} is to count")
    return reasons


def refused_by_tcnn(shape: MlpShape) -> list[str]:
    reasons = [] if not shape.has_bias else ["its layers have no biases, and these have"]
    if not shape.hidden or len(set(shape.hidden)) > 1 or shape.hidden[0] not in TCNN_WIDTHS:
        reasons.append(
            f"its hidden layers have one width out of {', '.join(map(str, TCNN_WIDTHS))}, and these have {shape.hidden}"
        )
    return reasons
