"""Decode a file and write the digest of its symbols to another (JSON), once a request for it comes through a pipe.

`compress` runs this module in a separate process to verify a file, see `verification`. Its exit code is that of the
error, whose message is the last line on stderr. The process may start long before the request: it imports what decodes
a picture meanwhile.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from inr.codec.decode import decompress
from inr.codec.profile import PROFILES
from inr.core import machine_code
from inr.core.errors import InrError
from inr.core.files import writing


def requested(arguments: Sequence[str]) -> tuple[str, str, str] | None:
    """Wait for the request: the file, where to write its signal, and where the digest. None if none comes."""
    (pipe,) = arguments
    with os.fdopen(int(pipe), encoding="utf-8") as waiting:
        text = waiting.read()
    if not text:
        return None
    file, out, report = json.loads(text)
    return file, out, report


def prepare() -> None:
    """Import what decodes a picture, and load its machine code."""
    PROFILES["pyramid"]
    machine_code.is_there()


def main(arguments: Sequence[str]) -> None:
    prepare()
    request = requested(arguments)
    if request is None:
        return
    file, out, report = request
    try:
        decoded = decompress(file)
        with writing("temporary files"):
            decoded.save(out)
            Path(report).write_text(json.dumps({"symbols_sha256": decoded.symbols_sha256.hex()}), "utf-8")
    except InrError as error:
        sys.stderr.write(f"{error.message}\n")
        raise SystemExit(error.exit_code) from error
