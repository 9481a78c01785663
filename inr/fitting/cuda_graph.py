"""A training step captured once in a CUDA graph and replayed: one order per step to the device, and not hundreds."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from torch import Tensor

from inr.signals import Batch

_log = logging.getLogger("inr")

Step = Callable[[], Tensor]
Capture = Callable[[Step], tuple[Callable[[], None], Tensor]]

WARM_UP = 3  # steps before the capture: kernels are compiled in them, and optimizers make their state


class CapturedStep:
    """A step from batches to losses, with forward pass, backward pass and update, all of it on the device.

    The first steps run as they are; then one is captured, and from then on batches of its shape are copied into its
    place and the capture is replayed. Where a capture fails, which is said once, steps go on as they are.

    step: takes a batch, may not ask the device for anything, and returns the loss. capture: from a function without
    arguments to what replays it and the result that a replay fills; it does not count as a run.
    """

    def __init__(self, step: Callable[[Batch], Tensor], capture: Capture) -> None:
        self._step, self._capture = step, capture
        self._done = 0
        self._place: Batch | None = None
        self._replay: Callable[[], None] | None = None
        self._loss: Tensor | None = None

    def __call__(self, batch: Batch) -> Tensor:
        """The loss, in a place that the next call overwrites."""
        self._done += 1
        if self._done == WARM_UP + 1:
            self._try_to_capture(batch)
        if self._replay is None or self._place is None or self._loss is None or not _fits(batch, self._place):
            return self._step(batch)
        for target, source in zip(_tensors(self._place), _tensors(batch), strict=True):
            target.copy_(source)
        self._replay()
        return self._loss

    def _try_to_capture(self, batch: Batch) -> None:
        place = batch.each(Tensor.clone)
        try:
            self._replay, self._loss = self._capture(lambda: self._step(place))
        except RuntimeError as error:
            _log.info("training steps are not captured in a CUDA graph: %s", str(error).splitlines()[0])
            return
        self._place = place


def capture_on_device(step: Step) -> tuple[Callable[[], None], Tensor]:
    """The step as a CUDA graph."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = step()
    return graph.replay, loss


def _tensors(batch: Batch) -> list[Tensor]:
    found: list[Tensor] = []

    def note(tensor: Tensor) -> Tensor:
        found.append(tensor)
        return tensor

    batch.each(note)
    return found


def _fits(batch: Batch, place: Batch) -> bool:
    shapes, expected = ([t.shape for t in _tensors(b)] for b in (batch, place))
    return shapes == expected
