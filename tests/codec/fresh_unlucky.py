"""A fresh process that fails."""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str]) -> None:
    raise SystemExit("no such luck")
