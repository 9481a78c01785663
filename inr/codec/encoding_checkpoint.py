"""Checkpoints of encodings: settings and state as one file, from which `compress` continues to the same bytes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch

from inr._version import __version__
from inr.codec.compression_settings import CompressionSettings
from inr.codec.encoding_control import EncodingState
from inr.codec.rate_target import RateTarget
from inr.core.document import ENCODING_FORMAT
from inr.core.errors import UsageError
from inr.fitting import CHECKPOINT_NAME, fingerprint, write_checkpoint
from inr.fitting.model_file import check_format, read, to_bytes, unreadable_if_invalid
from inr.signals import Signal, Source


@dataclasses.dataclass(frozen=True)
class EncodingCheckpoint:
    """settings: of the encoding. signal: fingerprint of what is encoded. source: its name. seconds: spent so far."""

    settings: CompressionSettings
    state: EncodingState
    signal: str
    source: str
    seconds: float

    @classmethod
    def of(
        cls, settings: CompressionSettings, state: EncodingState, signal: Signal, seconds: float
    ) -> EncodingCheckpoint:
        return cls(settings, state, fingerprint(signal), signal.name, seconds)

    def save(self, folder: Path, outcome: Literal["done", "interrupted"] = "interrupted") -> None:
        """Write it as one file in `folder`, whole or not at all. Raises UsageError, UnavailableError."""
        document = {
            "format": ENCODING_FORMAT,
            "settings": dataclasses.asdict(self.settings),
            "state": dict(self.state.document),
            "signal": self.signal,
            "source": self.source,
            "step": self.state.step,
            "seconds": self.seconds,
            "outcome": outcome,
            "made_by": {"inr": __version__, "torch": torch.__version__.split("+")[0]},
        }
        write_checkpoint(folder, to_bytes(self.state.tensors, document))

    @classmethod
    def load(cls, folder: Path) -> EncodingCheckpoint:
        """Raises UnreadableError when there is no readable checkpoint of an encoding."""
        source = Source.of(folder / CHECKPOINT_NAME)
        document, tensors = read(source)
        check_format(document, ENCODING_FORMAT, source.name)
        with unreadable_if_invalid(source.name):
            state = EncodingState(document["step"], document["state"], tensors)
            settings = _settings(document["settings"])
            return cls(settings, state, document["signal"], document["source"], document["seconds"])

    def check(self, signal: Signal) -> None:
        """Raise UsageError if the checkpoint is of another signal."""
        if self.signal != fingerprint(signal):
            raise UsageError(
                f"the checkpoint belongs to another signal ({self.source!r})",
                "give the file that the run was started with",
            )


def _settings(document: Mapping[str, Any]) -> CompressionSettings:
    values = dict(document)
    target = RateTarget(**values.pop("target"))
    return CompressionSettings(target, **values | {"settings": tuple(values["settings"])})
