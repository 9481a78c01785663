"""Rate targets: exactly one field, within its range."""

from __future__ import annotations

import numpy as np
import pytest

from inr.codec.container.header import Header
from inr.codec.rate_target import RateTarget
from inr.core.errors import UsageError
from inr.signals.image import Image


def test_a_target_has_one_field() -> None:
    assert RateTarget().quality == 50
    assert RateTarget(bpp=0.5).quality is None
    with pytest.raises(UsageError, match="expected one of them"):
        RateTarget(bpp=1.0, quality=3.0)
    with pytest.raises(UsageError, match="> 0"):
        RateTarget(bpp=-1.0)
    with pytest.raises(UsageError, match="0 to 100"):
        RateTarget(quality=101.0)
    with pytest.raises(UsageError, match="> 0"):
        RateTarget(target_psnr_db=float("nan"))


def test_a_size_is_capped_at_what_any_file_of_the_signal_needs() -> None:
    header = Header.of(Image.of_pixels(np.zeros((4, 6, 3), np.uint8)))
    assert RateTarget(size_bytes=10**9).file_bytes(header) == 2**16 + 8 * 4 * 6 * 3
    assert RateTarget(size_bytes=500).file_bytes(header) == 500
    assert RateTarget(bpp=8.0).file_bytes(header) == 4 * 6
    assert RateTarget(quality=3.0).file_bytes(header) is None
