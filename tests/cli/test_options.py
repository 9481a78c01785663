"""Options of commands: what two of them share is declared once, in `cli/_options.py`."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import inr_cli


def test_no_option_or_argument_is_declared_twice() -> None:
    found: Counter[str] = Counter()
    for path in Path(inr_cli.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("typer.Option", "typer.Argument"):
                found[ast.unparse(node)] += 1
    assert len(found) > 100
    assert [text for text, n in found.items() if n > 1] == []
