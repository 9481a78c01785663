"""What all loaders share: options, and turning any decoder's complaint into one readable line."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from inr._errors import InrError, UnreadableError, UsageError, did_you_mean

if TYPE_CHECKING:
    from inr.signals._signal import Source


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


@contextlib.contextmanager
def decoding(source: Source, what: str) -> Iterator[None]:
    """Within the block any exception becomes an UnreadableError that names the file; decoders' warnings are muted."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except InrError:
        raise
    except Exception as error:  # decoders raise anything on hostile bytes
        lines = str(error).strip().splitlines()
        reason = lines[0] if lines else type(error).__name__
        raise UnreadableError(f"can not read {source.name!r} as {what}: {reason}") from error


def read_bytes(source: Source) -> bytes:
    """All bytes of a source; UnreadableError when there are none."""
    with decoding(source, "a file"), source.open() as file:
        data = file.read()
    if not data:
        raise UnreadableError(f"{source.name!r} is empty")
    return data
