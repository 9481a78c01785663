"""Atomic file output: existing files are replaced only with `force`, devices never."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from inr.core.errors import InrError, UnavailableError, UsageError
from inr.core.pipes import pass_on
from inr.core.text import command

_DESCRIPTOR = re.compile(r"/dev/(?:(stdin|stdout|stderr)|fd/(\d+))|/proc/self/fd/(\d+)")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)
_NO_SYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)
_IN_MEMORY = 2**26
_NULLS = tuple(os.makedev(1, minor) for minor in (3, 5, 7))  # null, zero, full
_TERMINALS = (4, 5, *range(136, 144))


def check_writable(path: Path, *, force: bool) -> None:
    """Check an output path before any work is done. Raises UsageError.

    Folders, sockets, unwritable places and names that are too long are errors; so are, without `force`, existing
    files, links (also dangling ones), disks and other devices. Pipes, terminals and devices such as /dev/null are
    accepted: writing to them loses no data.
    """
    if is_stream(path) and (force or _holds_nothing(path)):
        return
    shown = f"output {str(path)!r}"
    target, mode = _look(path)
    if mode is not None and stat.S_ISDIR(mode):
        raise UsageError(f"{shown} is a directory, expected a file name", "add a file name to `output`")
    if mode is not None and stat.S_ISSOCK(mode):
        raise UsageError(f"{shown} is a socket, expected a file name", "choose another `output`")
    if not force and (mode is not None or path.is_symlink()):
        what = "exists" if mode is not None else f"exists, as a link to {str(target)!r}, which does not exist"
        raise UsageError(f"{shown} {what}", "use `force=True` to replace it, or another `output`")
    if mode is None or stat.S_ISREG(mode):
        check_folder(target.parent)


def check_folder(folder: Path, what: str = "output folder", hint: str = "choose another `output`") -> None:
    """Raise UsageError for a folder in which files cannot be created, before any work is done."""
    shown = f"{what} {str(folder)!r}"
    try:
        if not folder.is_dir():
            nearest = next((parent for parent in (folder, *folder.parents) if parent.exists()), folder)
            if nearest.exists() and not nearest.is_dir():
                raise UsageError(f"{shown} is not a usable path: {str(nearest)!r} is a file", hint)
            raise UsageError(f"{shown} does not exist", command("mkdir", "-p", folder))
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, ValueError) as error:
        raise UsageError(f"{shown} is not writable: {reason_of(error)}", hint) from error


def write_file(path: Path, data: bytes, *, force: bool, keep: bool = False) -> None:
    """Write a file atomically, see `whole_file`. keep: the data took long to compute.

    If writing fails, data with `keep` are saved in one of the `fallback_folders`; the error's hint says where.
    """
    try:
        with whole_file(path, force=force) as file:
            file.write(data)
    except InrError as error:
        if not keep or isinstance(error, _PathTakenError):
            raise
        kept = save_elsewhere(path.name, data)
        hint = error.hint if kept is None else f"the result was saved; after making room: {command('mv', kept, path)}"
        raise UnavailableError(error.message, hint) from error


@contextlib.contextmanager
def whole_file(path: Path, *, force: bool) -> Iterator[BinaryIO]:
    """An open file that becomes `path` if the block ends without an error; otherwise no file remains.

    force: replace an existing file, keeping its mode and, if permitted, its owner; links are followed. Without it, a
    file that appeared after the check stays unchanged: the result goes to another name beside it, which the UsageError
    states. Pipes and devices are written to, never replaced.
    Raises UsageError for an unwritable path, UnavailableError for a full or failing disk.
    """
    if not is_stream(path):
        check_writable(path, force=True)
        target, mode = _look(path)
        if mode is None or stat.S_ISREG(mode):
            with _new_file(path, target if force else path, force=force) as file:
                yield file
            return
    with seekable(path) as held:
        yield held
        held.seek(0)
        pass_on(held, path, descriptor_of(path))


@contextlib.contextmanager
def seekable(what: Path | str) -> Iterator[BinaryIO]:
    """A temporary file for what goes to a pipe; it is in memory while it is small. what: the output, in messages."""
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as held, writing(what):
        yield cast(BinaryIO, held)


@contextlib.contextmanager
def writing(what: Path | str) -> Iterator[None]:
    """Turn errors of a full or failing disk into an UnavailableError that names the file."""
    try:
        yield
    except OSError as error:
        raise _failed(what, error) from error


def save_elsewhere(name: str, data: bytes) -> Path | None:
    """Write data into the first of the `fallback_folders` with enough space; returns the file, or None."""
    for folder in fallback_folders():
        kept = folder / name
        try:
            kept.write_bytes(data)
        except OSError:
            kept.unlink(missing_ok=True)
        else:
            return kept
    return None


def fallback_folders() -> Iterator[Path]:
    """New folders for data that cannot be written to their path: in the temporary, current and home folders.

    A folder is removed if it stays empty.
    """
    for place in (None, os.curdir, os.path.expanduser("~")):
        try:
            folder = Path(tempfile.mkdtemp(prefix="inr-", dir=place)).absolute()
        except OSError:
            continue
        try:
            yield folder
        finally:
            with contextlib.suppress(OSError):
                folder.rmdir()


def descriptor_of(path: Path) -> int | None:
    """The file descriptor of a path such as /dev/stdout or /dev/fd/63; None for other paths."""
    found = _DESCRIPTOR.fullmatch(str(path))
    if found is None:
        return None
    stream, number = found[1], found[2] or found[3]
    return ("stdin", "stdout", "stderr").index(stream) if stream else int(number)


def is_stream(path: Path) -> bool:
    """Whether a path is a pipe or character device. Raises UsageError if it cannot be written to."""
    number = descriptor_of(path)
    try:
        mode = path.stat().st_mode if number is None else os.fstat(number).st_mode
        takes = os.access(path, os.W_OK) if number is None else _is_open_for_writing(number)
    except (OSError, ValueError) as error:
        if number is None:
            return False
        raise UsageError(f"output {str(path)!r} is not an open file", "choose another `output`") from error
    if number is None and not (stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)):
        return False
    if not takes:
        raise UsageError(f"output {str(path)!r} cannot be written to", "choose another `output`")
    return True


def reason_of(error: Exception) -> str:
    """The system's error text in lower case."""
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()


