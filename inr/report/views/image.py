"""Pictures on the page."""

from __future__ import annotations

from inr.fitting import Fit
from inr.report._target import ShownSamples
from inr.report._view import VIEWS, LatticeView
from inr.signals.files.colour_profiles import shown_profile


@VIEWS.register("image")
class ImageView(LatticeView):
    """Side by side, with a detail where the error is largest."""

    @classmethod
    def profile(cls, fit: Fit) -> tuple[bytes | None, str | None]:
        return shown_profile(fit.meta, fit.spec.d_out)

    @classmethod
    def span(cls, fit: Fit, samples: ShownSamples) -> tuple[tuple[float, float], str]:
        return super().span(fit, samples) if fit.meta.get("dtype") == "float32" else ((0.0, 1.0), " of white")
