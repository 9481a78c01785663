"""What the views of shapes and point clouds share."""

from __future__ import annotations

from inr.fitting import Fit
from inr.report._panel import PanelRow
from inr.report._shapes import shape_rows
from inr.report._target import ShownSamples, Target
from inr.report._view import KindView


class DistanceView(KindView):
    """Surfaces from two sides, and a cross-section of the distance."""

    @classmethod
    def lead(cls, fit: Fit) -> list[str]:
        return [f"in a cube of side {fit.frame.domain.extent[0]:.3g}"]

    @classmethod
    def rows(cls, target: Target, samples: ShownSamples | None) -> tuple[list[PanelRow], list[dict[str, float]]]:
        names = [entry.name for entry in target.entries]
        return shape_rows(target.signal, [entry.fit for entry in target.entries], names)
