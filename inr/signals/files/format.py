"""Descriptions of signal files from their headers: one class per family of formats, registered under its suffixes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, BinaryIO

from inr.core.registry import Registry

FORMATS: Registry[type[FileFormat]] = Registry("file format", "inr.signals.files")
"""File formats by the suffix that `sniffing.suffix_of` gives them."""


class FileFormat(ABC):
    """Formats whose headers are described alike. Never imports torch."""

    @classmethod
    @abstractmethod
    def describe(cls, file: BinaryIO, head: bytes) -> dict[str, Any]:
        """What the header of an open file states; "what" names it ("picture"). head: the file's first bytes.

        Raises anything for a damaged header.
        """

    @classmethod
    @abstractmethod
    def summary(cls, entry: Mapping[str, Any]) -> str:
        """The description in a few words: `768x512 RGB`."""


def name_of(file: BinaryIO) -> str:
    """The name of an open file in messages; bytes from a pipe have none."""
    return str(getattr(file, "name", "the input"))
