"""A fresh process that knows the minimal profile."""

from __future__ import annotations

from inr.codec.decode_process import main as main
from tests.codec import minimal as minimal
