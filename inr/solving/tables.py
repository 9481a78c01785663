"""The tables of a problem file, before they are read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inr.core.config import read_toml
from inr.core.errors import InrError, UnreadableError, UsageError, did_you_mean

TABLES = {
    "problem": {"name", "equation", "equations", "periodic", "kind", "states", "eigenvalue", "absorb", "spots"},
    "axes": None,
    "fields": None,
    "geometry": None,
    "surfaces": None,
    "condition": {"on", "type", "equation", "hard", "weight"},
    "parameters": None,
    "unknowns": None,
    "data": None,
    "observed": {"file", "noise", "columns"},
    "reference": {"exact", "solver", "n"},
    "output": {"npz", "vti", "vtu", "png", "svg", "pdf", "mp4", "gif"},
    "solve": None,
}
MOST_FILE = 2**20


def read_problem(path: str | Path) -> dict[str, Any]:
    """The tables of a problem file. Raises UnreadableError for a missing file, or one that is not TOML."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableError(f"{path.name!r} cannot be read: {error.strerror}") from error
    if len(data) > MOST_FILE:
        raise UnreadableError(f"{path.name!r} has {len(data)} bytes, expected a problem of at most {MOST_FILE}")
    return read_toml(data, path.name)


def kind_of(document: Mapping[str, Any]) -> Any:
    """What [problem] says that it is: "boundary" or "picture"."""
    head = document.get("problem", {})
    return head.get("kind", "boundary") if isinstance(head, Mapping) else "boundary"


def check_tables(document: Mapping[str, Any]) -> None:
    for table, content in document.items():
        if table not in TABLES:
            raise UsageError(f"unknown table [{table}]{did_you_mean(table, TABLES)}", f"known: {', '.join(TABLES)}")
        is_list = table in ("condition", "observed")
        if not isinstance(content, list if is_list else Mapping):
            shown = f"[[{table}]]" if is_list else f"[{table}]"
            raise UsageError(f"{table} is not a table: write {shown}")
        known = TABLES[table]
        for each in content if is_list else [content]:
            if not isinstance(each, Mapping):
                raise UsageError(f"[[{table}]] is a list of tables")
            for key in each:
                if known is not None and key not in known:
                    raise UsageError(
                        f"[{table}] has an unknown entry {key!r}{did_you_mean(key, known)}",
                        f"known: {', '.join(sorted(known))}",
                    )


def names_in(value: Any, where: str) -> list[str]:
    """A text, or a list of texts, as a list."""
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list | tuple) or not all(isinstance(each, str) for each in found):
        raise UsageError(f"{where} is {value!r}, expected a text, or a list of texts")
    return list(found)


class About:
    """Errors inside begin with the place that they are about."""

    def __init__(self, where: str) -> None:
        self.where = where

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, InrError):
            raise type(error)(f"{self.where}, {error.message}", error.hint) from error
