"""A fresh process that decodes other symbols."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from inr.codec.decode_process import requested


def main(arguments: Sequence[str]) -> None:
    request = requested(arguments)
    assert request is not None
    Path(request[2]).write_text(json.dumps({"symbols_sha256": "00" * 32}))
