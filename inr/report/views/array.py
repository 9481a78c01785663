"""Arrays on the page."""

from __future__ import annotations

from inr.report._view import VIEWS, LatticeView


@VIEWS.register("array")
class ArrayView(LatticeView):
    """Lines, pictures or the middle picture, by the number of axes."""
