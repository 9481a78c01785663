"""Control of an encoding from outside: it can stop after any step, be saved, and continue. Does not import torch."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@dataclasses.dataclass(frozen=True)
class EncodingState:
    """All that the rest of an encoding depends on. step: the steps so far. document: JSON. tensors: by name."""

    step: int
    document: Mapping[str, Any]
    tensors: Mapping[str, Tensor]


class EncodingStoppedError(Exception):
    """An encoding has stopped as it was told, and there is no file; its control still has the state."""


def _never() -> bool:
    return False


@dataclasses.dataclass
class EncodingControl:
    """What an encoder looks at after each step.

    should_stop: whether to stop now. is_kept: an encoding that stops returns the best it has; else it raises
    `EncodingStoppedError`. training: the context in which steps run. resumed: the state to continue from. save: called
    with the state every `save_every` steps, and where a kept encoding stops. state: set by the encoder; its present
    state. is_stopped: it has stopped before its end. is_saved: the caller wants checkpoints, on the way or at a stop.
    """

    should_stop: Callable[[], bool] = _never
    is_kept: bool = False
    training: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext
    resumed: EncodingState | None = None
    save_every: int | None = None
    save: Callable[[EncodingState], Any] | None = None
    state: Callable[[], EncodingState] | None = None
    is_stopped: bool = False
    is_saved: bool = False

    @property
    def is_needed(self) -> bool:
        """Whether the caller counts on it, so that an encoding which cannot follow it must be refused."""
        return self.is_kept or self.is_saved or self.resumed is not None or self.save_every is not None
