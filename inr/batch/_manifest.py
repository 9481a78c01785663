"""The manifest of a batch: requested and completed jobs. It stays consistent if the process is killed at any time.

The file is an append-only list of JSON lines. The first line gives the format. A `start` line has the name and settings
of a job and begins an epoch; only the last epoch counts. A `done` line has the digest of an output and is on the disk
before the output is written atomically. After a kill, the next call therefore finds either an output that matches its
line, or no output, and then repeats that job. The digests also tell which files of the folder a batch has written.
Nothing is ever deleted.

The file is untrusted: every line is validated before it is used.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Self

from inr.batch._inputs import Item, digest_of
from inr.batch.places import is_inside, place_of
from inr.core.errors import UnreadableError, UsageError
from inr.core.files import reason_of, write_file, writing

MANIFEST_NAME = "manifest.jsonl"
FORMAT = {"format": "inr-batch", "version": 1}
_DEPTH = 50
_MOST = 2**63


class Manifest:
    """The manifest of a folder; only one process can open it for writing.

    job, settings: those of the current epoch, None before the first. records: input name -> `done` line of the current
    epoch. outputs: input name -> output name, over all epochs.
    """

    def __init__(self, folder: Path, file: IO[bytes] | None, lines: list[dict[str, Any]]) -> None:
        self.folder = folder
        self._file = file
        self.job: str | None = None
        self.settings: Mapping[str, Any] = {}
        self.records: dict[str, dict[str, Any]] = {}
        self.outputs: dict[str, str] = {}
        self._written: dict[str, set[str]] = {}  # digests by output
        for line in lines:
            self._take(line)

    @classmethod
    @contextlib.contextmanager
    def opened(cls, folder: Path) -> Iterator[Self]:
        """The manifest of a folder, which is made; for writing.

        Raises UsageError when another process has it, UnreadableError for any other file.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"output folder {str(folder)!r} cannot be created: {reason_of(error)}") from error
        with _opened(folder / MANIFEST_NAME, os.O_RDWR | os.O_CREAT | os.O_APPEND) as file:
            _lock(file, folder)
            lines = _read(folder / MANIFEST_NAME, file.read())
            whole = sum(len(raw) for raw, _ in lines)
            if whole < file.seek(0, os.SEEK_END):
                file.truncate(whole)  # an incomplete last line
            manifest = cls(folder, file, [line for _, line in lines])
            if not lines:
                manifest._append(FORMAT)
            yield manifest

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the manifest of a folder; an empty one if there is none."""
        path = folder / MANIFEST_NAME
        if not os.path.lexists(path):
            return cls(folder, None, [])
        with _opened(path, os.O_RDONLY) as file:
            return cls(folder, None, [line for _, line in _read(path, file.read())])

    def start(self, job: str, settings: Mapping[str, Any]) -> None:
        """Begin an epoch without completed jobs."""
        self._append({"start": job, "settings": settings})

    def is_done(self, item: Item) -> bool:
        """Whether the item's output exists unchanged and was made from the input's current content."""
        record = self.records.get(item.name)
        if record is None or self.has_changed(item):
            return False
        path = self.folder / record["output"]
        is_whole = path.is_file() and path.stat().st_size == record["bytes"]
        return is_whole and digest_of(path) == str(record["sha256"])

    def has_changed(self, item: Item) -> bool:
        """Whether the input has changed since its job was completed."""
        record = self.records.get(item.name)
        if record is None:
            return False
        size, changed_ns = item.state()
        before = record["input"]
        if size != before["bytes"]:
            return True
        is_touched = changed_ns != before["changed_ns"] or not before["sha256"]
        return is_touched and digest_of(item.path) != str(before["sha256"])

    def has_written(self, output: str) -> bool:
        """Whether the file at an output's path was written by a batch, in any epoch, and is unchanged."""
        digests = self._written.get(output)
        return digests is not None and digest_of(self.folder / output) in digests

    def finish(
        self,
        item: Item,
        seen: Mapping[str, Any],
        output: str,
        data: bytes,
        summary: Mapping[str, Any],
        *,
        force: bool = False,
    ) -> None:
        """Record an output and write it. seen: `input_state` of the input before the job.

        force: replace an existing file that no batch wrote; without it such a file stays. Raises UsageError, or
        UnavailableError for a full disk; the error's hint says where the output was saved.
        """
        path = place_of(self.folder, output)
        is_replaced = force or (path.exists() and self.has_written(output))
        with writing(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
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
        write_file(path, data, force=is_replaced, keep=True)

    def _take(self, line: Mapping[str, Any]) -> None:
        if "start" in line:
            self.job, self.settings, self.records = line["start"], line["settings"], {}
        elif "done" in line:
            self.records[line["done"]] = dict(line)
            self.outputs[line["done"]] = line["output"]
            self._written.setdefault(line["output"], set()).add(line["sha256"])

    def _append(self, line: Mapping[str, Any]) -> None:
        assert self._file is not None
        data = json.dumps(line, allow_nan=True).encode() + b"\n"
        before = self._file.seek(0, os.SEEK_END)
        with writing(self.folder / MANIFEST_NAME):
            try:
                left = memoryview(data)
                while left:
                    left = left[self._file.write(left) :]
                os.fsync(self._file.fileno())
            except BaseException:
                self._file.truncate(before)
                raise
        self._take(json.loads(data))


def input_state(item: Item) -> dict[str, Any]:
    """Size, time and digest of an input, as recorded in a manifest."""
    size, changed_ns = item.state()
    return {"bytes": size, "changed_ns": changed_ns, "sha256": digest_of(item.path)}


@contextlib.contextmanager
def _opened(path: Path, flags: int) -> Iterator[IO[bytes]]:
    """Open a regular file without following links. Raises UsageError."""
    shown = f"manifest {str(path)!r}"
    try:
        handle = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    except OSError as error:
        reason = "it is a link" if error.errno == errno.ELOOP else reason_of(error)
        raise UsageError(f"{shown} cannot be opened: {reason}", "choose another `output`") from error
    with open(handle, "r+b" if flags & os.O_RDWR else "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise UsageError(f"{shown} is not a regular file", "choose another `output`")
        yield file


def _read(path: Path, content: bytes) -> list[tuple[bytes, dict[str, Any]]]:
    """The complete lines, as bytes and as documents. Only the last line may be incomplete."""
    lines: list[tuple[bytes, dict[str, Any]]] = []
    whole = content.splitlines(keepends=True)
    for i, raw in enumerate(whole):
        problem, line = _parse_line(raw, is_first=i == 0)
        if problem is None:
            lines.append((raw, line))
        elif i == len(whole) - 1 and not raw.endswith(b"\n") and (i > 0 or _is_start_of_format(raw)):
            break
        elif i == 0:
            raise UnreadableError(f"{str(path)!r} is not a manifest of inr batch: {problem}", "choose another `output`")
        else:
            raise UnreadableError(
                f"{str(path)!r} is damaged in line {i + 1}: {problem}",
                "remove the line (its input is then done again), or choose another `output`",
            )
    return lines


def _parse_line(raw: bytes, *, is_first: bool) -> tuple[str | None, dict[str, Any]]:
    """(the problem of a line or None, its document)."""
    try:
        line = json.loads(raw)
    except (ValueError, RecursionError):
        return "it is not JSON", {}
    if not raw.endswith(b"\n"):
        return "it is cut short", {}
    if not isinstance(line, dict):
        return f"it is {_kind(line)}, expected an object", {}
    if is_first:
        version = line.get("version")
        is_newer = line.get("format") == FORMAT["format"] and isinstance(version, int) and version > 1
        if is_newer:
            return f"its format has version {version}, this inr reads version {FORMAT['version']}", {}
        return None if line == FORMAT else f"line 1 is not {json.dumps(FORMAT)}", line
    if _is_deep(line):
        return f"it is nested more than {_DEPTH} levels deep", {}
    if "start" in line:
        return _problem(line, {"start": str, "settings": dict}), line
    if "done" in line:
        return _problem_of_done(line), line
    return None, line


def _problem(document: Mapping[str, Any], expected: Mapping[str, type], of: str = "") -> str | None:
    for key, sort in expected.items():
        if key not in document:
            return f"{of}{key} is missing"
        value = document[key]
        if not isinstance(value, sort) or (sort is int and not (type(value) is int and 0 <= value < _MOST)):
            return f"{of}{key} is {_kind(value)}, expected {_NAMES[sort]}"
    return None


_NAMES: dict[type, str] = {
    str: "a text",
    int: "a whole number >= 0 and < 2^63",
    dict: "an object",
    list: "a list",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}


def _kind(value: object) -> str:
    return str(value) if type(value) is int and abs(value) < _MOST else _NAMES.get(type(value), "something else")


def _problem_of_done(line: Mapping[str, Any]) -> str | None:
    expected = {"done": str, "input": dict, "output": str, "bytes": int, "sha256": str, "summary": dict}
    problem = _problem(line, expected)
    problem = problem or _problem(line["input"], {"bytes": int, "changed_ns": int, "sha256": str}, "input.")
    if problem is not None:
        return problem
    if not is_inside(line["output"]) or line["output"] == MANIFEST_NAME:
        return f"output is {line['output']!r}, expected a name inside the folder"
    return _problem_of_summary(line["summary"])


def _problem_of_summary(summary: Mapping[str, Any]) -> str | None:
    """The problem of the parts that tables show, or None."""
    for key in ("outcome", "headline", "field", "profile", "kind"):
        if not isinstance(summary.get(key), str | None):
            return f"summary.{key} is {_kind(summary[key])}, expected a text"
    for key in ("seconds", "n_params", "bits_per_sample"):
        if not _is_number(summary.get(key, 0)) and summary[key] is not None:
            return f"summary.{key} is {_kind(summary[key])}, expected a finite number"
    metrics = summary.get("metrics", {})
    if not isinstance(metrics, dict):
        return f"summary.metrics is {_kind(metrics)}, expected an object"
    for key, value in metrics.items():
        if not (value is None or isinstance(value, float) or _is_number(value)):
            return f"summary.metrics.{key} is {_kind(value)}, expected a number"
    if summary.get("headline") is not None and "metrics" not in summary:
        return "summary.metrics is missing"
    return None


def _is_number(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return type(value) is int and abs(value) < _MOST


def _is_deep(document: object) -> bool:
    level = [document]
    for _ in range(_DEPTH):
        level = [inner for value in level for inner in _inside(value)]
    return bool(level)


def _inside(value: object) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _is_start_of_format(raw: bytes) -> bool:
    return (json.dumps(FORMAT) + "\n").encode().startswith(raw)


def _lock(file: IO[bytes], folder: Path) -> None:
    """Lock the file until it is closed, also by a kill. Does nothing on systems without such locks."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise UsageError(
            f"another inr batch is writing to {str(folder)!r}", "wait for it, or choose another `output`"
        ) from error
