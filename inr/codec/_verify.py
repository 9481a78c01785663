"""Verification: a file is decoded by a process that knows nothing but the file, and what that one wrote is measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from inr._errors import FormatError
from inr.codec._header import Header

if TYPE_CHECKING:
    from inr.codec.profile import Decoded
    from inr.signals import Signal


COMMAND = (sys.executable, "-m", "inr.codec._fresh")


def suffix_of(header: Header) -> str:
    """The format that keeps what a signal of this kind is measured on."""
    if header.kind == "image":
        return ".tif" if header.meta["dtype"] == "float32" else ".png"
    return {"audio": ".wav", "array": ".npy"}.get(header.kind, ".safetensors")


def verify(
    path: Path, header: Header, symbols_sha256: bytes, signal: Signal, as_model: bool = False
) -> dict[str, float]:
    """Metrics of what a fresh process decodes from a file. as_model: of the field, between samples as well.

    Raises FormatError when it fails, or decodes other symbols.
    """
    with tempfile.TemporaryDirectory(prefix="inr-verify-") as folder:
        suffix = ".safetensors" if as_model else suffix_of(header)
        out, report = Path(folder) / f"decoded{suffix}", Path(folder) / "report.json"
        here = str(Path(__file__).parents[2])
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))}
        done = subprocess.run(
            [*COMMAND, str(path), str(out), str(report)],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise FormatError(f"verification failed: a fresh process can not decode the file: {lines[-1]}")
        found = bytes.fromhex(json.loads(report.read_text("utf-8"))["symbols_sha256"])
        if found != symbols_sha256:
            raise FormatError("verification failed: a fresh process decodes other symbols than were encoded")
        return measure(out, signal)


def measure(path: Path, signal: Signal) -> dict[str, float]:
    """Metrics of a decoded signal in a file, against the original."""
    from inr.signals import Evaluate, Source
    from inr.signals._lattice import Lattice

    if path.suffix == ".safetensors":
        from inr.fitting import Fit

        evaluate: Evaluate = Fit.load(path)
        return signal.metrics(evaluate)
    assert isinstance(signal, Lattice), "all other kinds are measured by their model"
    options = {"channels": "last"} if signal.meta.get("channels") == "last" else {}
    again = type(signal).load(Source.of(path), options)
    return signal.metrics_of(again.values.numpy())


def measure_decoded(decoded: Decoded, signal: Signal) -> dict[str, float]:
    """Metrics of a signal that was decoded here."""
    from inr.signals._lattice import Lattice

    if isinstance(signal, Lattice):
        return signal.metrics_of(decoded.values())
    return signal.metrics(decoded.fit())
