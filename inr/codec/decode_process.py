"""Decode FILE to OUT and write the digest of its symbols to REPORT (JSON).

`compress` runs this module in a separate process to verify a file. Its exit code is that of the
error, whose message is the last line on stderr.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from inr.codec.decode import decompress
from inr.core.errors import InrError
from inr.core.files import writing


def main(arguments: Sequence[str]) -> None:
    file, out, report = arguments
    try:
        decoded = decompress(file)
        with writing("temporary files"):
            decoded.save(out)
            Path(report).write_text(json.dumps({"symbols_sha256": decoded.symbols_sha256.hex()}), "utf-8")
    except InrError as error:
        sys.stderr.write(f"{error.message}\n")
        raise SystemExit(error.exit_code) from error
