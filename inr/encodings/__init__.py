"""Encodings: modules from unit-box coordinates to features, one file each."""

from inr.encodings._encoding import ENCODINGS, Encoding, EncodingConfig
from inr.encodings._grid import GridConfig, GridEncoding
from inr.encodings._started_level import MOST_STARTED, started_level

__all__ = ["ENCODINGS", "MOST_STARTED", "Encoding", "EncodingConfig", "GridConfig", "GridEncoding", "started_level"]
