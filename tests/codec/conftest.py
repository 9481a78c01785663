"""The minimal profile is known to tests of the codec, and to the fresh processes that they start."""

from __future__ import annotations

import sys

import pytest

from inr.codec import _verify
from tests.codec import minimal as minimal

FRESH = (
    "import sys; sys.path.insert(0, {!r}); import tests.codec.minimal; "
    "from inr.codec._fresh import main; main(sys.argv[1:])"
)


@pytest.fixture(autouse=True)
def _minimal_in_fresh_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    root = str(minimal.__file__).rsplit("/tests/", 1)[0]
    monkeypatch.setattr(_verify, "COMMAND", (sys.executable, "-c", FRESH.format(root)))
