"""The manifest of a batch: what was asked, and what of it is done. It survives a kill at any moment.

A file of JSON lines that only grows. The first says the format; a `start` line holds a job's name and settings, and
begins an epoch: only what follows the last one counts. A `done` line is written, and on the disk, after the output's
bytes are on the disk beside their place and before they are moved there: whichever of the steps is the last before a
kill, the next opening finds the finished output, and nothing that is half written is ever taken for one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Self

from inr._errors import UnreadableError, UsageError
from inr.batch._inputs import Item, digest_of

MANIFEST_NAME = "manifest.jsonl"
FORMAT = {"format": "inr-batch", "version": 1}
_PARTIAL = ".partial"


class Manifest:
    """The manifest in a folder, open for one process at a time.

    job, settings: of the epoch, None before the first. records: the `done` lines of the epoch by input name.
    owned: output names of all epochs.
    """

    def __init__(self, folder: Path, file: IO[bytes] | None, lines: list[dict[str, Any]]) -> None:
        self.folder = folder
        self._file = file
        self.job: str | None = None
        self.settings: Mapping[str, Any] = {}
        self.records: dict[str, dict[str, Any]] = {}
        self.owned: set[str] = set()
        self.outputs: dict[str, str] = {}
        for line in lines:
            self._take(line)

    @classmethod
    @contextlib.contextmanager
    def opened(cls, folder: Path) -> Iterator[Self]:
        """The manifest of a folder, which is made; for writing.

        Raises UsageError when another process has it, UnreadableError when it is no manifest.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = (folder / MANIFEST_NAME).open("a+b")
        except OSError as error:
            raise UsageError(f"output folder {str(folder)!r} can not be written: {error.strerror}") from error
        with file:
            _lock(file, folder)
            lines = _read(folder / MANIFEST_NAME)
            whole = sum(len(raw) for raw, _ in lines)
            if whole < file.seek(0, os.SEEK_END):
                file.truncate(whole)  # a line that a kill cut short
            manifest = cls(folder, file, [line for _, line in lines])
            if not lines:
                manifest._append(FORMAT)
            manifest._finish_moves()
            yield manifest

    @classmethod
    def seen(cls, folder: Path) -> Self:
        """The manifest of a folder as it stands, for reading; an empty one where there is none."""
        path = folder / MANIFEST_NAME
        return cls(folder, None, [line for _, line in _read(path)] if path.exists() else [])

    def start(self, job: str, settings: Mapping[str, Any]) -> None:
        """Begin an epoch: nothing is done."""
        self._append({"start": job, "settings": settings})

    def is_done(self, item: Item) -> bool:
        """Whether the item's output stands where it should, and was made from the content that the input has now."""
        record = self.records.get(item.name)
        if record is None or self.has_changed(item):
            return False
        path = self.folder / record["output"]
        is_whole = path.is_file() and path.stat().st_size == record["bytes"]
        return is_whole and digest_of(path) == str(record["sha256"])

    def has_changed(self, item: Item) -> bool:
        """Whether the input has other content than when it was done."""
        record = self.records.get(item.name)
        if record is None:
            return False
        size, changed_ns = item.state()
        before = record["input"]
        if size != before["bytes"]:
            return True
        is_touched = changed_ns != before["changed_ns"] or not before["sha256"]
        return is_touched and digest_of(item.path) != str(before["sha256"])

    def finish(self, item: Item, seen: Mapping[str, Any], output: str, data: bytes, summary: Mapping[str, Any]) -> None:
        """Put an output in its place and remember it. seen: `seen_as` of the input before the job."""
        path = self.folder / output
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + _PARTIAL)
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        self._append(
            {
                "done": item.name,
                "input": seen,
                "output": output,
                "bytes": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
                "summary": summary,
            }
        )
        partial.replace(path)

    def _finish_moves(self) -> None:
        """Do the moves that a kill came before; drop partial files that no line speaks of."""
        for record in self.records.values():
            path = self.folder / record["output"]
            partial = path.with_name(path.name + _PARTIAL)
            if partial.is_file() and digest_of(partial) == record["sha256"]:
                partial.replace(path)
        for partial in self.folder.rglob(f"*{_PARTIAL}"):
            partial.unlink()

    def _take(self, line: Mapping[str, Any]) -> None:
        if "start" in line:
            self.job, self.settings, self.records = line["start"], line["settings"], {}
        elif "done" in line:
            self.records[line["done"]] = dict(line)
            self.owned.add(line["output"])
            self.outputs[line["done"]] = line["output"]

    def _append(self, line: Mapping[str, Any]) -> None:
        assert self._file is not None
        self._file.write(json.dumps(line, allow_nan=True).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._take(json.loads(json.dumps(line)))


def seen_as(item: Item) -> dict[str, Any]:
    """What a manifest remembers of an input's content."""
    size, changed_ns = item.state()
    return {"bytes": size, "changed_ns": changed_ns, "sha256": digest_of(item.path)}


def _read(path: Path) -> list[tuple[bytes, dict[str, Any]]]:
    """The complete lines, as bytes and as documents. The last one may be cut short, no other."""
    lines: list[tuple[bytes, dict[str, Any]]] = []
    whole = path.read_bytes().splitlines(keepends=True)
    for i, raw in enumerate(whole):
        try:
            if not raw.endswith(b"\n"):
                raise ValueError("cut short")
            line = json.loads(raw)
            if not isinstance(line, dict) or (i == 0 and line != FORMAT):
                raise ValueError("not a line of a manifest")
        except ValueError as error:
            if i == len(whole) - 1 and (i > 0 or _is_start_of_format(raw)):
                break
            raise UnreadableError(
                f"{str(path)!r} is no manifest of inr batch, or damaged in line {i + 1}", "choose another -o"
            ) from error
        lines.append((raw, line))
    return lines


def _is_start_of_format(raw: bytes) -> bool:
    return (json.dumps(FORMAT) + "\n").encode().startswith(raw)


def _lock(file: IO[bytes], folder: Path) -> None:
    """Held until the file is closed, also by a kill. Where the system has no such locks, there is none."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise UsageError(
            f"another inr batch is writing to {str(folder)!r}", "wait for it, or choose another -o"
        ) from error
