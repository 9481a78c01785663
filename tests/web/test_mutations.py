"""Changed files: the decoders in JavaScript and Python refuse the same ones, and give equal symbols for the others."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from inr.codec.decode import decode
from inr.core.errors import FormatError
from tests.codec.damage import mutated, resealed
from tests.web.runner import decoded
from tests.web.server import CODEC

N = 160


def expected(data: bytes) -> str | None:
    """The digest of the symbols, None for a malformed file; a lattice that is not finite is malformed too."""
    try:
        found = decode(data)
        with np.errstate(all="ignore"):
            is_finite = not found.header.is_lattice or bool(np.isfinite(found.values()).all())
    except FormatError:
        return None
    return found.symbols_sha256.hex() if is_finite else None


def changed_files(pattern: str, n: int) -> list[bytes]:
    """Golden files and n changed ones, with correct checksums."""
    seeds = [path.read_bytes() for path in sorted((CODEC / "golden").glob(pattern))]
    draw = random.Random(0)
    return [resealed(mutated(draw.choice(seeds), draw, seeds)) for _ in range(n)] + seeds


@pytest.mark.parametrize("pattern", ["pyramid-*.inrz", "grids-*.inrz", "weights-*.inrz"])
def test_changed_files_have_the_same_fate_in_both_languages(pattern: str, tmp_path: Path) -> None:
    files = changed_files(pattern, N)
    paths = []
    for i, data in enumerate(files):
        paths.append(tmp_path / f"{i}.inrz")
        paths[-1].write_bytes(data)
    here = [expected(data) for data in files]
    there = decoded(paths)
    # A changed number can be one that only Python knows, where the rest of the file is malformed.
    assert {found.get("error") for found in there} <= {None, "FormatError", "UnsupportedError"}
    differ = [i for i in range(len(files)) if here[i] != there[i].get("symbolsSha256")]
    assert [(i, there[i]) for i in differ if here[i] is None or there[i].get("error") != "UnsupportedError"] == []
    assert None in here
