"""Figures as SVG within a page: no references, sizes of the page, and colours that follow its light or dark theme."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from inr.report._style import COLOURS, FAINT, GREY, INK, SOFT, STYLE, to_bytes

THEMED = {
    INK: "var(--ink)",
    SOFT: "var(--soft)",
    GREY: "var(--grey)",
    FAINT: "var(--faint)",
    "#ffffff": "var(--card)",
    **{colour: f"var(--c{rank})" for rank, colour in enumerate(COLOURS)},
}
TEXT = {"svg.fonttype": "none"}
"""Words stay words: they can be searched and selected, and are a tenth of the size of their outlines."""


def draw(size: tuple[float, float], paint: Callable[[Any], None], label: str) -> str:
    """An inline SVG of a figure of so many inches. label: what it shows, for those who can not see it."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context({**STYLE, **TEXT}):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        paint(figure)
        return inline(to_bytes(figure, ".svg"), label)


def inline(svg: bytes, label: str, *, is_themed: bool = True) -> str:
    """A figure's SVG file as an element of a page. is_themed: its colours follow the page's."""
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
