"""Registers the minimal profile in tests of the codec and in the decoder processes that they start."""

from __future__ import annotations

import pytest

from inr.codec import verification
from tests.codec import minimal as minimal


@pytest.fixture(autouse=True)
def _minimal_in_fresh_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "MODULE", "tests.codec.fresh")
