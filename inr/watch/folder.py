"""A run of another process, shown from the checkpoints that it writes; this process reads files and nothing else."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from pathlib import Path

import torch

from inr.core.errors import InrError
from inr.core.samples import Samples
from inr.fitting import CHECKPOINT_NAME, Fit, unfinished_fit
from inr.signals import Signal
from inr.watch.fit_watch import bands_of
from inr.watch.painting import Painter, painter_of
from inr.watch.session import Session

POLL_S = 0.5
SETTLE_S = 0.05


class FolderWatch:
    """Shows the newest checkpoint in a folder. signal: what the run fits; None: no target and no error are shown.

    Raises UnreadableError when the folder has no readable checkpoint.
    """

    def __init__(self, folder: Path, signal: Signal | None) -> None:
        self._folder, self._signal = folder, signal
        self._stamp: tuple[int, int] | None = None
        self._painted = -1
        self.fit = unfinished_fit(folder)
        self._painter = self._painter_of(self.fit)

    def _painter_of(self, fit: Fit) -> Painter | None:
        signal = self._signal
        if signal is None or signal.tile is not None or signal.spec.shape is None:
            return painter_of(fit, None, signal)
        samples = Samples.counted(signal.spec, signal.pool(torch.Generator().manual_seed(0)))
        return painter_of(fit, samples, signal)

    def serve(self, session: Session, is_interrupted: Callable[[], bool], seconds: float | None = None) -> None:
        """Until the program is interrupted, the page says that nobody needs it, or the time is over."""
        end = math.inf if seconds is None else time.monotonic() + seconds
        while not is_interrupted() and not session.is_left and time.monotonic() < end:
            self._look(session)
            if self._painted != session.view_number and session.feed.has_readers and self._painter is not None:
                self._paint(self._painter, session)
            session.wait(POLL_S if self._painted == session.view_number else SETTLE_S)

    def _paint(self, painter: Painter, session: Session) -> None:
        self._painted = session.view_number
        try:
            painted = painter.paint(self.fit, session.view, math.inf)
        except (InrError, RuntimeError) as error:  # torch raises RuntimeError where memory is short
            session.say_failure(error)
        else:
            session.feed.publish_layers(painted.layers, "picture", {**painted.about, "step": self.fit.steps})

    def _look(self, session: Session) -> None:
        """Read the checkpoint again if it is another file; checkpoints are replaced as a whole."""
        try:
            found = os.stat(self._folder / CHECKPOINT_NAME)
            stamp = found.st_mtime_ns, found.st_ino
            if stamp == self._stamp:
                return
            self._stamp = stamp
            fit = unfinished_fit(self._folder)
        except OSError:
            return  # it was removed: what was read last stays
        except InrError as error:
            session.say_state("running", note=error.message)
            return
        if fit.spec != self.fit.spec:  # the run of another signal
            self._signal = None
            self._painter = self._painter_of(fit)
        self.fit, self._painted = fit, -1
        curve = fit.curve.document()
        session.feed.publish("curve", {**curve, "seconds": []})
        loss, psnr = (curve[name][-1] if curve[name] else None for name in ("loss", "psnr_db"))
        steps, limit = fit.settings.steps, fit.settings.time_s
        numbers = {"step": fit.steps, "steps": steps, "seconds": fit.seconds, "limit_s": limit}
        session.feed.publish("progress", {**numbers, "loss": loss, "psnr_db": psnr})
        if fit.ntk_track is not None:
            session.feed.publish("bands", bands_of(fit.ntk_track))
        if fit.outcome == "interrupted":
            session.say_state("running", note=f"The checkpoint of step {fit.steps}.")
        else:
            session.say_state("finished", note=f"The run is over, at step {fit.steps}.", outcome=fit.outcome)
