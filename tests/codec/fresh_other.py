"""A fresh process that decodes other symbols."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str]) -> None:
    Path(arguments[2]).write_text(json.dumps({"symbols_sha256": "00" * 32}))
