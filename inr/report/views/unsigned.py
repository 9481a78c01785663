"""Open surfaces on the page."""

from __future__ import annotations

from inr.report._distances import DistanceView
from inr.report._view import VIEWS


@VIEWS.register("unsigned")
class UnsignedView(DistanceView):
    """The fitted surface."""
