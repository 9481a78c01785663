"""The profile: which signals it refuses, and where it trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import inr
import inr.signals
from inr.codec.profile import PROFILES
from inr.codec.rate_target import RateTarget
from inr.core.errors import UsageError
from inr.signals.image import Image
from tests.codec.profiles.pyramid.pictures import picture


def test_other_signals_are_refused_in_a_sentence(tmp_path: Path) -> None:
    np.save(tmp_path / "plane.npy", np.zeros((4, 4), np.float32))
    with pytest.raises(UsageError, match="it codes pictures, the signal is of kind 'array'"):
        PROFILES["pyramid"]().encode(inr.signals.load_signal(tmp_path / "plane.npy"), RateTarget(), 1, 0)


@pytest.mark.gpu
def test_a_file_of_a_device_decodes_here() -> None:
    signal = Image.of_pixels(picture())
    made = inr.codec.compress(signal, effort=1, quality=40, device="cuda")
    assert made.is_verified
    again = inr.codec.compress(signal, effort=1, quality=40)
    assert made.metrics["psnr_db"] == pytest.approx(again.metrics["psnr_db"], abs=0.5)
    assert len(made.data) == pytest.approx(len(again.data), rel=0.05)


def test_the_profile_gets_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def encode(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(self.device)
        raise UsageError("enough")

    monkeypatch.setattr(PROFILES["pyramid"], "encode", encode)
    for device in ("cuda:1", "mps", "cpu"):
        with pytest.raises(UsageError, match="enough"):
            inr.codec.compress(Image.of_pixels(picture()), device=device)
    assert seen == ["cuda:1", "cpu", "cpu"]
