"""The parts of a page: panels in rows, and pictures as data URIs."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape as escape_html
from pathlib import Path
from typing import Any

import numpy as np

from inr.core.text import printable
from inr.signals.files.picture_writing import encode

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Floats = np.ndarray[Any, np.dtype[Any]]

SMALL = 200
"""Pictures with a longer side below this many pixels are shown with square pixels."""


def escape(text: str) -> str:
    """Text escaped for HTML, on one line."""
    return escape_html(printable(text))


@dataclass(frozen=True)
class Panel:
    """One picture or figure with its title and caption. body: HTML."""

    title: str
    body: str
    caption: str = ""

    def above(self, other: Panel) -> Panel:
        """This panel with another one below it."""
        caption = f"<figcaption>{escape(self.caption)}</figcaption>" if self.caption else ""
        return Panel(
            self.title,
            f"{self.body}{caption}<h3 class=below>{escape(other.title)}</h3>{other.body}",
            other.caption,
        )

    def html(self) -> str:
        caption = f"<figcaption>{escape(self.caption)}</figcaption>" if self.caption else ""
        return f"<figure><h3>{escape(self.title)}</h3>{self.body}{caption}</figure>"


@dataclass(frozen=True)
class PanelRow:
    """Panels side by side, wrapped to the window. kind: "plots", "stacked" (of different heights), or ""."""

    title: str
    panels: Sequence[Panel]
    kind: str = ""

    def html(self) -> str:
        title = f"<h3 class=row>{escape(self.title)}</h3>" if self.title else ""
        narrow = ' style="--least: 15rem"' if len(self.panels) > 3 and len(self.panels) != 6 else ""
        panels = "".join(panel.html() for panel in self.panels)
        return f'{title}<div class="panels {self.kind}"{narrow}>{panels}</div>'


def rows_of(target: Panel | None, fitted: Sequence[Panel], errors: Sequence[Panel], title: str = "") -> list[PanelRow]:
    """Target, reconstruction and error side by side; with several fields, each has its error below it."""
    own = [] if target is None else [target]
    if len(fitted) == 1 or not errors:
        return [PanelRow(title, [*own, *fitted, *errors])]
    return [PanelRow(title, [*own, *(of.above(off) for of, off in zip(fitted, errors, strict=True))], "stacked")]


def image(pixels: Bytes, alt: str, icc: bytes | None = None) -> str:
    """An HTML element with a lossless picture [rows, columns, 1 to 4]. icc: its colour profile, for the browser."""
    rows, columns = pixels.shape[:2]
    data = base64.b64encode(
        encode(np.ascontiguousarray(pixels), ".webp" if pixels.shape[2] >= 3 else ".png", icc)
    ).decode()
    kind = "webp" if pixels.shape[2] >= 3 else "png"
    squares = " class=squares" if max(rows, columns) < SMALL else ""
    return f'<img{squares} width="{columns}" height="{rows}" alt="{escape(alt)}" src="data:image/{kind};base64,{data}">'


def document(heading: str, body: Sequence[str]) -> str:
    """A whole page of sections in HTML, with the style of all reports. heading: its title, not escaped."""
    text = (Path(__file__).with_name("_page.html")).read_text("utf-8")
    parts = {"TITLE": escape(heading), "BODY": "\n".join(body)}
    return re.sub("TITLE|BODY", lambda found: parts[found[0]], text)


def number(value: float) -> str:
    """Three digits: `0.0123`, `4.5e-05`."""
    return f"{value:.3g}"
