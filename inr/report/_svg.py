"""Figures as inline SVG: no external references, scaled by the page, and in the colours of its theme."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from inr.report.style import COLOURS, FAINT, GREY, INK, SOFT, STYLE, matplotlib, to_bytes

THEMED = {
    INK: "var(--ink)",
    SOFT: "var(--soft)",
    GREY: "var(--grey)",
    FAINT: "var(--faint)",
    "#ffffff": "var(--card)",
    **{colour: f"var(--c{rank})" for rank, colour in enumerate(COLOURS)},
}
TEXT = {"svg.fonttype": "none"}
"""Text stays text: it can be searched and selected, and takes a tenth of the bytes of outlines."""


def draw(size: tuple[float, float], paint: Callable[[Any], None], label: str) -> str:
    """An inline SVG of a figure. size: in inches. label: what it shows, for screen readers."""
    mpl = matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context({**STYLE, **TEXT}):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        paint(figure)
        return inline(to_bytes(figure, ".svg"), label)


def inline(svg: bytes, label: str, *, is_themed: bool = True) -> str:
    """A figure's SVG file as an element of a page. is_themed: use the colours of the page's theme."""
    text = svg.decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\s(xmlns(:\w+)?|width|height|version)="[^"]*"', "", text[: (end := text.index(">"))]) + text[end:]
    text = text.replace("xlink:href", "href")
    used = set(re.findall(r'(?:href="#|url\(#)([\w-]+)', text))
    text = re.sub(r' id="([\w-]+)"', lambda found: found[0] if found[1] in used else "", text)
    if is_themed:
        text = re.sub("|".join(THEMED), lambda found: THEMED[found[0]], text)
    return text.replace("<svg", f'<svg role="img" aria-label="{_attribute(label)}"', 1).strip()


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
