"""The page of a run: `--watch`, `--open` and `--linger`, and how long the program serves it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Self

from inr.core.errors import UsageError
from inr.core.text import printable

from . import _interrupts
from ._interrupts import held
from ._options import ANY_PORT, seconds
from ._output import Output

if TYPE_CHECKING:
    from inr.fitting import Fit
    from inr.signals import Signal
    from inr.watch import EncodingWatch, FitWatch, Session


@dataclasses.dataclass(frozen=True)
class AskedPage:
    """port: 0 for any. is_opened: in a browser. linger_s: seconds to serve it after the end; None: no limit."""

    port: int
    is_opened: bool
    linger_s: float | None

    @classmethod
    def of(cls, watch: str | None, is_opened: bool, linger: str | None, *, option: str = "--watch") -> Self | None:
        """What the options say; None without --watch. Raises UsageError for a port that cannot be one."""
        if watch is None:
            given = "--open" if is_opened else "--linger" if linger is not None else None
            if given is not None:
                raise UsageError(f"{given} is given without --watch, which serves the page", "add --watch")
            return None
        is_port = watch.isascii() and watch.isdecimal() and len(watch) < 6 and 0 < int(watch) < 65536
        if watch != ANY_PORT and not is_port:
            raise UsageError(
                f"{option} is {watch!r}, expected a port from 1 to 65535", "without a port, any that is free is taken"
            )
        return cls(
            0 if watch == ANY_PORT else int(watch), is_opened, None if linger is None else seconds(linger, "--linger")
        )

    def say(self, session: Session, out: Output) -> None:
        """The address, which holds a secret; on stderr also with --quiet, as nobody could open the page without it."""
        if self.port not in (0, session.server.port):
            out.note(f"port {self.port} is in use, serving at {session.server.port}")
        out.always(f"page: {session.url}")
        if self.is_opened:
            import webbrowser

            if not webbrowser.open(session.url):
                out.note("no browser could be opened: open the address yourself")


@contextlib.contextmanager
def watching(asked: AskedPage | None, signal: Signal, out: Output) -> Iterator[FitWatch | None]:
    """The observer behind the page that is served within the block; None where no page is wanted."""
    if asked is None:
        yield None
        return
    from inr.watch import FitWatch, Session

    title = printable(signal.name) or f"a {signal.noun}"
    session = Session(title, controls=("pause", "stop", "save"), port=asked.port)
    try:
        asked.say(session, out)
        yield FitWatch(session, signal)
    finally:
        session.close()


@contextlib.contextmanager
def ending(watch: FitWatch | None, asked: AskedPage | None, result: Fit, out: Output) -> Iterator[None]:
    """Within the block all work is done and no signal changes the exit code. After it the page is served for as long
    as `asked` says, or until a signal comes."""
    if watch is None or asked is None:
        _interrupts.end()
        yield
        return
    with held() as interruption:
        watch.is_interrupted = interruption.is_set
        is_stopped = result.outcome == "interrupted"
        text = "Stopped; what was learned is kept." if is_stopped else "The files are written."
        watch.show_result(result, "stopped" if is_stopped else "finished", text)
        try:
            yield
        finally:
            out.note(_serving(asked.linger_s))
            watch.linger(asked.linger_s)
    _interrupts.end()


@contextlib.contextmanager
def watching_encoding(asked: AskedPage | None, name: str, out: Output) -> Iterator[EncodingWatch | None]:
    """What shows an encoding on the page; None where no page is wanted. The page is served within the block and, if the
    file was written, after it for as long as `asked` says."""
    if asked is None:
        yield None
        return
    from inr.watch import EncodingWatch, Session

    with contextlib.closing(Session(name, controls=("pause",), port=asked.port)) as session:
        asked.say(session, out)
        watch = EncodingWatch(session, is_interrupted=lambda: _interrupts.number() is not None)
        try:
            yield watch
        finally:
            if watch.is_over and _interrupts.number() is None:
                with held() as interruption:
                    watch.is_interrupted = interruption.is_set
                    out.note(_serving(asked.linger_s))
                    watch.linger(asked.linger_s)


def serve(session: Session, asked: AskedPage, out: Output, loop: Callable[[Callable[[], bool]], None]) -> None:
    """Serve a page until a signal comes. loop: returns when the callable that it is given says so."""
    with contextlib.closing(session), held() as interruption:
        asked.say(session, out)
        out.note(_serving(asked.linger_s))
        loop(interruption.is_set)
    _interrupts.end()


def _serving(linger_s: float | None) -> str:
    limit = "" if linger_s is None else f", at most {linger_s:g} s"
    return f"serving the page until Ctrl-C{limit}"
