"""Verification: a separate process decodes the file, and the quality of its output is measured."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

from inr.codec.container.header import Header
from inr.codec.surface import surface_metrics
from inr.core.child import Child
from inr.core.errors import FormatError, UnavailableError
from inr.core.files import writing

if TYPE_CHECKING:
    from inr.codec.compression_settings import CompressionSettings
    from inr.codec.decoded import Decoded
    from inr.fitting import Fit
    from inr.signals import Signal


MODULE = "inr.codec.decode_process"
"""The module that the separate process runs."""
QUICK_EFFORT = 1
"""At this effort the process starts before the encoding, which takes seconds."""


class Verifier:
    """Decodes one file in a separate process. A context manager that ends the process.

    The process may start before there is a file: it imports its modules and waits.
    """

    def __init__(self) -> None:
        self._child: Child | None = None
        self._request = -1
        """The end of a pipe into which the request is written."""

    @classmethod
    def for_run(cls, settings: CompressionSettings) -> Self:
        """One that has started if the run is short. A long run would only keep its memory taken."""
        verifier = cls()
        if settings.verify and settings.effort == QUICK_EFFORT:
            verifier.start()
        return verifier

    def start(self) -> None:
        """Start the process, unless it has started. Raises OSError if the system starts none."""
        if self._child is not None:
            return
        request, self._request = os.pipe()
        try:
            self._child = Child(
                MODULE, [str(request)], pass_fds=(request,), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
        finally:
            os.close(request)

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The process, once it has started."""
        return None if self._child is None else self._child.process

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._send("")
        if self._child is not None:
            self._child.end()
            assert self._child.process.stderr is not None
            self._child.process.stderr.close()

    def verify(
        self, data: bytes, header: Header, symbols_sha256: bytes, signal: Signal, as_model: bool = False
    ) -> dict[str, float]:
        """Decode these bytes and return the metrics. as_model: measure the field, not its samples.

        Raises FormatError if decoding fails or yields different symbols, UnavailableError if the disk is full.
        """
        with writing("temporary files"), tempfile.TemporaryDirectory(prefix="inr-verify-") as folder:
            path = Path(folder) / "compressed.inrz"
            path.write_bytes(data)
            suffix = ".safetensors" if as_model else header.codec_kind.lossless_suffix(header)
            out, report = Path(folder) / f"decoded{suffix}", Path(folder) / "report.json"
            self._decode([str(path), str(out), str(report)])
            found = bytes.fromhex(json.loads(report.read_text("utf-8"))["symbols_sha256"])
            if found != symbols_sha256:
                raise FormatError("verification failed: a separate process decoded other symbols than were encoded")
            return measure(out, signal)

    def _decode(self, paths: list[str]) -> None:
        self.start()
        assert self._child is not None
        process = self._child.process
        self._send(json.dumps(paths))
        _, errors = process.communicate()
        if process.returncode == 0:
            return
        lines = errors.decode(errors="replace").strip().splitlines() or [f"exit code {process.returncode}"]
        if process.returncode == UnavailableError.exit_code:
            raise UnavailableError(f"verification failed: {lines[-1]}", "make room, or set TMPDIR to another folder")
        raise FormatError(f"verification failed: a separate process could not decode the file: {lines[-1]}")

    def _send(self, request: str) -> None:
        """Write the request and close the pipe. A process that has ended reads nothing; its exit code says why."""
        if self._request < 0:
            return
        end, self._request = self._request, -1
        with contextlib.suppress(BrokenPipeError), os.fdopen(end, "w", encoding="utf-8") as pipe:
            pipe.write(request)


def measure(path: Path, signal: Signal) -> dict[str, float]:
    """Metrics of a decoded signal in a file, against the original."""
    from inr.signals import Lattice, Source

    if path.suffix == ".safetensors":
        from inr.fitting import Fit

        return _measure_fit(Fit.load(path), signal)
    assert isinstance(signal, Lattice), "all other kinds are measured by their model"
    again = type(signal).load(Source.of(path), signal.load_options(signal.meta))
    return signal.metrics_of(again.values.numpy())


def measure_decoded(decoded: Decoded, signal: Signal) -> dict[str, float]:
    """Metrics of a signal that was decoded in this process."""
    from inr.signals import Lattice

    if isinstance(signal, Lattice):
        return signal.metrics_of(decoded.values())
    return _measure_fit(decoded.fit(), signal)


def _measure_fit(fit: Fit, signal: Signal) -> dict[str, float]:
    metrics = signal.metrics(fit)
    return {**metrics, **surface_metrics(fit, signal, metrics.get("iou", 0.0))}
