"""Output paths: always inside the output folder, and different for every input."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from inr.core.errors import UsageError
from inr.core.files import reason_of

_SORTS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def is_inside(name: str) -> bool:
    """Whether a name (`photos/a.inrz`) is a path inside a folder, apart from links."""
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return "\0" not in name and all(part not in ("", ".", "..") for part in name.split("/"))


def place_of(folder: Path, name: str) -> Path:
    """The path of an output. Raises UsageError if it is outside the folder or exists and is not a regular file."""
    path = folder / name
    shown = f"output {str(path)!r}"
    try:
        if not is_inside(name) or not path.parent.resolve().is_relative_to(folder.resolve()):
            raise UsageError(f"{shown} is not inside {str(folder)!r}", "remove the link that leads out of it")
        above = next(part for part in path.parents if os.path.lexists(part))
        if not above.is_dir():
            raise UsageError(f"{shown} needs a folder where {str(above)!r} is", "move that, or choose another `output`")
        sort = stat.S_IFMT(path.lstat().st_mode)
    except FileNotFoundError:
        return path
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
        raise UsageError(
            f"{shown} is not a usable name: {reason_of(error)}", "rename the input, or choose another `output`"
        ) from error
    if sort != stat.S_IFREG:
        raise UsageError(
            f"{shown} is {_SORTS.get(sort, 'no file')}, expected a file or nothing",
            "move it, or choose another `output`",
        )
    return path


def free_name(item: str, suffix: str, taken: Collection[str]) -> str:
    """A name for an input's output: with the suffix replaced, else with the suffix appended, else with a number.

    taken: keys (`key_of`) of names in use.
    """
    short = PurePosixPath(item).with_suffix(suffix).as_posix()
    names = [short, item + suffix]
    while key_of(names[0]) in taken:
        names.pop(0)
        if not names:
            n = 2
            while key_of(f"{item}-{n}{suffix}") in taken:
                n += 1
            names.append(f"{item}-{n}{suffix}")
    return names[0]


def key_of(name: str) -> str:
    """A key that is equal for names that may be the same file on case-insensitive or normalising file systems."""
    return unicodedata.normalize("NFC", name).casefold()
