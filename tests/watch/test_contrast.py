"""The colours of the pages, light and dark: contrast of at least 4.5 for text, 3 for marks (WCAG 2.2, AA)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import inr

PACKAGE = Path(str(inr.__file__)).parent
PAGES = {
    "watch/_page.css": (("ink", "dim"), ("mark", "line", *(f"c{i}" for i in range(8)))),
    "exporters/_page.html": (("ink", "dim"), ("mark", "line")),
    "exporters/_file_page.html": (("ink", "dim", "mark"), ("line",)),
    "report/_page.html": (("ink", "soft"), ("grey", *(f"c{i}" for i in range(8)))),
    "../site/demo.html": (("ink", "dim", "mark"), ("line",)),
}
"""Per page: variables of text, and of lines, marks and borders of buttons."""


def luminance(colour: str) -> float:
    digits = colour.removeprefix("#")
    digits = "".join(c + c for c in digits) if len(digits) == 3 else digits
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def schemes(text: str) -> list[dict[str, str]]:
    """The variables of :root, light and then dark."""
    blocks = re.findall(r":root \{(.*?)\}", text, re.DOTALL)[:2]
    found = [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6})\b", block)) for block in blocks]
    return [found[0], found[0] | found[1]]


def test_the_formula_is_that_of_the_standard() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("name", PAGES)
def test_text_and_marks_stand_out(name: str) -> None:
    text = (PACKAGE / name).read_text("utf-8")
    words, marks = PAGES[name]
    for colours in schemes(text):
        papers = [colours[paper] for paper in ("paper", "card") if paper in colours]
        found = {(v, p): contrast(colours[v], p) for v in words for p in papers}
        assert min(found.values()) >= 4.5, found
        found = {(v, p): contrast(colours[v], p) for v in marks for p in papers}
        assert min(found.values(), default=3.0) >= 3.0, found


def test_buttons_that_are_pressed_can_be_read() -> None:
    for colours in schemes((PACKAGE / "watch" / "_page.css").read_text("utf-8")):
        assert contrast(colours["on-mark"], colours["mark"]) >= 4.5


def test_motion_is_only_for_those_who_do_not_refuse_it() -> None:
    for name in PAGES:
        text = (PACKAGE / name).read_text("utf-8")
        for rule in re.finditer(r"^.*\b(?:transition|animation|scroll-behavior):.*$", text, re.MULTILINE):
            assert "prefers-reduced-motion: no-preference" in rule[0], (name, rule[0])
