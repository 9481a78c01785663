"""Shared by all loaders: options, reading, and decoders' errors in one readable line."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, BinaryIO

from inr.core.errors import InrError, UnreadableError, UsageError, did_you_mean
from inr.signals.files.sniffing import HEAD_BYTES

if TYPE_CHECKING:
    from inr.signals._source import Source


def check_options(kind: str, options: Mapping[str, str], known: Mapping[str, Sequence[str] | None]) -> None:
    """Refuse option keys that are not in `known`, and values that are not in its list of words (None: any text)."""
    for key, value in options.items():
        if key not in known:
            hint = f"known: {', '.join(known)}" if known else f"signals of kind {kind!r} have no options"
            raise UsageError(f"unknown option {key!r} of a signal of kind {kind!r}{did_you_mean(key, known)}", hint)
        words = known[key]
        if words is not None and value not in words:
            raise UsageError(
                f"option {key} is {value!r}, expected one of {', '.join(words)}{did_you_mean(value, words)}"
            )


MOST_SHOWN = 300
"""Characters of a decoder's message, at most; it may quote the file."""


@contextlib.contextmanager
def decoding(source: Source, what: str) -> Iterator[None]:
    """Turns any exception of the block into an UnreadableError that names the file; mutes warnings.

    MemoryError is passed on: it is not caused by damage.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (InrError, MemoryError):
        raise
    except Exception as error:  # decoders raise anything on hostile bytes
        lines = str(error).strip().splitlines()
        reason = lines[0][:MOST_SHOWN] if lines else type(error).__name__
        raise UnreadableError(f"cannot read {source.name!r} as {what}: {reason}") from error


def open_file(source: Source) -> BinaryIO:
    """An open file, or the bytes of a pipe; UnreadableError when there are none."""
    with decoding(source, "a file"):
        file = source.open()
        is_empty = not file.read(1)
        file.seek(0)
    if is_empty:
        file.close()
        raise UnreadableError(f"{source.name!r} is empty")
    return file


def read_bytes(source: Source) -> bytes:
    """All bytes of a source; UnreadableError when there are none."""
    with open_file(source) as file, decoding(source, "a file"):
        return file.read()


def head_of(source: Source) -> bytes:
    """The first bytes, by which `sniffing.suffix_of` knows a format."""
    with source.open() as file:
        return file.read(HEAD_BYTES)
