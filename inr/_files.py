"""Writing files: all or nothing, never over an existing one unless told to."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from inr._errors import UsageError


def check_writable(path: Path, *, force: bool) -> None:
    """Refuse an output path before any work is done: a folder, a missing parent, no permission, an existing file."""
    if path.is_dir():
        raise UsageError(f"output {str(path)!r} is a directory, expected a file name", "add a file name to -o")
    parent = path.parent
    if not parent.is_dir():
        raise UsageError(f"output folder {str(parent)!r} does not exist", f"mkdir -p {parent}")
    try:
        tempfile.TemporaryFile(dir=parent).close()
    except OSError as error:
        raise UsageError(f"output folder {str(parent)!r} is not writable", "choose another -o") from error
    if path.exists() and not force:
        raise UsageError(f"output {str(path)!r} exists", "use --force to replace it, or another -o")


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary file beside `path`, with its suffix; moved onto `path` when the block ends without an error."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
    except OSError as error:
        raise UsageError(f"can not write {str(path)!r}: {error.strerror}", "choose another -o") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
