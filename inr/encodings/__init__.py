"""Encodings: modules from unit-box coordinates to features, one file each."""

from inr.encodings._encoding import ENCODINGS, Encoding, EncodingConfig
from inr.encodings._grid import GridConfig, GridEncoding

__all__ = ["ENCODINGS", "Encoding", "EncodingConfig", "GridConfig", "GridEncoding"]
