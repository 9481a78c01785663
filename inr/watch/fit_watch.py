"""The observer behind the page: it shows a fit in a small share of its time, and lets it be paused and stopped."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from inr.core.errors import InrError
from inr.core.samples import Samples
from inr.core.stopwatch import preparation, working_clock
from inr.fields import Field
from inr.fitting import Fit, FitConfig, Observer, Progress
from inr.fitting.observer import Observers
from inr.signals import Signal
from inr.watch.painting import Painter, painter_of
from inr.watch.session import LONGEST_PAUSE_ALONE_S, Patience, Session, State

SHARE = 0.01
"""Of the fit's seconds, for what is shown. The server's threads and the client take a little more."""

LEAST_PERIOD_S = 0.25
"""At most four pictures a second."""

MESSAGE_PERIOD_S = 0.2
CURVE_PERIOD_S = 1.0
MOST_CURVE_POINTS = 400
FIRST_POINTS = 4096.0
"""Points of the field in the first picture, from which the time for others is estimated."""

LONGEST_PICTURE_S = 0.25
"""A picture of a running fit is coarser if it would take longer."""

_WAIT_S = 0.05


class FitWatch(Observer):
    """Shows one run on a `Session`'s page. It leaves nothing in files; the fit has the same bytes as without it.

    The field is evaluated between steps, on the thread of the fit, while somebody looks at the page, in at most
    `SHARE` of the fit's seconds: pictures are as fine and as frequent as that allows. A run that is paused waits in
    `on_step`; its clock stands still, as it does while pictures are made.

    save: called when the page asks for it, returns a sentence for the page. is_interrupted: whether the program must
    end, which ends a pause.
    """

    key, prefix = "", ""

    def __init__(
        self,
        session: Session,
        signal: Signal,
        *,
        save: Callable[[], str] | None = None,
        is_interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        self.save, self.is_interrupted = save, is_interrupted
        self._session, self._signal = session, signal
        self._settings = FitConfig()
        self._tracker: Observer | None = None
        self._n_looks = -1
        self._points: list[tuple[int, float, float, float | None]] = []
        self._stride = 1
        self._last_message = self._last_curve = self._last_picture = -math.inf
        self._painted: tuple[int, int] | None = None
        self._speed: float | None = None
        self._sized, self._whole = -1, 0
        self._spent = 0.0
        self._step = 0
        self._painter: Painter | None = None
        self._has_failed = False

    @property
    def is_stopping(self) -> bool:
        """Whether the page has asked to end the run and keep what it has learned."""
        return self._session.is_stopping

    def beside(self, others: Observers) -> Observers:
        """It and other observers, as a run takes them; what a tracker of the tangent kernel finds is shown."""

        def made(settings: FitConfig) -> Sequence[Observer]:
            self._settings = settings
            found = list(others(settings))
            self._tracker = next((observer for observer in found if observer.key == "ntk_track"), None)
            return [*found, self]

        return made

    # -- what the run calls

    def on_start(self, field: Field, samples: Samples) -> None:
        self._field = field
        self._painter = painter_of(self._fit(), samples, self._signal)

    def on_step(self, step: int, seconds: float) -> None:
        before = working_clock()
        self._step = step
        if self._session.state == "starting":
            self._session.say_state("running")
        if self._session.takes_save():
            self._on_save()
        if self._session.is_paused:
            self._pause()
        elif before - self._last_picture >= LEAST_PERIOD_S and self._session.feed.has_readers:
            self._paint_within(seconds)
        self.seconds += working_clock() - before

    def on_progress(self, progress: Progress) -> None:
        """Of the run, for the numbers and the curves."""
        before = working_clock()
        if progress.step % self._stride == 0 or not self._points:
            self._points.append((progress.step, progress.seconds, progress.loss, progress.psnr_db))
            if len(self._points) > MOST_CURVE_POINTS:
                del self._points[1::2]
                self._stride *= 2
        if before - self._last_message >= MESSAGE_PERIOD_S:
            self._last_message = before
            self._say(progress)
        self.seconds += working_clock() - before

    def on_end(self, step: int, seconds: float) -> None:
        """The last messages and the last bands; the final picture is made when all files are written."""
        before = working_clock()
        self._step = step
        self._say_curve()
        self._say_bands()
        self.seconds += working_clock() - before

    def document(self) -> Mapping[str, Any]:
        return {}

    def state(self) -> Mapping[str, Tensor]:
        return {}

    def restore(self, document: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
        """There is nothing to restore."""

    # -- after the run

    def show_result(self, fit: Fit, state: State, note: str) -> None:
        """The finished fit, with its metrics. To be called before `linger`."""
        self._field, self._step = fit.field, fit.steps
        self._say_curve()
        result = {"metrics": fit.metrics, "steps": fit.steps, "seconds": fit.seconds}
        self._session.feed.publish("result", result)
        self._session.say_state(state, note=note, outcome=fit.outcome)
        self._paint(math.inf)

    def linger(self, seconds: float | None) -> None:
        """Serve the page, and views of the finished field, until the program is interrupted or nobody needs it.

        seconds: at most; None: no limit.
        """
        end = math.inf if seconds is None else time.monotonic() + seconds
        while not self.is_interrupted() and not self._session.is_left and time.monotonic() < end:
            self._repaint()
            self._session.wait(_WAIT_S)

    # -- parts

    def _pause(self) -> None:
        session, patience = self._session, Patience(self._session)
        session.say_state("paused")
        while session.is_paused and not session.is_stopping and not self.is_interrupted():
            self._repaint()
            if session.takes_save():
                self._on_save("paused")
            if patience.is_over(LONGEST_PAUSE_ALONE_S):
                session.is_paused = False
            session.wait(_WAIT_S)
        session.say_state("running")

    def _on_save(self, state: State = "running") -> None:
        if self.save is not None:
            self._session.say_state(state, note=self.save())

    def _repaint(self) -> None:
        """At full size, if the page shows something else than what was painted last."""
        if self._session.feed.has_readers and self._painted != (self._step, self._session.view_number):
            self._paint(math.inf)

    def _paint_within(self, seconds: float) -> None:
        if self._painter is None or self._painted == (self._step, self._session.view_number):
            return
        self._spent = max(self._spent, SHARE * seconds - 2 * LONGEST_PICTURE_S)  # time alone is not saved up
        allowed = SHARE * seconds - self._spent
        if self._speed is None:
            if allowed > 0:
                self._paint(FIRST_POINTS)
            return
        if self._sized != self._session.view_number:
            self._sized, self._whole = self._session.view_number, self._painter.points(self._fit(), self._session.view)
        if allowed >= min(self._whole / self._speed, LONGEST_PICTURE_S):
            self._paint(min(allowed, LONGEST_PICTURE_S) * self._speed)

    def _paint(self, most_points: float) -> None:
        if self._painter is None or self._has_failed:
            return
        view, number = self._session.view, self._session.view_number
        is_first = self._painted is None
        before, prepared = working_clock(), preparation.seconds
        try:
            with preparation if is_first else contextlib.nullcontext():  # packages are imported on first use
                painted = self._painter.paint(self._fit(), view, most_points)
        except (InrError, RuntimeError) as error:  # torch raises RuntimeError where memory is short
            self._has_failed = True
            self._session.say_failure(error)
            return
        self._painted = (self._step, number)
        self._session.feed.publish_layers(painted.layers, "picture", {**painted.about, "step": self._step})
        spent = working_clock() - before
        self._spent += spent
        self._last_picture = before + spent
        if preparation.seconds == prepared and spent > 0:  # one that imported packages tells nothing of the others
            speed = painted.points / spent
            self._speed = speed if self._speed is None else 0.5 * (self._speed + speed)

    def _fit(self) -> Fit:
        signal = self._signal
        return Fit(self._field, signal.spec, signal.frame, signal.meta, self._settings)

    def _say(self, progress: Progress) -> None:
        self._session.feed.publish(
            "progress",
            {
                "step": progress.step,
                "steps": progress.steps,
                "seconds": progress.seconds,
                "limit_s": self._settings.time_s,
                "loss": progress.loss,
                "psnr_db": progress.psnr_db,
            },
        )
        if self._last_message - self._last_curve >= CURVE_PERIOD_S:
            self._last_curve = self._last_message
            self._say_curve()
            self._say_bands()

    def _say_curve(self) -> None:
        columns = list(zip(*self._points, strict=True)) or [(), (), (), ()]
        names = ("step", "seconds", "loss", "psnr_db")
        self._session.feed.publish("curve", dict(zip(names, columns, strict=True)))

    def _say_bands(self) -> None:
        if self._tracker is None:
            return
        found = self._tracker.document()
        if len(found["looks"]) != self._n_looks:
            self._n_looks = len(found["looks"])
            self._session.feed.publish("bands", bands_of(found))


def bands_of(log: Mapping[str, Any]) -> dict[str, Any]:
    """What the page draws of a log of the tangent kernel: edges, and the share left of every band at every look."""
    looks = [{"step": look["step"], "left": look["band_residual"]} for look in log["looks"]]
    return {"edges": log["edges"], "looks": looks}
