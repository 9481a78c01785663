"""One encoding from its input to its file: what an interruption leaves behind, and how it is resumed."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from inr.core.text import command, printable

from ._checkpoints import Checkpoints
from ._interrupts import Interrupted, Interruption, held, shielded
from ._io import PIPE, OutputTarget
from ._output import Output, say
from ._training import say_interrupted

if TYPE_CHECKING:
    from inr.codec.compression_input import CompressionInput
    from inr.codec.compression_settings import CompressionSettings
    from inr.codec.encode import Compressed
    from inr.codec.encoding_checkpoint import EncodingCheckpoint
    from inr.codec.encoding_control import EncodingState
    from inr.codec.profile import OnProgress
    from inr.codec.verification import Verifier
    from inr.fitting import Outcome


@dataclasses.dataclass(frozen=True)
class Stopping:
    """What to do if a signal comes. is_kept: write the best so far. The others are as for `inr fit`."""

    out: Output
    is_kept: bool = False
    checkpoint: Path | None = None
    resume: Path | None = None
    save_every: int | None = None

    def resumed(self) -> EncodingCheckpoint | None:
        """The checkpoint to continue from."""
        if self.resume is None:
            return None
        from inr.codec.encoding_checkpoint import EncodingCheckpoint

        return EncodingCheckpoint.load(self.resume)


class StoppableEncoding:
    """One input that is compressed to one file, and may be stopped at any time.

    words: of the command that continues it, but for `--resume`, `-o` and `--force`.
    """

    def __init__(
        self, stopping: Stopping, given: CompressionInput, target: OutputTarget, stem: str, words: Sequence[str | Path]
    ) -> None:
        self._stopping, self._given, self._target, self._words = stopping, given, target, words
        self._resumed = stopping.resumed()
        if self._resumed is not None:
            self._resumed.check(given.signal)
        self._seconds = 0.0 if self._resumed is None else self._resumed.seconds
        self._checkpoints = Checkpoints.of(
            stopping.checkpoint,
            stopping.resume,
            target,
            stem,
            stopping.out,
            force=target.force,
            is_regular=stopping.save_every is not None,
            write=self._write,
        )
        self._interruption = Interruption()

    def settings_of(self, given: CompressionSettings) -> CompressionSettings:
        """Those of the checkpoint, or else the given ones."""
        if self._resumed is None:
            return given
        return dataclasses.replace(self._resumed.settings, verify=given.verify)

    def run(self, settings: CompressionSettings, on_progress: OnProgress, verifier: Verifier) -> Compressed:
        """Compress and write the file. Raises typer.Exit after an interruption that leaves a checkpoint alone."""
        from inr.codec.encode import compress_input
        from inr.codec.encoding_control import EncodingControl, EncodingStoppedError

        stopping = self._stopping
        self._started = time.perf_counter()
        self._settings = settings
        control = EncodingControl(
            should_stop=lambda: self._interruption.is_set(),
            is_kept=stopping.is_kept,
            training=self._held,
            resumed=None if self._resumed is None else self._resumed.state,
            save_every=stopping.save_every,
            save=self._checkpoints.save,
            is_saved=stopping.checkpoint is not None,
        )
        try:
            with self._held() if stopping.is_kept else contextlib.nullcontext():
                made = compress_input(self._given, settings, on_progress, control, verifier)
                made = dataclasses.replace(made, seconds=made.seconds + self._seconds)
                self._target.write(made.data, keep=True)
        except (EncodingStoppedError, Interrupted) as error:
            interrupted = error if isinstance(error, Interrupted) else self._interruption.error()
            if control.state is None:
                raise interrupted from None
            with shielded():
                state = control.state()
                self._checkpoints.save_last(state)
                folder = self._checkpoints.folder
                say_interrupted(stopping.out, "compress", state.step, self._spent(), folder, self._resume(folder))
            raise typer.Exit(interrupted.exit_code) from None
        if control.state is not None and not control.is_stopped:
            self._checkpoints.finish(control.state(), "done")
        if control.state is not None and control.is_stopped:
            self._say_kept(control.state().step)
        return made

    @property
    def folder(self) -> Path:
        """Where its checkpoint is after an interruption."""
        return self._checkpoints.folder

    def _say_kept(self, step: int) -> None:
        """Which file holds the best so far, and how to continue."""
        name = printable(self._target.name)
        if not self._stopping.out.as_json:
            words = command(*self._resume(self.folder), *([] if self._target.force else ["--force"]))
            say(f"interrupted at step {step}; {name} has the best so far\nhint: {words}", err=True)

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        with held() as self._interruption:
            yield

    def _spent(self) -> float:
        return self._seconds + time.perf_counter() - self._started

    def _write(self, state: EncodingState, folder: Path, outcome: Outcome) -> None:
        from inr.codec.encoding_checkpoint import EncodingCheckpoint

        found = EncodingCheckpoint.of(self._settings, state, self._given.signal, self._spent())
        found.save(folder, "done" if outcome == "done" else "interrupted")

    def _resume(self, folder: Path) -> list[str | Path]:
        target = self._target
        words = [*self._words, "--resume", folder, "-o", PIPE if target.path is None else target.path]
        return [*words, "--force"] if target.force else words
