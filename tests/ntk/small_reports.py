"""Small pictures, and reports about them, that several tests share."""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np

from inr.ntk import Ranks, Report, ntk_report
from inr.ntk.report import Band, Modes, Verdict
from inr.signals.image import Image

SMALL = {"type": "siren", "width": 32, "depth": 3}


def picture(cycles: float, side: int = 32) -> Image:
    """Stripes of so many cycles across it, 8 bits."""
    x = (np.arange(side) + 0.5) / side
    rows = 0.5 + 0.4 * np.sin(2 * math.pi * cycles * x)[None, :] * np.cos(2 * math.pi * x)[:, None]
    signal = Image.of_pixels((255 * rows[..., None]).astype(np.uint8))
    signal.name = "stripes"
    return signal


@functools.cache
def fine() -> Report:
    """Fine stripes, and sines that are far too slow for them."""
    field = {**SMALL, "activation": {"type": "sine", "omega": 3}}
    return ntk_report(picture(12), field, {"steps": 60}, points=64)


@functools.cache
def full() -> Report:
    """Mode full."""
    return ntk_report(picture(2), {**SMALL, "width": 8, "depth": 2}, {"steps": 40}, mode="full", points=64)


def band(low: float, high: float, energy: float, left: float, half: float = math.inf, kappa: float = 1.0) -> Band:
    return Band(low, high, 10, kappa, 0.0, kappa, 1.0, energy, 1.0, left, left, half)


def made(**changes: object) -> Report:
    """A field that learns everything, so that the verdict has no other finding."""
    modes = Modes(
        n=100, trace=100.0, largest=10.0, least=0.0, floor_index=100, values=(0.1,) * 100, energy=(1.0,) * 100,
        ranks=Ranks(10, 20, 50, 100), condition_trace=10, condition_target=10, kta=0.5, cka_target=0.5, lga=0.5,
        energy90=5, top10=0.9,
    )  # fmt: skip
    bands = (band(0, 0, 0, 0), band(0.01, 0.1, 90, 0.01), band(0.1, 0.5, 10, 0.01))
    report = Report(
        "quick", "siren", "a.png", "start", 10, 1000, 1, 100, 1e-3, 64, "adam", modes, {"body": 1.0}, bands,
        verdict=Verdict(0.0, math.nan, math.inf), cka_init=0.95, is_followed=True,
    )  # fmt: skip
    return dataclasses.replace(report, **changes)  # type: ignore[arg-type]


POOR = {
    "bands": (band(0, 0, 0, 0), band(0.01, 0.1, 90, 0.01), band(0.1, 0.5, 10, 0.9)),
    "verdict": Verdict(0.1, 0.22, 25.0),
}
