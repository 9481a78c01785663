"""Renders a picture from its grids, and begins with that while the finest grid is still being decoded."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from inr.codec.profiles.pyramid.architecture import Architecture, Array, synthesis_of
from inr.codec.profiles.pyramid.groups import Groups, dequantised
from inr.kernels.pyramid import Pyramid
from inr.kernels.threads import n_threads, one_thread

LEAST_VALUES, MOST_VALUES = 1 << 16, 1 << 24
"""Of a picture that is rendered ahead: a smaller one takes no time, a larger one is rendered when it is written, in
little memory."""
ROWS_AHEAD = 32
"""Rows of a strip that is rendered while the finest grid is decoded."""


def strips(architecture: Architecture, networks: Mapping[str, Array], grids: Sequence[Array]) -> Iterator[Array]:
    """Rows of the picture [C, R, W], in [0, 1]. An array is valid until the next one."""
    shown = Pyramid([grid.astype(np.float32) for grid in grids], *synthesis_of(architecture, networks))
    for _, rows in shown.strips():
        yield rows


def is_worth_it(architecture: Architecture) -> bool:
    """Whether another thread should render the picture while its finest grid is decoded."""
    n_values = architecture.height * architecture.width * architecture.channels
    return n_threads() > 1 and LEAST_VALUES <= n_values <= MOST_VALUES


class Ahead:
    """A listener of `stream.decode` with a thread that renders each strip as soon as its latents are there."""

    def __init__(self, architecture: Architecture) -> None:
        self._architecture = architecture
        self._changed = threading.Condition()
        self._n_rows, self._is_stopped = 0, False
        self._found: list[Array] = []
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def begin(self, groups: Groups, integers: Mapping[str, Array], grids: Sequence[Array]) -> None:
        networks = dequantised(self._architecture, groups, integers)
        self._thread = threading.Thread(target=self._run, args=(networks, grids), name="inr-render", daemon=True)
        self._thread.start()

    def add_rows(self, n_rows: int) -> None:
        """The first n rows of the finest grid are decoded."""
        with self._changed:
            self._n_rows = n_rows
            self._changed.notify()

    def stop(self) -> None:
        """Nothing more will be decoded; waits for the thread."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def strips(self) -> list[Array]:
        """All rows of the picture, as `strips` yields them, after `stream.decode`."""
        if self._thread is not None:
            self._thread.join()
        if self._error is not None:
            raise self._error
        return self._found

    def _run(self, networks: Mapping[str, Array], grids: Sequence[Array]) -> None:
        try:
            with one_thread():
                finest, *coarser = grids
                shown = [np.zeros(finest.shape, np.float32), *(grid.astype(np.float32) for grid in coarser)]
                parts, done = synthesis_of(self._architecture, networks), 0

                def wait(n_rows: int) -> None:
                    nonlocal done
                    with self._changed:
                        self._changed.wait_for(lambda: self._n_rows >= n_rows or self._is_stopped)
                        if self._is_stopped:
                            raise _StoppedError
                    shown[0][done:n_rows] = finest[done:n_rows]
                    done = max(done, n_rows)

                for _, rows in Pyramid(shown, *parts).strips(ROWS_AHEAD, wait):
                    self._found.append(rows.copy())
        except _StoppedError:
            pass
        except BaseException as error:  # noqa: BLE001  raised again by `strips`, on the thread that needs the rows
            self._error = error


class _StoppedError(Exception):
    """The grid will not be completed."""
