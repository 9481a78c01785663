"""The inputs of a batch: files, folders and patterns, each with a name that does not depend on where it lies."""

from __future__ import annotations

import dataclasses
import glob
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from inr._errors import UnreadableError, UsageError
from inr.signals import SIGNALS

_CHUNK = 2**20


@dataclasses.dataclass(frozen=True)
class Item:
    """One input. name: with the folders below the one that was given, which is how a manifest knows it."""

    name: str
    path: Path

    def state(self) -> tuple[int, int]:
        """Size in bytes and time of change in nanoseconds. Raises UnreadableError when it is not there."""
        try:
            found = self.path.stat()
        except OSError as error:
            raise UnreadableError(
                f"can not read {str(self.path)!r}: {(error.strerror or str(error)).lower()}"
            ) from error
        return found.st_size, found.st_mtime_ns


def collect(inputs: Sequence[str], kind: str | None, outside: Path) -> list[Item]:
    """The inputs in order of name: files as they are, of folders (and those within) the files of known suffixes.

    kind: of signal, which limits what is taken from folders. outside: a folder that is left out. A text that names
    nothing is taken as a pattern (`photos/**/*.png`).
    Raises UnreadableError for what is not there, UsageError for two inputs of one name.
    """
    suffixes = {s for name in ([kind] if kind is not None else SIGNALS) for s in SIGNALS[name].extensions}
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
            raise UnreadableError(f"folder {text!r} has no signals", f"known suffixes: {' '.join(sorted(suffixes))}")
        yield from inside
    elif path.exists() or not glob.has_magic(text):
        yield path.name, path
    else:
        matches = [Path(match) for match in glob.glob(text, recursive=True)]
        files = [match for match in matches if match.is_file() and not match.resolve().is_relative_to(outside)]
        if not files:
            raise UnreadableError(f"no file is matched by {text!r}")
        fixed = [part for part in Path(text).parts if not glob.has_magic(part)]
        root = Path(*fixed[: _n_leading(text)])
        yield from ((match.relative_to(root).as_posix() if fixed else match.as_posix(), match) for match in files)


def _n_leading(pattern: str) -> int:
    """How many parts of a pattern come before its first wildcard."""
    parts = Path(pattern).parts
    return next(i for i, part in enumerate(parts) if glob.has_magic(part))


def _files(folder: Path, suffixes: set[str], outside: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        here = Path(root)
        folders[:] = sorted(f for f in folders if not f.startswith(".") and (here / f).resolve() != outside)
        for file in sorted(files):
            if not file.startswith(".") and Path(file).suffix.lower() in suffixes:
                yield here / file
