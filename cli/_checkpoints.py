"""Checkpoints of a fit or an encoding: their folder, and what happens when the disk is full."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from inr.core.errors import InrError, UnavailableError, UsageError
from inr.core.files import check_folder, fallback_folders, is_stream, reason_of
from inr.core.text import command

from ._io import OutputTarget
from ._output import Output

if TYPE_CHECKING:
    from inr.fitting import Outcome, Run

Write = Callable[[Any, Path, "Outcome"], None]
"""Writes what is in training as a checkpoint in a folder."""

SUFFIX = ".checkpoint"
_HINT = "choose another --checkpoint"
_LONGEST_NAME = 255 - len(SUFFIX)


class Saved(Protocol):
    """What is in training."""

    @property
    def step(self) -> int: ...


class Checkpoints:
    """The checkpoints of one run, in `folder`, which changes if its disk has no space for the last one."""

    def __init__(self, folder: Path, out: Output, *, is_used: bool, write: Write) -> None:
        self.folder = folder
        self._write = write
        self._out = out
        self._is_used = is_used
        self._has_failed = False

    @classmethod
    def of(
        cls,
        given: Path | None,
        resume: Path | None,
        target: OutputTarget,
        stem: str,
        out: Output,
        *,
        force: bool,
        is_regular: bool,
        write: Write,
    ) -> Checkpoints:
        """Choose the folder before any work is done: `given`, `resume`, or one named after the output.

        is_regular: checkpoints are written on the way. write: writes one. Raises UsageError for a place that cannot
        hold them, and for another run's checkpoint, which would be lost.
        """
        from inr.fitting import CHECKPOINT_NAME, is_unfinished

        folder = given or resume or _default(target, stem)
        try:
            is_there = folder.exists()
        except (OSError, ValueError) as error:
            raise UsageError(
                f"checkpoint folder {str(folder)!r} is not a usable name: {reason_of(error)}", _HINT
            ) from error
        if folder.is_symlink() and not is_there:
            raise UsageError(f"checkpoint folder {str(folder)!r} is a link that leads nowhere", _HINT)
        if is_there and not folder.is_dir():
            raise UsageError(f"checkpoint folder {str(folder)!r} is a file", _HINT)
        if given is not None or is_regular:
            what = "checkpoint folder" if is_there else "the parent of the checkpoint folder,"
            check_folder(folder if is_there else folder.parent, what, _HINT)
        if (folder / CHECKPOINT_NAME).exists() and folder != resume and not force and is_unfinished(folder):
            raise UsageError(
                f"checkpoint folder {str(folder)!r} holds an unfinished run",
                f"continue it with {command('--resume', folder)}, or start over with --force",
            )
        return cls(folder, out, is_used=folder == resume, write=write)

    def save(self, run: Saved) -> bool:
        """Write a checkpoint during the run; whether that worked. On a full disk, note it once and continue the run."""
        try:
            self._write(run, self.folder, "interrupted")
            self._is_used = True
            return True
        except InrError as error:
            if not self._has_failed:
                self._out.notes([f"no checkpoint at step {run.step}, the run continues: {error.message}"])
            self._has_failed = True
            return False

    def save_last(self, run: Saved) -> None:
        """Write the checkpoint of an interrupted run, into another folder if its own disk is full.

        Raises UnavailableError if all are.
        """
        try:
            self._write(run, self.folder, "interrupted")
        except InrError as error:
            for folder in fallback_folders():
                with contextlib.suppress(InrError):
                    self._write(run, folder, "interrupted")
                    self.folder = folder
                    self._out.notes([error.message])
                    return
            hint = f"the run ends at step {run.step} without a checkpoint"
            raise UnavailableError(error.message, self._older(run) if self._is_used else hint) from error

    def finish(self, run: Saved, outcome: Outcome) -> None:
        """Mark a checkpoint that was written on the way as one of a run that is over."""
        if self._is_used:
            try:
                self._write(run, self.folder, outcome)
            except InrError as error:
                self._out.notes([f"{str(self.folder)!r} is not marked as finished: {error.message}"])

    def _older(self, run: Saved) -> str:
        return f"the run ends at step {run.step}; its last checkpoint: {command('--resume', self.folder)}"


def write_run(run: Run, folder: Path, outcome: Outcome) -> None:
    """The checkpoint of a fit."""
    from inr.fitting import save_checkpoint

    save_checkpoint(run, folder, outcome)


def _default(target: OutputTarget, stem: str) -> Path:
    """Beside the output, with its name; in the current folder, with the input's name, if the output is a pipe or
    device."""
    if target.path is not None and not is_stream(target.path):
        return target.path.with_suffix(SUFFIX)
    return Path(os.fsdecode(os.fsencode(stem)[:_LONGEST_NAME]) + SUFFIX)
