"""Videos on the page."""

from __future__ import annotations

from inr.fitting import Fit
from inr.report._target import ShownSamples
from inr.report._view import VIEWS, LatticeView, channels


@VIEWS.register("video")
class VideoView(LatticeView):
    """The middle frame."""

    @classmethod
    def lead(cls, fit: Fit) -> list[str]:
        assert fit.spec.shape is not None
        n, rows, columns = fit.spec.shape
        size = f"{n} frames of {columns} x {rows} pixels, the middle one is shown"
        return [size, f"{fit.meta['fps']:.4g} frames per second", channels(fit)]

    @classmethod
    def span(cls, fit: Fit, samples: ShownSamples) -> tuple[tuple[float, float], str]:
        return (0.0, 1.0), " of white"
