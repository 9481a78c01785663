"""What mesh files in text share: encodings, blocks of whole lines, and numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

_BLOCK_BYTES = 2**18  # small, so that the garbage collector has few lists to look at

Numbers = np.ndarray[Any, np.dtype[np.float64]]


def plain(data: bytes) -> bytes:
    """Text without a byte order mark, UTF-16 turned into UTF-8.

    Only ASCII words are ever looked at, so names and comments may be in any other encoding.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace").encode()
    return data.removeprefix(b"\xef\xbb\xbf")


def blocks(data: bytes) -> Iterator[bytes]:
    """The text in blocks of some hundred kilobytes, of whole lines; one that ends in a backslash is with the next."""
    start = 0
    while start < len(data):
        end = data.find(b"\n", start + _BLOCK_BYTES) + 1 or len(data)
        while end < len(data) and data[end - 3 : end].rstrip(b"\r\n").endswith(b"\\"):
            end = data.find(b"\n", end) + 1 or len(data)
        yield data[start:end]
        start = end


def numbers(words: Sequence[bytes]) -> Numbers:
    """Words as float64; ValueError names the first that is not a number."""
    try:
        if b"_" in b"".join(words):
            raise ValueError
        return np.array(list(map(float, words)), np.float64)
    except ValueError:
        bad = next(word for word in words if not is_number(word))
        raise ValueError(f"{shown(bad)} is not a number{_comma(bad)}") from None


def is_number(word: bytes) -> bool:
    """Whether a word is a number as files have them: Python's 1_000 is not."""
    try:
        float(word)
    except ValueError:
        return False
    return b"_" not in word


def shown(word: bytes) -> str:
    """A word for a message, cut to a readable length."""
    text = word.decode("utf-8", "backslashreplace")
    return repr(text if len(text) <= 24 else text[:21] + "...")


def _comma(word: bytes) -> str:
    dotted = word.replace(b",", b".")
    return f", expected {dotted.decode()} with a decimal point" if is_number(dotted) else ""


CUT = "it ends without a line end: if it was cut short, its last number may lack digits"
"""A note for a text that `may_be_cut`."""


def may_be_cut(data: bytes) -> bool:
    """Whether a text ends without a line end, so that its last number may have lost digits."""
    return not data.endswith((b"\n", b"\r", b" ", b"\t"))
