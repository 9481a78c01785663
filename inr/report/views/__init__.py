"""How the page shows each kind of signal: one file per kind."""

from inr.report._view import VIEWS

__all__ = ["VIEWS"]
