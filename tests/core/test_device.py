"""The choice of a device."""

from __future__ import annotations

import pytest
import torch

from inr.core.device import pick
from inr.core.errors import UnavailableError, UsageError


def test_devices() -> None:
    assert pick("cpu")[0] == torch.device("cpu")
    device, why = pick("auto")
    assert device.type in why
    with pytest.raises(UsageError, match=r"unknown device 'cup' .did you mean 'cpu'"):
        pick("cup")
    with pytest.raises(UnavailableError, match="'cuda:99' is not available"):
        pick("cuda:99")
