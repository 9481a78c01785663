"""Encodings: modules from unit-box coordinates to features, one file each."""

from inr.encodings._encoding import ENCODINGS, Encoding, EncodingConfig

__all__ = ["ENCODINGS", "Encoding", "EncodingConfig"]
