"""The page of an encoding: the picture that a decoder would show, its rate and its quality, while it is trained."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch

from inr.codec.decode import decode
from inr.codec.encode import Compressed
from inr.codec.profile import Floats, OnProgress
from inr.signals import Lattice, Signal
from inr.watch.fit_watch import CURVE_PERIOD_S, LEAST_PERIOD_S, MESSAGE_PERIOD_S, MOST_CURVE_POINTS, SHARE
from inr.watch.painting import paint_picture
from inr.watch.session import LONGEST_PAUSE_ALONE_S, Patience, Session

_WAIT_S = 0.05


class EncodingWatch:
    """An `OnProgress` that shows one encoding on a page, in a share of `SHARE` of its time, and lets it be paused.

    Pictures come from pyramids alone; other profiles have the text of their progress. is_interrupted: whether the
    program must end, which ends a pause.
    """

    def __init__(self, session: Session, is_interrupted: Callable[[], bool] = lambda: False) -> None:
        self.is_interrupted = is_interrupted
        self.is_over = False
        self._session = session
        self._signal: Signal | None = None
        self._others: OnProgress | None = None
        self._values: torch.Tensor | None = None
        self._painted = -1
        self._points: list[tuple[int, float, float]] = []
        self._stride, self._step = 1, 0
        self._started = time.monotonic()
        self._spent = self._cost = 0.0
        self._last_message = self._last_curve = self._last_picture = -math.inf

    def begin(self, signal: Signal | None, others: OnProgress | None = None) -> None:
        """What is encoded (None: a model without its signal), and who else hears of the progress."""
        self._signal, self._others = signal, others
        self._started = time.monotonic()
        self._session.say_state("running")

    def __call__(self, share: float, text: str) -> None:
        if self._others is not None:
            self._others(share, text)
        if time.monotonic() - self._last_message >= MESSAGE_PERIOD_S:
            self._last_message = time.monotonic()
            seconds = self._last_message - self._started
            self._session.feed.publish(
                "facts", {"done": f"{100 * min(1.0, share):.0f} %", "now": text, "time": f"{seconds:.1f} s"}
            )
        self._wait_while_paused()

    def on_state(self, bits_per_sample: float, psnr_db: float, shown: Callable[[], Floats | None]) -> None:
        self._step += 1
        if self._step % self._stride == 0:
            self._points.append((self._step, bits_per_sample, psnr_db))
            if len(self._points) > MOST_CURVE_POINTS:
                del self._points[1::2]
                self._stride *= 2
        now = time.monotonic()
        if now - self._last_curve >= CURVE_PERIOD_S:
            self._last_curve = now
            self._say_curve()
        self._spent = max(self._spent, SHARE * (now - self._started) - 2 * self._cost)  # time alone is not saved up
        allowed = SHARE * (now - self._started) - self._spent
        if self._session.feed.has_readers and now - self._last_picture >= LEAST_PERIOD_S and allowed >= self._cost:
            is_first = self._values is None  # packages are imported and kernels loaded, which tells nothing of others
            pixels = shown()
            if pixels is not None:
                self._values = self._signal_values(pixels)
                self._paint()
            self._last_picture = time.monotonic()
            if not is_first:
                self._cost = self._last_picture - now
                self._spent += self._cost

    def end(self, made: Compressed) -> None:
        """The file is written: what it decodes to, its size and its measured quality."""
        self.is_over = True
        if isinstance(self._signal, Lattice) and len(self._signal.spec.shape or ()) == 2:
            self._values, self._painted = torch.from_numpy(decode(made.data).values()), -1
        self._say_curve()
        facts = {"done": "100 %", "now": "", "file": f"{len(made.data):,} bytes", "profile": made.profile}
        if made.bpp is not None:
            facts["rate"] = f"{made.bpp:.3f} bits per sample"
        quality = {name: f"{value:.4g}" for name, value in made.metrics.items() if math.isfinite(value)}
        self._session.feed.publish("facts", facts | {name.replace("_", " "): text for name, text in quality.items()})
        self._session.say_state("finished", note="The file is written.", outcome=made.outcome)

    def linger(self, seconds: float | None) -> None:
        """Serve the page until the program is interrupted or nobody needs it. seconds: at most; None: no limit."""
        end = math.inf if seconds is None else time.monotonic() + seconds
        while not self.is_interrupted() and not self._session.is_left and time.monotonic() < end:
            self._repaint()
            self._session.wait(_WAIT_S)

    def _wait_while_paused(self) -> None:
        session = self._session
        if not session.is_paused:
            return
        patience = Patience(session)
        session.say_state("paused")
        while session.is_paused and not self.is_interrupted() and not patience.is_over(LONGEST_PAUSE_ALONE_S):
            self._repaint()
            session.wait(_WAIT_S)
        session.is_paused = False
        session.say_state("running")

    def _repaint(self) -> None:
        if self._painted != self._session.view_number and self._session.feed.has_readers:
            self._paint()

    def _paint(self) -> None:
        self._painted = self._session.view_number
        if self._values is None or not isinstance(self._signal, Lattice):
            return
        painted = paint_picture(self._signal, self._values, self._session.view)
        self._session.feed.publish_layers(painted.layers, "picture", {**painted.about, "step": self._step})

    def _signal_values(self, pixels: Floats) -> torch.Tensor | None:
        """Pixels [C, rows, columns] in [0, 1] as values [rows, columns, C] in the signal's units."""
        if self._signal is None:
            return None
        return self._signal.frame.from_field(2 * torch.from_numpy(pixels).movedim(0, -1) - 1)

    def _say_curve(self) -> None:
        steps, rates, quality = zip(*self._points, strict=True) if self._points else ((), (), ())
        document = {"step": list(steps), "rate": list(rates), "psnr_db": list(quality)}
        self._session.feed.publish("curve", document)
