"""Golden checkpoints: a run that an earlier version interrupted continues and ends as an uninterrupted one.

`python -m tests.fitting.golden_checkpoint` adds the one of a new format version.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from inr.core.header import FORMAT_VERSION
from inr.fitting import CHECKPOINT_NAME, resume, save_checkpoint, unfinished_fit
from tests.fitting.golden_checkpoint import FOLDER, HALF, STEPS, begun, half, signal

every_version = pytest.mark.parametrize("folder", sorted(FOLDER.iterdir()), ids=lambda folder: folder.name)
MOST_BYTES = 40_000
"""Of which 25,280 are the states of five random generators."""
ROUNDING = 1e-4
"""Of values: machines differ in the last bits of a sine, and ten steps do not make much of that."""


def test_every_version_has_a_checkpoint() -> None:
    assert [path.name for path in sorted(FOLDER.iterdir())] == [f"v{n}" for n in range(1, FORMAT_VERSION + 1)]
    assert all((path / CHECKPOINT_NAME).stat().st_size < MOST_BYTES for path in FOLDER.iterdir())


@every_version
def test_the_run_continues_where_it_was_interrupted(folder: Path, tmp_path: Path) -> None:
    resumed = resume(folder, signal())
    assert resumed.step == HALF
    assert resumed.advance() == "done"
    ended = resumed.result("done")
    assert ended.steps == STEPS
    whole = begun()
    expected = whole.result(whole.advance())
    if _is_made_here(folder, tmp_path):
        assert ended.to_bytes() == expected.to_bytes()
    values, _ = ended.render()
    wanted, _ = expected.render()
    assert np.abs(values - wanted).max() <= ROUNDING * np.abs(wanted).max()


@every_version
def test_it_is_a_fit_that_is_not_finished(folder: Path, tmp_path: Path) -> None:
    save_checkpoint(half(), tmp_path)
    found, expected = unfinished_fit(folder), unfinished_fit(tmp_path)
    assert found.steps == expected.steps == HALF
    values, wanted = found.render()[0], expected.render()[0]
    assert np.abs(values - wanted).max() <= ROUNDING * np.abs(wanted).max()


def _is_made_here(folder: Path, scratch: Path) -> bool:
    """Whether this machine computes the same tensors as the checkpoint, so that the rest of the run must be equal."""
    save_checkpoint(half(), scratch)
    own, given = load_file(scratch / CHECKPOINT_NAME), load_file(folder / CHECKPOINT_NAME)
    return own.keys() == given.keys() and all(np.array_equal(own[name], given[name]) for name in own)