class _PathTakenError(UsageError):
    """A file appeared at the output path after it was checked."""


def _failed(what: Path | str, error: OSError) -> UnavailableError:
    hint = "make room, or choose another place" if error.errno in _NO_ROOM else "choose another place"
    return UnavailableError(f"cannot write {str(what)!r}: {reason_of(error)}", hint)


def _look(path: Path) -> tuple[Path, int | None]:
    """(the path with links resolved, the mode of the file there or None)."""
    try:
        target = Path(os.path.realpath(path)) if path.is_symlink() else path
        return target, target.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return target, None
    except (OSError, ValueError) as error:
        raise UsageError(
            f"output {str(path)!r} cannot be written: {reason_of(error)}", "choose another `output`"
        ) from error


def _is_open_for_writing(descriptor: int) -> bool:
    import fcntl  # available on every system with paths such as /dev/fd/3

    return bool(fcntl.fcntl(descriptor, fcntl.F_GETFL) & (os.O_WRONLY | os.O_RDWR))


def _holds_nothing(stream: Path) -> bool:
    """Whether a stream stores no data. Memory, flash and tapes are also character devices."""
    if descriptor_of(stream) is not None:
        return True
    found = stream.stat()
    is_passed_on = stat.S_ISFIFO(found.st_mode) or found.st_rdev in _NULLS
    return is_passed_on or os.major(found.st_rdev) in _TERMINALS


