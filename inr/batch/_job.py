"""The contract of a job: one input and settings to the bytes of one output. A kind of job is one file here."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch

from inr._registry import Registry
from inr.signals import Source

JOBS: Registry[type[JobKind]] = Registry("job", "inr.batch")


@dataclasses.dataclass(frozen=True)
class Result:
    """data: the output file's bytes. summary: JSON, a row of the table: at least `outcome` ("done", or what a user
    should look at) and `metrics`, with the name of the one shown first in `headline`."""

    data: bytes
    summary: Mapping[str, Any]


class JobKind(ABC):
    """A kind of job: a function of an input and settings, which runs in any process of any machine.

    suffix: of the output file. Settings are one JSON document for all inputs; what they mean is the kind's.
    keys: of that document; flags: of its table "flags". `check` and `run` see no others.
    """

    suffix: ClassVar[str]
    keys: ClassVar[frozenset[str]]
    flags: ClassVar[frozenset[str]]

    @classmethod
    @abstractmethod
    def check(cls, source: Source, settings: Mapping[str, Any]) -> None:
        """Refuse settings that can not be for such an input, before any work. Raises ConfigError or UsageError."""

    @classmethod
    @abstractmethod
    def run(cls, source: Source, settings: Mapping[str, Any], device: torch.device) -> Result:
        """Do it. Raises an InrError for an input that can not be used."""
