"""What the page needs to know of a kind of signal, and the view of lattices of any number of axes."""

from __future__ import annotations

from abc import ABC, abstractmethod

from inr.core.registry import Registry
from inr.fitting import Fit
from inr.report._panel import Floats, PanelRow
from inr.report._pictures import picture_rows
from inr.report._sounds import sound_rows
from inr.report._target import ShownSamples, Target

VIEWS: Registry[type[KindView]] = Registry("view of a kind of signal", "inr.report.views")


class KindView(ABC):
    """One kind of signal on the page."""

    @classmethod
    @abstractmethod
    def lead(cls, fit: Fit) -> list[str]:
        """Size and channels of the signal, in parts of a sentence; its noun comes before."""

    @classmethod
    @abstractmethod
    def rows(cls, target: Target, samples: ShownSamples | None) -> tuple[list[PanelRow], list[dict[str, float]]]:
        """Target, fits and errors side by side, and for each fit what was measured on the way.

        samples: of a lattice; None for other signals.
        """

    @classmethod
    def notes(cls, fit: Fit) -> list[str]:
        """What the page cannot show as it is."""
        return []

    @classmethod
    def rate_hz(cls, fit: Fit) -> float | None:
        """Samples per second, where frequencies are in hertz."""
        return None


class LatticeView(KindView):
    """Lines for one axis; pictures for two; the middle picture for more."""

    @classmethod
    def lead(cls, fit: Fit) -> list[str]:
        assert fit.spec.shape is not None
        size = " x ".join(map(str, fit.spec.shape)) + f" {fit.frame.domain.unit}"
        return [size, channels(fit)]

    @classmethod
    def rows(cls, target: Target, samples: ShownSamples | None) -> tuple[list[PanelRow], list[dict[str, float]]]:
        assert samples is not None, "the signal is a lattice"
        names = [entry.name for entry in target.entries]
        nothing: list[dict[str, float]] = [{} for _ in names]
        if len(samples.shape) == 1:
            return sound_rows(samples.target, samples.fitted, names, None), nothing
        (low, high), unit = cls.span(target.first, samples)
        shown = None if samples.target is None else cls.flat(samples.target, low, high)
        fitted = [cls.flat(values, low, high) for values in samples.fitted]
        return picture_rows(shown, fitted, names, unit, cls.profile(target.first)[0]), nothing

    @classmethod
    def notes(cls, fit: Fit) -> list[str]:
        note = cls.profile(fit)[1]
        return [] if note is None else [f"{note[0].upper()}{note[1:]}."]

    @classmethod
    def profile(cls, fit: Fit) -> tuple[bytes | None, str | None]:
        """The colour profile with which its pictures are shown, and a note if their colours cannot be."""
        return None, None

    @classmethod
    def span(cls, fit: Fit, samples: ShownSamples) -> tuple[tuple[float, float], str]:
        """The values shown as black and white, and the unit of errors: their difference."""
        shown = samples.fitted[0] if samples.target is None else samples.target
        return (float(shown.min()), float(shown.max())), " of the range"

    @classmethod
    def flat(cls, values: Floats, low: float, high: float) -> Floats:
        """[rows, columns, 1 to 4] in [0, 1]: the middle of leading axes, and the first of many channels."""
        while values.ndim > 3:
            values = values[values.shape[0] // 2]
        values = values if values.shape[-1] <= 4 else values[..., :1]
        return (values - low) / ((high - low) or 1.0)


def channels(fit: Fit) -> str:
    return "1 channel" if fit.spec.d_out == 1 else f"{fit.spec.d_out} channels"


def view_of(fit: Fit) -> type[KindView]:
    """The view of a fit's kind; a lattice of a kind without a view is shown as an array is."""
    return LatticeView if fit.spec.kind not in VIEWS and fit.spec.shape is not None else VIEWS[fit.spec.kind]
