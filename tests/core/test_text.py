"""Text from files and users: shown without control characters, and quoted so that a shell splits it correctly."""

from __future__ import annotations

import math
import os
import subprocess
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inr.core.text import command, count_of, printable, rough_percent

ANY_CHARACTER = st.characters(codec="utf-8") | st.integers(0xDC80, 0xDCFF).map(chr)
"""Everything that a file name of bytes can hold, as Python has it."""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 日本\u3000語.png", "plain é 日本\u3000語.png"),
        ("a\nb\tc", r"a\nb\tc"),
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("a\u202egnp.exe", r"a\u202egnp.exe"),
        ("bad\udcff.png", r"bad\xff.png"),
        ("\u2028\ufeff\x85\x7f", r"\u2028\ufeff\x85\x7f"),
        ("👩\u200d🔬.png", "👩\u200d🔬.png"),
    ],
)
def test_control_characters_are_shown_as_escapes(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(ANY_CHARACTER))
def test_shown_text_is_one_line_of_utf8_without_control_characters(text: str) -> None:
    shown = printable(text)
    shown.encode()
    assert len(shown.splitlines()) <= 1
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cs"}
    assert printable(shown) == shown


@pytest.mark.parametrize(
    "name",
    [
        "no such; dir",
        "a'b\"c",
        "$(touch x)",
        "a\nb",
        "bad\udcff",
        "\x1b[2J0",
        "é\x85'\\",
        "\u202ex",
        "*",
        "",
        "~",
        "#a",
    ],
)
def test_bash_splits_a_command_into_its_words(name: str) -> None:
    line = command("printf", "%s\\0", name, name)
    assert line == printable(line)
    done = subprocess.run(["bash", "-c", line], capture_output=True, check=True)
    assert done.stdout == 2 * (os.fsencode(name) + b"\0")


@settings(max_examples=25, deadline=None)
@given(st.text(ANY_CHARACTER.filter(lambda c: c != "\0"), max_size=20))
def test_bash_reads_any_name_back(name: str) -> None:
    done = subprocess.run(["bash", "-c", command("printf", "%s", name)], capture_output=True, check=True)
    assert done.stdout == os.fsencode(name)


def test_one_thing_is_singular() -> None:
    assert [count_of(n, "step") for n in (0, 1, 2)] == ["0 steps", "1 step", "2 steps"]


def test_a_path_is_never_an_option() -> None:
    assert command("mkdir", "-p", Path("-p")) == "mkdir -p ./-p"


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0"), (0.00016, "0.016"), (1e-6, "0.01"), (0.034, "3.4"), (1.2, "120"), (9.95, "995"), (13, "over 999"),
     (math.nan, "?"), (math.inf, "?")],
)  # fmt: skip
def test_rough_percentages(share: float, text: str) -> None:
    assert rough_percent(share) == text
