"""Golden files: files of every version decode to the same symbols, with any number of threads and both coders.

`python -m tests.codec.make_golden FILE.inrz` adds a file of another profile.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch

import inr
from inr.codec import inspect

FOLDER = Path(__file__).parent / "golden"
MANIFEST = json.loads((FOLDER / "manifest.json").read_text("utf-8"))
every_file = pytest.mark.parametrize("name", sorted(MANIFEST))


def test_every_file_is_in_the_manifest() -> None:
    assert sorted(MANIFEST) == sorted(path.name for path in FOLDER.glob("*.inrz"))


@every_file
def test_the_file_is_the_one_that_was_written(name: str) -> None:
    assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == MANIFEST[name]["sha256"]
    assert inspect(FOLDER / name).name == MANIFEST[name]["profile"]


@every_file
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("backend", ["", "reference"])
def test_it_decodes_to_the_same_symbols(name: str, threads: int, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(threads)
    if backend:
        monkeypatch.setenv("INR_BACKEND", backend)
    assert inr.decompress(FOLDER / name).symbols_sha256.hex() == MANIFEST[name]["symbols_sha256"]


@every_file
def test_the_model_still_gives_the_same_signal(name: str) -> None:
    """Values are float arithmetic: their mean magnitude is kept, not their bits."""
    decoded = inr.decompress(FOLDER / name)
    assert list(decoded.header.array_shape) == MANIFEST[name]["array_shape"]
    if decoded.header.is_lattice:
        assert abs(decoded.values()).mean() == pytest.approx(MANIFEST[name]["mean_magnitude"], rel=1e-4)
