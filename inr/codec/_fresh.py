"""`python -m inr.codec._fresh FILE OUT REPORT`: decode FILE to OUT, and say the digest of its symbols in REPORT (JSON).

The process that `compress` verifies a file with; it knows nothing but the file.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from inr._errors import InrError
from inr.codec.decode import decompress


def main(arguments: list[str]) -> None:
    file, out, report = arguments
    try:
        decoded = decompress(file)
        decoded.save(out)
    except InrError as error:
        raise SystemExit(error.message) from error
    Path(report).write_text(json.dumps({"symbols_sha256": decoded.symbols_sha256.hex()}), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
