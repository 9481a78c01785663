"""`inr desktop`: let the desktop know `.inrz` files, or forget them again."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from pathlib import Path
from typing import Annotated

import typer

from inr.core.errors import UsageError
from inr.core.files import write_file
from inr.core.text import printable

from . import _options as options
from ._output import Output

_LONGEST_UPDATE_S = 30


def desktop(
    is_installed: Annotated[bool, typer.Option("--install", help="Write the files.")] = False,
    is_removed: Annotated[bool, typer.Option("--remove", help="Remove them again.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be written or removed, and do nothing.")
    ] = False,
    as_json: options.Json = False,
    is_quiet: options.Quiet = False,
) -> None:
    """Tell the desktop of this user what .inrz files are: their type, their magic numbers, thumbnails, completion.

    The files are in ~/.local/share (XDG_DATA_HOME), and --remove takes away those and nothing else. Thumbnails are of
    pictures. Programs in a sandbox, such as the thumbnailer of GNOME, may not see an inr in your home folder.

    \b
    inr desktop --install
    inr desktop --install --dry-run
    inr desktop --remove
    """
    out = Output(as_json, is_quiet)
    if is_installed == is_removed:
        raise UsageError("expected one of --install and --remove")
    from ._desktop_files import MARK, data_home, files

    wanted = files()
    foreign = [path for path in wanted if path.exists() and MARK not in _text(path)]
    if is_installed and foreign:
        raise UsageError(f"{str(foreign[0])!r} exists and was not made by inr", "move it away first")
    changed = [path for path in wanted if is_installed or (path.exists() and path not in foreign)]
    for path in () if dry_run else changed:
        if is_installed:
            _folder(path)
            write_file(path, wanted[path].encode(), force=True)
        else:
            path.unlink()
    if not dry_run:
        _update(data_home() / "mime")
    verb = "written" if is_installed else "removed"
    text = "\n".join(f"{printable(str(path))}  {'would be ' if dry_run else ''}{verb}" for path in changed)
    names = [str(path) for path in changed]
    out.result("desktop", {verb: names, "is_dry_run": dry_run}, text or "nothing to remove", "\n".join(names))


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def _folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"folder {str(path.parent)!r} cannot be made: {error.strerror}") from error


def _update(folder: Path) -> None:
    """The database of types is made from the files by a program of the desktop, if it is installed."""
    found = shutil.which("update-mime-database")
    if found is not None and (folder / "packages").is_dir():
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run([found, str(folder)], capture_output=True, check=False, timeout=_LONGEST_UPDATE_S)
