"""inr: fit neural fields to pictures, sound, shapes and arrays."""

from __future__ import annotations

__version__ = "0.1.0"