@contextlib.contextmanager
def _new_file(path: Path, target: Path, *, force: bool) -> Iterator[BinaryIO]:
    """A temporary file in the folder of `target`, unnamed if the system supports it: a kill then leaves no file."""
    with writing(path):
        descriptor, name = _open_new(target.parent)
    # The file object gets the target's name, because format writers read it.
    file = open(target, "w+b", opener=lambda *_: descriptor)  # noqa: SIM115  closed below, by `finally`
    try:
        try:
            yield file
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise _failed(path, error) from error
            raise
        with writing(path):
            file.flush()
            _sync(descriptor)
            if name is None:
                name = _named(descriptor, target.parent)
            if not (force and _replace(descriptor, name, target)):
                _place(name, path, target)
    finally:
        with contextlib.suppress(OSError):  # a failed flush fails again here
            file.close()
        if name is not None:
            name.unlink(missing_ok=True)


def _open_new(folder: Path) -> tuple[int, Path | None]:
    """(the descriptor of a new file in a folder, its name or None)."""
    unnamed = getattr(os, "O_TMPFILE", None)
    if unnamed is not None and os.path.isdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # some file systems have no unnamed files
            return os.open(folder, unnamed | os.O_RDWR, 0o666), None
    name = _hidden(folder)
    return os.open(name, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666), name


def _hidden(folder: Path) -> Path:
    """A unique hidden name, shorter than any limit."""
    return folder / f".inr-{os.urandom(8).hex()}"


def _named(descriptor: int, folder: Path) -> Path:
    """Link an unnamed file to a hidden name."""
    name = _hidden(folder)
    try:
        # With a folder's descriptor, Python follows the link to the open file.
        here = os.open(folder, os.O_RDONLY)
        try:
            os.link(f"/proc/self/fd/{descriptor}", name.name, src_dir_fd=here, dst_dir_fd=here)
        finally:
            os.close(here)
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise
        with open(descriptor, "rb", closefd=False) as unnamed, name.open("xb") as file:
            unnamed.seek(0)
            try:
                shutil.copyfileobj(unnamed, file)
                file.flush()
                _sync(file.fileno())
            except BaseException:
                name.unlink()
                raise
    return name


def _replace(descriptor: int, name: Path, target: Path) -> bool:
    """Replace a regular file, keeping mode and owner; False if the target is not a regular file."""
    try:
        before = target.lstat()
    except FileNotFoundError:
        before = None
    if before is not None:
        if not stat.S_ISREG(before.st_mode):
            return False
        with contextlib.suppress(OSError, AttributeError):
            os.chown(name, before.st_uid, before.st_gid)
        with contextlib.suppress(OSError):
            name.chmod(stat.S_IMODE(before.st_mode))
    os.replace(name, target)
    return True


def _place(name: Path, path: Path, target: Path) -> None:
    """Move a file to a free path; if the path is taken, move it to a free name beside it and raise an error."""
    try:
        _move_to_new(name, target)
    except FileExistsError:
        for n in itertools.count(1):
            other = target.with_name(f"{target.stem}-{n}{target.suffix}")
            if len(os.fsencode(other.name)) > 255:
                other = target.with_name(f"inr-{n}{target.suffix}"[:200])
            with contextlib.suppress(FileExistsError):
                _move_to_new(name, other)
                break
        raise _PathTakenError(
            f"output {str(path)!r} appeared while inr was running, and was not replaced",
            f"the result is in {command(other)}",
        ) from None


def _move_to_new(name: Path, place: Path) -> None:
    """Rename a file. Raises FileExistsError if the target exists in any form."""
    try:
        os.link(name, place)
    except FileExistsError:
        raise
    except OSError:  # no hard links: create the target first, then replace it
        os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        try:
            os.replace(name, place)
        except OSError:
            place.unlink()
            raise


def _sync(descriptor: int) -> None:
    """Flush to disk, if there is one; some systems report a full disk only here."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
