"""Output into pipes and devices. A reader that never comes makes the program wait here, where signals may stop it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import BinaryIO


def pass_on(held: BinaryIO, path: Path, descriptor: int | None) -> None:
    """Write the rest of a file into a pipe or device. descriptor: if it is open already, which then stays open.

    Raises OSError if it cannot be written to.
    """
    with open(os.open(path, os.O_WRONLY) if descriptor is None else os.dup(descriptor), "wb") as out:
        shutil.copyfileobj(held, out)
