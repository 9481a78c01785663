"""Verification: a separate process decodes the file, and the quality of its output is measured."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from inr.codec.container.header import Header
from inr.codec.surface import surface_metrics
from inr.core.child import Child
from inr.core.errors import FormatError, UnavailableError
from inr.core.files import writing

if TYPE_CHECKING:
    from inr.codec.decoded import Decoded
    from inr.fitting import Fit
    from inr.signals import Signal


MODULE = "inr.codec.decode_process"
"""The module that the separate process runs."""


def verify(
    data: bytes, header: Header, symbols_sha256: bytes, signal: Signal, as_model: bool = False
) -> dict[str, float]:
    """Decode these bytes in a separate process and return the metrics. as_model: measure the field, not its samples.

    Raises FormatError if decoding fails or yields different symbols, UnavailableError if the disk is full.
    """
    from inr.signals.metrics import Similarity

    with writing("temporary files"), tempfile.TemporaryDirectory(prefix="inr-verify-") as folder:
        path = Path(folder) / "compressed.inrz"
        path.write_bytes(data)
        suffix = ".safetensors" if as_model else header.codec_kind.lossless_suffix(header)
        out, report = Path(folder) / f"decoded{suffix}", Path(folder) / "report.json"
        with Child(MODULE, [str(path), str(out), str(report)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
            if header.codec_kind.is_picture:  # meanwhile
                Similarity.prepare()
            _, errors = child.process.communicate()
        if child.process.returncode != 0:
            lines = errors.decode(errors="replace").strip().splitlines() or [f"exit code {child.process.returncode}"]
            if child.process.returncode == UnavailableError.exit_code:
                raise UnavailableError(
                    f"verification failed: {lines[-1]}", "make room, or set TMPDIR to another folder"
                )
            raise FormatError(f"verification failed: a separate process could not decode the file: {lines[-1]}")
        found = bytes.fromhex(json.loads(report.read_text("utf-8"))["symbols_sha256"])
        if found != symbols_sha256:
            raise FormatError("verification failed: a separate process decoded other symbols than were encoded")
        return measure(out, signal)


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
