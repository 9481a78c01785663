"""The header of a model or checkpoint file: safetensors with one JSON document in it; read without torch."""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO

from inr._errors import UnreadableError

MAX_HEADER_BYTES = 100_000_000
FORMAT_VERSION = 1


def parse_header(file: BinaryIO, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(document, tensors) from an open file; tensors: name -> {"dtype", "shape", "data_offsets"}.

    Raises UnreadableError for anything that is not such a file.
    """
    not_ours = UnreadableError(f"{name!r} is not an inr model", "expected a .safetensors file written by inr fit")
    start = file.read(8)
    size = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
    if not 2 <= size <= MAX_HEADER_BYTES:
        raise not_ours
    text = file.read(size)
    try:
        header = json.loads(text)
        document = json.loads(header.pop("__metadata__")["inr"])
        version = document["version"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise not_ours from error
    if version != FORMAT_VERSION:
        raise UnreadableError(f"{name!r} has format version {version}, expected {FORMAT_VERSION}", "update inr")
    return document, header
