"""Golden model files: files of every format version open and give the same values.

`python -m tests.fitting.make_golden` adds the files of a new family, kind or format version.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import inr
from inr.core.header import FORMAT_VERSION, parse_header
from inr.fields import FIELDS
from inr.fitting import Fit
from inr.signals import SIGNALS

FOLDER = Path(__file__).parent / "golden"


def entries() -> Iterator[Any]:
    for listed in sorted(FOLDER.glob("v*/manifest.json")):
        for name, entry in json.loads(listed.read_text("utf-8")).items():
            path = listed.parent / f"{name}.safetensors"
            yield pytest.param(path, entry, id=f"{listed.parent.name}-{name}")


every_file = pytest.mark.parametrize(("path", "entry"), list(entries()))


def test_every_family_and_kind_and_version_has_a_file() -> None:
    listed = [case.values[1] for case in entries()]
    assert {entry["field"] for entry in listed} == set(FIELDS)
    assert {entry["kind"] for entry in listed} == set(SIGNALS)
    assert [path.name for path in sorted(FOLDER.iterdir())] == [f"v{n}" for n in range(1, FORMAT_VERSION + 1)]
    assert {case.values[0] for case in entries()} == set(FOLDER.glob("v*/*.safetensors"))


@every_file
def test_the_file_is_the_one_that_was_written(path: Path, entry: dict[str, Any]) -> None:
    assert hashlib.sha256(path.read_bytes()).hexdigest() == entry["sha256"]
    with path.open("rb") as file:
        document, _ = parse_header(file, path.name)
    assert f"v{document['version']}" == path.parent.name


@every_file
def test_the_model_still_gives_the_same_signal(path: Path, entry: dict[str, Any]) -> None:
    """Values are floats: they are equal up to rounding, not bit by bit."""
    model = inr.load(path)
    printed = entry["rendered"]
    values, meta = model.render(size=printed["size"])
    expected = np.array(printed["values"]).reshape(printed["shape"])
    assert values.shape == expected.shape
    size = float(np.abs(expected).max())
    assert np.abs(values - expected).max() <= 1e-4 * size
    assert {key: meta[key] for key in printed["meta"]} == printed["meta"]


@every_file
def test_written_again_it_opens_again_and_gives_the_same(path: Path, entry: dict[str, Any], tmp_path: Path) -> None:
    """Files of the current version are written with the same bytes, except for the versions in them."""
    model = inr.load(path)
    model.save(tmp_path / "again.safetensors")
    again = inr.load(tmp_path / "again.safetensors")
    x = torch.rand(16, model.spec.d_in, generator=torch.Generator().manual_seed(0))
    assert torch.equal(again(x), model(x))
    assert _lasting(again) == _lasting(model)


def _lasting(model: Fit) -> dict[str, Any]:
    return {key: value for key, value in model.document().items() if key != "made_by"}
