"""What progress says of the time that is left."""

from __future__ import annotations

import pytest
from inr_cli import _progress
from inr_cli._progress import PartProgress


def test_what_came_before_the_first_report_says_nothing_of_the_rest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """40 s of compilation, then a tenth of the work, which had begun at a half, in 10 s."""
    times = iter([0.0, 40.0, 50.0])
    monkeypatch.setattr(_progress.time, "perf_counter", lambda: next(times))
    with PartProgress(is_shown=True, name="photo.png") as progress:
        progress(0.5, "30 dB")
        progress(0.6, "31 dB")
    first, second = capsys.readouterr().err.splitlines()
    assert first == " 50%  photo.png  30 dB"
    assert second == " 60%  photo.png  31 dB  40.0 s left"
