"""Input and output: files and the pipes `-`, checked before any work is done."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from inr.core.errors import UnreadableError, UsageError, unknown_name

from ._streams import leave_stdout, refused

if TYPE_CHECKING:
    from inr.signals import Source

PIPE = "-"
_PART_BYTES = 2**20


def source(name: str) -> Source:
    """A file, or the bytes on stdin for `-`, named `stdin` with the suffix of their format."""
    from inr.signals import Source
    from inr.signals.files.sniffing import suffix_of_bytes

    if name != PIPE:
        return Source.of(name)
    if sys.stdin is None:
        raise UsageError("input is -, but stdin is closed, expected a pipe", "inr ... - < FILE")
    if sys.stdin.isatty():
        raise UsageError("input is -, but stdin is a terminal, expected a pipe", "inr ... - < FILE")
    data = sys.stdin.buffer.read()
    if not data:
        raise UnreadableError("stdin is empty")
    return Source("stdin" + suffix_of_bytes(data), data=data)


@dataclasses.dataclass(frozen=True)
class OutputTarget:
    """The output of a result: a file, or stdout (path None). force: replace an existing file."""

    path: Path | None
    force: bool = False

    @classmethod
    def of(cls, name: str | None, default: str, *, force: bool, suffixes: tuple[str, ...] = ()) -> OutputTarget:
        """Check an `-o` before any work is done. default: the name without `-o`. suffixes: those that can be written.

        Raises UsageError for a terminal, an existing file without `force`, and a place that cannot be written.
        """
        if name == PIPE:
            if sys.stdout is None:
                raise UsageError("output is -, but stdout is closed", "pipe it, or give -o a file name")
            if sys.stdout.isatty() and not force:
                raise UsageError(
                    "output is -, but stdout is a terminal", "pipe it, give -o a file name, or use --force"
                )
            return cls(None)
        path = Path(name or default)
        from inr.core.files import check_writable, is_stream

        is_unnamed = not path.suffix and is_stream(path)  # /dev/null, or what >(...) gives: in the default format
        if suffixes and path.suffix.lower() not in suffixes and not (is_unnamed or os.path.isdir(path)):
            raise UsageError(
                f"output {str(path)!r} has suffix {path.suffix!r}, expected one of {' '.join(suffixes)}",
                f"for example {path.stem}{suffixes[0]}",
            )
        check_writable(path, force=force)
        return cls(path, force)

    @property
    def is_stdout(self) -> bool:
        return self.path is None

    @property
    def name(self) -> str:
        return "stdout" if self.path is None else str(self.path)

    def suffix(self, default: str) -> str:
        """The suffix of the file's name; the default for stdout, and for a pipe or device without one."""
        return ("" if self.path is None else self.path.suffix.lower()) or default

    @contextlib.contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """An open file, which can be read and sought too. It becomes the output if the block ends without an error.

        Raises as `write`.
        """
        from inr.core.files import seekable, whole_file

        if self.path is not None:
            with whole_file(self.path, force=self.force) as file:
                yield file
            return
        with seekable("stdout") as held:
            yield held
            held.seek(0)
            while part := held.read(_PART_BYTES):
                write_stdout(part)

    def write(self, data: bytes, *, keep: bool = False) -> None:
        """All of the bytes, and a file whole or not at all. keep: as for `write_file`.

        Raises UnavailableError for a full disk, UsageError for a file that appeared in the meantime.
        """
        from inr.core.files import write_file

        if self.path is None:
            write_stdout(data, keep=keep)
        else:
            write_file(self.path, data, force=self.force, keep=keep)


def write_stdout(data: bytes, *, keep: bool = False) -> None:
    """All of the bytes to stdout. Raises UnavailableError for a full disk. keep: as for `write_file`."""
    from inr.core.files import save_elsewhere

    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        leave_stdout()
        kept = save_elsewhere("result", data) if keep else None
        raise refused(error, None if kept is None else f"the result is kept in {kept}") from error


def formatted_target(
    output: str | None, name: str | None, stem: str, formats: tuple[str, ...], default: str, *, force: bool
) -> tuple[OutputTarget, str]:
    """The target of a result with several formats, and the suffix of the one to write.

    output, name: `-o` and `--format`. formats: suffixes that can be written. default: the suffix when none is given.
    """
    chosen = None if name is None else "." + name.lstrip(".").lower()
    if chosen is not None and chosen not in formats:
        raise unknown_name("format", str(name), [suffix[1:] for suffix in formats])
    allowed = formats if chosen is None else ()
    target = OutputTarget.of(output, stem + (chosen or default), force=force, suffixes=allowed)
    if chosen is None:
        chosen = target.suffix(default)
    return target, chosen


def figure_target(output: str | None, *, force: bool) -> OutputTarget | None:
    """The file of a figure; None if no figure is wanted."""
    from inr.report import FIGURE_FORMATS

    if output == PIPE:
        raise UsageError("--figure is -, expected a file name", f"for example figure{FIGURE_FORMATS[0]}")
    return None if output is None else OutputTarget.of(output, "", force=force, suffixes=FIGURE_FORMATS)


def read_settings(name: str) -> dict[str, Any]:
    """The sections of settings in a TOML file, or in a JSON file of tiny-cuda-nn's. Raises as their readers do."""
    given = source(name)
    if given.suffix == ".json":
        from inr.exporters.tcnn import settings

        return settings(given)
    from inr.workflows.request import read_config

    return read_config(given)
