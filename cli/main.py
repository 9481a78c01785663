"""The entry point of the `inr` program: settings of the process that come before any large import."""

from __future__ import annotations

import os
import sys

from . import _first_signals

TYPE_CHECKING = False  # `typing` is large, and one more name that a file of the current folder could have
if TYPE_CHECKING:
    from typing import Any

    from ._commands import app as app


def run() -> None:
    """The `inr` program."""
    _first_signals.install()
    _forget_current_folder()
    from . import _interrupts

    _interrupts.install()
    from ._streams import prepare

    prepare()
    # OpenMP's idle threads would spin, on the cores that our own threads need; to be set before torch is imported
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # tables of large grids are read at random places: in pages of 2 MB instead of 4 kB few of them miss the page table
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    if "TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("RANK", "0") != "0":
        silence = os.open(os.devnull, os.O_WRONLY)  # only the first process of torchrun prints
        os.dup2(silence, 1)
        os.dup2(silence, 2)
    import warnings

    warnings.simplefilter("ignore")  # libraries warn their authors; what a user should know comes as notes
    from ._commands import app_for

    try:
        app_for(sys.argv[1:])()
    except SystemExit as error:
        if "torch" in sys.modules:
            from ._ending import end_at_once

            end_at_once(error.code if isinstance(error.code, int) else 0)
        raise


def _forget_current_folder() -> None:
    """No modules are imported from the current folder, neither here nor in a process that a library starts.

    `python -m`, which torchrun uses, puts it first in the search path, and it may contain a file such as random.py. If
    the current folder was deleted, MKL cannot be loaded; the process then changes to a folder in which nobody can
    create a file, so that relative paths still fail.
    """
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        here = os.getcwd()
    except OSError:
        here = ""
        if os.path.isdir("/proc/self"):
            os.chdir("/proc/self")
    if sys.flags.safe_path or not sys.path:
        return
    is_module = getattr(sys.modules["__main__"], "__spec__", None) is not None
    if sys.path[0] == "" or (is_module and sys.path[0] == here):
        del sys.path[0]


def __getattr__(name: str) -> Any:
    """Import `app`, the list of commands, on first use."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ._commands import app

    return app


if __name__ == "__main__":
    run()
