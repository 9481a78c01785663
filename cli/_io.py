"""Where bytes come from and go to: files and the pipes `-`, checked before any work is done."""

from __future__ import annotations

import dataclasses
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inr._errors import UnreadableError, UsageError, unknown_name

if TYPE_CHECKING:
    from inr.signals import Source

PIPE = "-"
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
    (b"II*\0", ".tif"),
    (b"MM\0*", ".tif"),
    (b"fLaC", ".flac"),
    (b"OggS", ".ogg"),
    (b"\x93NUMPY", ".npy"),
    (b"PK\x03\x04", ".npz"),
    (b"ply", ".ply"),
    (b"glTF", ".glb"),
    (b"OFF", ".off"),
    (b"solid", ".stl"),
)
_OBJ_LINE = re.compile(rb"^v\s+-?[\d.]", re.MULTILINE)


def sniff(head: bytes) -> str:
    """The suffix of a format known by its first bytes, or an empty string."""
    if head[:4] == b"RIFF":
        return {b"WAVE": ".wav", b"WEBP": ".webp"}.get(head[8:12], "")
    known = next((suffix for magic, suffix in _MAGIC if head.startswith(magic)), "")
    return known or (".obj" if _OBJ_LINE.search(head) else "")


def source(name: str) -> Source:
    """A file, or the bytes on stdin for `-`, named `stdin` with the suffix that its first bytes tell."""
    from inr.signals import Source

    if name != PIPE:
        return Source.of(name)
    if sys.stdin.isatty():
        raise UsageError("input is -, but stdin is a terminal, expected a pipe", "inr ... - < FILE")
    data = sys.stdin.buffer.read()
    if not data:
        raise UnreadableError("stdin is empty")
    return Source("stdin" + sniff(data[:4096]), data=data)


@dataclasses.dataclass(frozen=True)
class Target:
    """Where a result goes: a file, or stdout (path None)."""

    path: Path | None

    @classmethod
    def of(cls, name: str | None, default: str, *, force: bool, suffixes: tuple[str, ...] = ()) -> Target:
        """Check an `-o` before any work is done. default: the name when there is none. suffixes: the ones that can be.

        Raises UsageError for a terminal, an existing file without `force`, and a place that can not be written.
        """
        if name == PIPE:
            if sys.stdout.isatty() and not force:
                raise UsageError(
                    "output is -, but stdout is a terminal", "pipe it, give -o a file name, or use --force"
                )
            return cls(None)
        path = Path(name or default)
        if suffixes and path.suffix.lower() not in suffixes:
            raise UsageError(
                f"output {str(path)!r} has suffix {path.suffix!r}, expected one of {' '.join(suffixes)}",
                f"for example {path.stem}{suffixes[0]}",
            )
        from inr._files import check_writable

        check_writable(path, force=force)
        return cls(path)

    @property
    def is_stdout(self) -> bool:
        return self.path is None

    @property
    def name(self) -> str:
        return "stdout" if self.path is None else str(self.path)

    def write(self, data: bytes) -> None:
        """All of the bytes, atomically where it is a file."""
        if self.path is None:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            return
        from inr._files import atomic

        with atomic(self.path) as temporary:
            temporary.write_bytes(data)


def formatted_target(
    output: str | None, name: str | None, stem: str, formats: tuple[str, ...], default: str, *, force: bool
) -> tuple[Target, str]:
    """The target of a result with several formats, and the suffix of the one to write.

    output, name: `-o` and `--format`. formats: suffixes that can be. default: the one when nothing says which.
    """
    chosen = None if name is None else "." + name.lstrip(".").lower()
    if chosen is not None and chosen not in formats:
        raise unknown_name("format", str(name), [suffix[1:] for suffix in formats])
    allowed = formats if chosen is None else ()
    target = Target.of(output, stem + (chosen or default), force=force, suffixes=allowed)
    if chosen is None:
        chosen = default if target.path is None else target.path.suffix.lower()
    return target, chosen


def read_settings(name: str) -> dict[str, Any]:
    """The sections of settings in a TOML file, or in a JSON file of tiny-cuda-nn's. Raises as their readers do."""
    if name.lower().endswith(".json"):
        from inr.export.tcnn import settings

        return settings(Path(name))
    from inr.fitting.request import read_config

    return read_config(name)
