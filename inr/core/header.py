"""The header of a model or checkpoint file (safetensors with one JSON document), read without torch."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from itertools import islice
from typing import Any, BinaryIO, NoReturn

from inr.core.document import check_document, damaged
from inr.core.errors import UnreadableError
from inr.core.rules import items, one_of, shown, table, whole

MAX_HEADER_BYTES = 100_000_000
FORMAT_VERSION = 1

_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "U16": 16, "I16": 16, "F16": 16, "BF16": 16, "U32": 32,
    "I32": 32, "F32": 32, "U64": 64, "I64": 64, "F64": 64, "C64": 64,
}  # fmt: skip
_TENSORS = table(
    others=table({"dtype": one_of(*_BITS), "shape": items(whole(), 0, 16), "data_offsets": items(whole(), 2, 2)})
)


def parse_header(file: BinaryIO, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(document, tensors) from an open file; tensors: name -> {"dtype", "shape", "data_offsets"}.

    Raises UnreadableError for other files and for invalid documents.
    """
    not_ours = UnreadableError(f"{name!r} is not an inr model", "expected a .safetensors file written by inr fit")
    start = file.read(8)
    size = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
    if not 2 <= size <= MAX_HEADER_BYTES:
        raise not_ours
    text = file.read(size)
    try:
        header = json.loads(text)
        document = json.loads(header.pop("__metadata__")["inr"], parse_constant=_refuse)
        version = document["version"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise not_ours from error
    if version != FORMAT_VERSION or isinstance(version, bool):
        raise UnreadableError(f"{name!r} has format version {shown(version)}, expected {FORMAT_VERSION}", "update inr")
    check_document(document, name)
    problems = list(islice(_TENSORS(header, ""), 100))
    if not problems:
        problems = [f"tensor {key[:40]!r} has a wrong size" for key, entry in header.items() if not _is_whole(entry)]
    if problems:
        raise damaged(name, problems)
    return document, header


def _is_whole(entry: Mapping[str, Any]) -> bool:
    """Whether the byte count of a tensor matches its shape and type."""
    begin, end = entry["data_offsets"]
    return bool(8 * (end - begin) == math.prod(entry["shape"]) * _BITS[entry["dtype"]])


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not valid JSON")
