"""The contract of what watches a run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor

from inr.core.samples import Samples
from inr.fields import Field
from inr.fitting.settings import FitConfig


class Observer(ABC):
    """Watches one run. It reads the field and changes nothing, so a run that is watched gives the same bytes.

    key: name of its document in a `Fit` and in the model file; "": it leaves nothing in files. prefix: of its tensors
    in a checkpoint.
    seconds: the time that it has taken so far, which the run's own clock leaves out.
    """

    key: ClassVar[str]
    prefix: ClassVar[str]
    seconds: float = 0.0

    @abstractmethod
    def on_start(self, field: Field, samples: Samples) -> None:
        """Once, before the first step (of a resumed run: before `restore`): the field in training, and the signal."""

    @abstractmethod
    def on_step(self, step: int, seconds: float) -> None:
        """Before the first step and after each: how many were taken, and the run's seconds so far."""

    @abstractmethod
    def on_end(self, step: int, seconds: float) -> None:
        """At the end of the run, unless it was interrupted."""

    @abstractmethod
    def document(self) -> Mapping[str, Any]:
        """What it has found so far, as JSON."""

    @abstractmethod
    def state(self) -> Mapping[str, Tensor]:
        """What a checkpoint needs besides the document."""

    @abstractmethod
    def restore(self, document: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
        """Continue from a checkpoint. Raises KeyError, TypeError or ValueError where it is damaged."""


Observers = Callable[[FitConfig], Sequence[Observer]]
"""Makes the observers of a run from its settings, which a resumed run has from its checkpoint."""
