"""The limits that SECURITY.md states are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from inr.codec import Limits
from inr.core import document as _document
from inr.core import header as _header
from inr.exporters import tcnn
from inr.signals import array
from inr.signals.files import pictures as _pictures
from inr.signals.files import point_table as _point_table

TEXT = (Path(__file__).parent.parent / "SECURITY.md").read_text("utf-8")


def row(what: str) -> str:
    """The limit in the table's row with this beginning."""
    found = re.search(rf"^\| {re.escape(what)} \| (.*) \|$", TEXT, re.MULTILINE)
    assert found is not None
    return found[1]


def power(n: int) -> str:
    assert n & (n - 1) == 0
    return f"2^{n.bit_length() - 1}"


@pytest.mark.parametrize(
    ("what", "parts"),
    [
        ("header of a model or checkpoint", [f"{_header.MAX_HEADER_BYTES:,} bytes"]),
        (
            "its document",
            [
                f"{_document.MAX_DEPTH} deep",
                f"{_document.MAX_D_IN} coordinates",
                f"{_document.MAX_D_OUT:,} channels",
                f"{power(_document.MAX_SIDE)} samples",
            ],
        ),
        (
            "`.inrz`",
            [
                f"output {power(Limits().samples)} values",
                f"parameters {power(Limits().parameters)}",
                f"symbols {power(Limits().symbols)}",
                f"work {power(Limits().work)}",
            ],
        ),
        ("picture", [f"{power(_pictures.MAX_PIXELS)} pixels"]),
        ("array", [f"{power(array.MAX_VALUES)} values", f"{array.MAX_CHANNELS} channels"]),
        ("point cloud in text", [f"{power(_point_table.MAX_ROWS)} rows"]),
        ("JSON of tiny-cuda-nn", [f"{power(tcnn.MAX_JSON_BYTES)} bytes", f"{_document.MAX_DEPTH} deep"]),
    ],
)
def test_limits_are_those_of_the_documentation(what: str, parts: list[str]) -> None:
    for part in parts:
        assert part in row(what)
