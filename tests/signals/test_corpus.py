"""Inputs that fuzzing found: each is refused in one line, or read with a note on its fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from inr.core.errors import InrError
from inr.signals import Source, load_signal

CORPUS = Path(__file__).parent / "corpus"


@pytest.mark.parametrize("path", sorted(CORPUS.iterdir()), ids=lambda path: path.name)
def test_inputs_found_by_the_fuzzer_are_refused_or_noted(path: Path) -> None:
    options = {"points": "64"} if path.suffix in (".obj", ".stl", ".ply", ".glb", ".off") else {}
    kind = "points" if path.name.startswith("points") else None
    try:
        printed = load_signal(Source(path.name, data=path.read_bytes()), kind, options).notes
    except InrError as error:
        printed = (error.message,)
    assert printed, "it is read as if nothing were wrong with it"
    assert all("\n" not in line and len(line) < 1000 for line in printed)
