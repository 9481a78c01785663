"""Families and methods against their published forms: `python benchmarks/fidelity.py [--all] [--only NAME] [--record]`.

Runs every comparison of the tuples PUBLISHED in `tests/`: formulas, initial values and settings that were written out
from papers and their authors' code (`tests/published.py`). One line per family or method: comparisons, how many are
exact, how many differ and say so in the documentation (told), and the largest difference of two results with equal
parameters. --all prints every comparison. The exit code is 1 if one is WRONG: it differs and the documentation does not
say so, or the reverse. --record writes the record `fidelity`.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from _record import save

ROOT = Path(__file__).parent.parent


def comparisons(only: str = "") -> Iterator[dict[str, Any]]:
    """The rows of every PUBLISHED whose subject contains `only`."""
    sys.path.insert(0, str(ROOT))
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        if re.search(r"^PUBLISHED\b", path.read_text("utf-8"), re.MULTILINE) is None:
            continue
        module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        for statement in module.PUBLISHED:
            name = getattr(statement, "subject", None) or statement.name
            if only in name:
                yield from ({**dataclasses.asdict(row), "source": statement.source} for row in statement.rows())


def summaries(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row per family or method, which is the first word of a subject."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        name = re.split(r"[^\w-]", row["subject"])[0]
        none = {"subject": name, "source": row["source"], "exact": 0, "told": 0, "WRONG": 0, "error": None}
        summary = found.setdefault(name, none)
        summary[row["verdict"]] += 1
        if row["error"] is not None:
            summary["error"] = max(row["error"], summary["error"] or 0.0)
    return list(found.values())


def print_table(titles: tuple[str, ...], lines: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(titles, *lines, strict=True)]
    for line in (titles, *lines):
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--all", action="store_true", help="print every comparison")
    parser.add_argument("--only", default="", help="part of the name of a family or method")
    parser.add_argument("--record", action="store_true", help="write the record `fidelity`")
    given = parser.parse_args()
    rows = list(comparisons(given.only))
    if given.all:
        keys = ("verdict", "subject", "what", "published", "here")
        print_table(keys, [tuple(row[key] for key in keys) for row in rows])
        print()
    lines = [
        (s["subject"], str(s["exact"] + s["told"] + s["WRONG"]), str(s["exact"]), str(s["told"]), str(s["WRONG"] or ""),
         "" if s["error"] is None else f"{s['error']:.1e}")
        for s in summaries(rows)
    ]  # fmt: skip
    print_table(("family or method", "comparisons", "exact", "told", "WRONG", "largest difference"), lines)
    wrong = [row for row in rows if row["verdict"] == "WRONG"]
    for row in wrong:
        print(f"WRONG: {row['subject']} {row['what']}: published {row['published']}, here {row['here']}")
    if given.record:
        print(save("fidelity", rows))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
