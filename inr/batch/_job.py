"""The base class of jobs: from one input and settings to the bytes of one output. One file per kind of job."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch

from inr.core.registry import Registry
from inr.signals import Source

JOBS: Registry[type[JobKind]] = Registry("job", "inr.batch")


@dataclasses.dataclass(frozen=True)
class Result:
    """data: the output file's bytes. summary: JSON, a table row, with at least `outcome` ("done" or a warning) and
    `metrics`; `headline` names the main metric."""

    data: bytes
    summary: Mapping[str, Any]


class JobKind(ABC):
    """A kind of job: a function of an input and settings that can run in any process on any machine.

    suffix: suffix of the output file. Settings are one JSON document for all inputs; the kind defines their meaning.
    keys: allowed keys of that document. flags: allowed keys of its table "flags".
    """

    suffix: ClassVar[str]
    keys: ClassVar[frozenset[str]]
    flags: ClassVar[frozenset[str]]

    @classmethod
    @abstractmethod
    def check(cls, source: Source, settings: Mapping[str, Any]) -> None:
        """Refuse settings that do not suit such an input, before any work. Raises ConfigError or UsageError."""

    @classmethod
    @abstractmethod
    def prepare(cls, source: Source, settings: Mapping[str, Any], device: torch.device) -> Callable[[], Result]:
        """Prepare the work, and return it as a function. Raises an InrError for an input that cannot be used, and for
        settings that do not suit it."""

    @classmethod
    def run(cls, source: Source, settings: Mapping[str, Any], device: torch.device) -> Result:
        """Prepare and run the job. Raises an InrError for an unusable input."""
        return cls.prepare(source, settings, device)()
