"""The jitter slot: noise on the coordinates of a batch."""

from inr.fitting.jitters._base import JITTERS, JitterConfig

__all__ = ["JITTERS", "JitterConfig"]
