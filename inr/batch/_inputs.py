"""The inputs of a batch: files, folders and patterns, each with a name that does not depend on its parent folder."""

from __future__ import annotations

import dataclasses
import glob
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from inr.core.errors import UnreadableError, UsageError
from inr.core.files import reason_of
from inr.signals import suffixes_of

_CHUNK = 2**20


@dataclasses.dataclass(frozen=True)
class Item:
    """One input. name: its path relative to the given folder, which is its key in the manifest."""

    name: str
    path: Path

    def state(self) -> tuple[int, int]:
        """Size in bytes and time of change in nanoseconds. Raises UnreadableError if the file does not exist."""
        try:
            found = self.path.stat()
        except OSError as error:
            raise UnreadableError(
                f"cannot read {str(self.path)!r}: {(error.strerror or str(error)).lower()}"
            ) from error
        if not stat.S_ISREG(found.st_mode):
            raise UnreadableError(f"{str(self.path)!r} is not a regular file: a batch reads its inputs several times")
        return found.st_size, found.st_mtime_ns


def collect(inputs: Sequence[str], kind: str | None, outside: Path) -> list[Item]:
    """The inputs, sorted by name: the given files, and the files with known suffixes in the given folders, recursively.

    kind: kind of signal; restricts the files taken from folders. outside: a folder to skip. A text that is not an
    existing path is a pattern (`photos/**/*.png`).
    Raises UnreadableError for missing inputs, UsageError for two inputs with one name.
    """
    suffixes = suffixes_of(kind)
    found: dict[str, Path] = {}
    for text in inputs:
        for name, path in _expand(text, suffixes, outside.resolve()):
            other = found.setdefault(name, path)
            if other.resolve() != path.resolve():
                raise UsageError(
                    f"two inputs have the name {name!r}: {other} and {path}", "give the folder that holds both"
                )
    return [Item(name, found[name]) for name in sorted(found)]


def digest_of(path: Path) -> str:
    """SHA-256 of a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_CHUNK):
            digest.update(part)
    return digest.hexdigest()


def _expand(text: str, suffixes: set[str], outside: Path) -> Iterator[tuple[str, Path]]:
    path = Path(text)
    if path.is_dir():
        inside = [(file.relative_to(path).as_posix(), file) for file in _files(path, suffixes, outside)]
        if not inside:
            raise UnreadableError(
                f"folder {text!r} has no signal files", f"known suffixes: {' '.join(sorted(suffixes))}"
            )
        yield from inside
    elif path.exists() or not glob.has_magic(text):
        if path.exists() and not path.is_file():
            raise UsageError(
                f"{text!r} is a pipe or device, expected a file: a batch reads its inputs several times", "give a file"
            )
        yield path.name, path
    else:
        matches = [Path(match) for match in glob.glob(text, recursive=True)]
        files = [match for match in matches if match.is_file() and not match.resolve().is_relative_to(outside)]
        if not files:
            raise UnreadableError(f"no file matches {text!r}")
        fixed = [part for part in Path(text).parts if not glob.has_magic(part)]
        root = Path(*fixed[: _n_leading(text)])
        for match in files:
            name = os.path.normpath(match.relative_to(root) if fixed else match)
            yield (match.name if os.path.isabs(name) or name.startswith("..") else name), match


def _n_leading(pattern: str) -> int:
    """How many parts of a pattern come before its first wildcard."""
    parts = Path(pattern).parts
    return next(i for i, part in enumerate(parts) if glob.has_magic(part))


def _files(folder: Path, suffixes: set[str], outside: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder, onerror=_refuse):
        here = Path(root)
        folders[:] = sorted(f for f in folders if not f.startswith(".") and (here / f).resolve() != outside)
        for file in sorted(files):
            if not file.startswith(".") and Path(file).suffix.lower() in suffixes:
                yield here / file


def _refuse(error: OSError) -> None:
    raise UnreadableError(f"cannot read folder {str(error.filename)!r}: {reason_of(error)}") from error
