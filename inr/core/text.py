"""Text for people: safe display and shell quoting of file names and metadata, and numbers in few digits."""

from __future__ import annotations

import math
import shlex
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_JOINERS = "\u200c\u200d"
"""Format characters that scripts and emoji need, and that terminals do not interpret."""


def printable(text: str) -> str:
    r"""The text on one line, with escapes (`\x1b`, `\n`, `\u202e`) for characters that affect a terminal.

    These are control characters, line separators, and format characters such as those that change the direction of
    text. Bytes of a file name that are not valid in its encoding become `\xff`. The function is idempotent.
    """
    if text.isprintable():
        return text
    return "".join(_escape(c) if _is_unsafe(c) else c for c in text)


def command(*words: str | Path) -> str:
    """A line that a shell (bash, zsh) splits into exactly these words. A Path cannot be mistaken for an option."""
    return " ".join(
        _quoted(f"./{word}" if isinstance(word, Path) and str(word)[0] == "-" else str(word)) for word in words
    )


def _is_unsafe(c: str) -> bool:
    return unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") and c not in _JOINERS


def _escape(c: str) -> str:
    if "\udc80" <= c <= "\udcff":  # a byte that could not be decoded
        return f"\\x{ord(c) - 0xDC00:02x}"
    return c.encode("unicode_escape").decode()


def _quoted(word: str) -> str:
    if not any(map(_is_unsafe, word)):
        return shlex.quote(word)
    return "$'" + "".join(_in_quotes(c) for c in word) + "'"


def _in_quotes(c: str) -> str:
    if _is_unsafe(c):
        return "".join(f"\\x{byte:02x}" for byte in c.encode("utf-8", "surrogateescape"))
    return f"\\{c}" if c in "\\'" else c


def count_of(n: int, thing: str) -> str:
    """`1 step`, `2 steps`."""
    return f"{n} {thing}{'' if n == 1 else 's'}"


def human_seconds(seconds: float) -> str:
    """`11.2 s`, `4 min 05 s`, `2 h 03 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def error_line(error: BaseException) -> str:
    """`ValueError: its first line`, for errors of code that is not ours."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


def finite_json(value: Any) -> Any:
    """A value as JSON can hold it: numbers that are not finite become None, keys become text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): finite_json(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite_json(v) for v in value]
    return value


def rough_percent(share: float) -> str:
    """A share as a percentage of two digits, three from 100 on; below 0.01 and above 999 the limit is shown."""
    percent = 100 * share
    if not math.isfinite(percent):
        return "?"
    if percent > 999:
        return "over 999"
    if 0 < percent < 0.01:
        return "0.01"
    return f"{percent:.0f}" if percent >= 100 else f"{percent:.2g}"
