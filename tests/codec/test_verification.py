"""The separate process that decodes a file before it is written."""

from __future__ import annotations

import numpy as np
import pytest

import inr
from inr.codec import inspect, verification
from inr.codec.compression_settings import CompressionSettings
from inr.codec.verification import Verifier
from inr.core.errors import FormatError
from inr.signals.image import Image

PICTURE = Image.of_pixels(np.arange(480, dtype=np.uint8).reshape(12, 10, 4)[..., :3])


def test_a_process_that_started_before_the_file_decodes_it() -> None:
    made = inr.compress(PICTURE, profile="minimal", quality=60, verify=False)
    decoded = inr.decompress(made.data)
    with Verifier.for_run(CompressionSettings(effort=1)) as verifier:
        process = verifier.process
        assert process is not None
        verifier.start()
        assert verifier.process is process
        metrics = verifier.verify(made.data, decoded.header, decoded.symbols_sha256, PICTURE)
    assert metrics == made.metrics
    assert process.returncode == 0


def test_a_process_without_a_file_ends() -> None:
    with Verifier() as verifier:
        verifier.start()
        process = verifier.process
        assert process is not None
        assert process.poll() is None
    assert process.returncode is not None


def test_long_runs_and_files_that_are_not_verified_start_none_before() -> None:
    for settings in (CompressionSettings(effort=5), CompressionSettings(effort=1, verify=False)):
        with Verifier.for_run(settings) as verifier:
            assert verifier.process is None


def test_a_process_that_ended_early_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "MODULE", "tests.codec.fresh_unlucky")
    made = inr.compress(PICTURE, profile="minimal", quality=60, verify=False)
    with Verifier() as verifier:
        verifier.start()
        assert verifier.process is not None
        verifier.process.wait()
        with pytest.raises(FormatError, match="no such luck"):
            verifier.verify(made.data, inspect(made.data).header, b"", PICTURE)
