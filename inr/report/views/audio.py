"""Sounds on the page."""

from __future__ import annotations

from inr.fitting import Fit
from inr.report._panel import PanelRow
from inr.report._sounds import sound_rows
from inr.report._target import ShownSamples, Target
from inr.report._view import VIEWS, KindView, channels


@VIEWS.register("audio")
class AudioView(KindView):
    """Waveform, spectrogram and player."""

    @classmethod
    def lead(cls, fit: Fit) -> list[str]:
        assert fit.spec.shape is not None
        seconds = fit.frame.domain.extent[0]
        return [f"{seconds:.3g} s", f"{fit.spec.shape[0] / seconds:,.0f} Hz", channels(fit)]

    @classmethod
    def rows(cls, target: Target, samples: ShownSamples | None) -> tuple[list[PanelRow], list[dict[str, float]]]:
        assert samples is not None, "a sound is a lattice"
        names = [entry.name for entry in target.entries]
        rows = sound_rows(samples.target, samples.fitted, names, dict(target.first.meta))
        return rows, [{} for _ in names]

    @classmethod
    def rate_hz(cls, fit: Fit) -> float:
        return float(fit.meta["rate_hz"])
