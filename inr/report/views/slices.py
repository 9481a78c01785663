"""Slices on the page."""

from __future__ import annotations

from inr.report._distances import DistanceView
from inr.report._view import VIEWS


@VIEWS.register("slices")
class SlicesView(DistanceView):
    """The fitted surface."""
