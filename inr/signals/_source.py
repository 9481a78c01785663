"""The source of a signal or a model: a file, bytes from a pipe, or a formula. Never imports torch."""

from __future__ import annotations

import dataclasses
import io
import stat
from pathlib import Path
from typing import BinaryIO

from inr.core.errors import UnreadableError
from inr.core.files import descriptor_of, reason_of
from inr.signals.files.sniffing import suffix_of_bytes

_OF_FOLDERS = "a folder of PNG or SVG slices is read with `kind` slices; many signals by inr batch"

ANALYTIC = "analytic:"
"""Prefix of the names of signals made by a formula (`analytic:torus`), which take the place of a file name."""


@dataclasses.dataclass(frozen=True)
class Source:
    """A file, bytes from a pipe, or a formula (`analytic:torus`)."""

    name: str
    path: Path | None = None
    data: bytes | None = None

    @classmethod
    def of(cls, path: Source | str | Path) -> Source:
        """A file or a formula; of a source, itself.

        What can be read only once (a named pipe, /dev/stdin, <(...)) is read here, to its end. A name without a suffix
        gets the suffix of its format. Raises UnreadableError when a file is missing, a device, or not readable. A
        folder is refused when it is opened.
        """
        if isinstance(path, Source):
            return path
        if str(path).startswith(ANALYTIC):
            return cls(str(path))
        path = Path(path)
        try:
            data = _read_once(path)
        except (OSError, ValueError) as error:
            reason = "no such file" if isinstance(error, FileNotFoundError) else reason_of(error)
            raise UnreadableError(f"cannot read {str(path)!r}: {reason}") from error
        if data is None:
            return cls(str(path), path=path)
        if not data:
            raise UnreadableError(f"{str(path)!r} is empty")
        return cls(str(path) + ("" if path.suffix else suffix_of_bytes(data)), data=data)

    @property
    def suffix(self) -> str:
        return Path(self.name).suffix.lower()

    @property
    def is_compressed(self) -> bool:
        """Whether it is an .inrz file, by its name."""
        return self.suffix == ".inrz"

    @property
    def is_formula(self) -> bool:
        """Whether it is a formula, not a file."""
        return self.name.startswith(ANALYTIC)

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder, which only kinds of signals that have a file per slice read."""
        return self.path is not None and self.path.is_dir()

    @property
    def stem(self) -> str:
        return Path(self.name.removeprefix(ANALYTIC)).stem

    def open(self) -> BinaryIO:
        if self.is_folder:
            raise UnreadableError(f"cannot read {self.name!r}: it is a folder, expected a file", _OF_FOLDERS)
        if self.path is not None:
            return self.path.open("rb")
        return io.BytesIO(self.data or b"")


def _read_once(path: Path) -> bytes | None:
    """All bytes of a pipe; None for a regular file, which can be opened again."""
    mode = path.stat().st_mode
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        raise UnreadableError(f"cannot read {str(path)!r}: it is a device, expected a file or a pipe")
    if stat.S_ISDIR(mode):
        return None
    number = descriptor_of(path)
    with path.open("rb") if number is None else open(number, "rb", closefd=False) as file:
        return None if number is None and stat.S_ISREG(mode) else file.read()
