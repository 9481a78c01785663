"""Unusable environments: the program works without them, or ends with one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from inr.report.style import literal
from tests.cli.conftest import TINY, invoke


def test_a_backend_that_is_not_known_is_found_before_the_work(picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INR_BACKEND", "nope")
    result = invoke("fit", picture, *TINY, "--steps", "1")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[0] == "error: unknown backend 'nope'"


def test_torchrun_without_its_variables_is_one_line(picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    result = invoke("fit", picture, *TINY, "--steps", "1")
    assert result.exit_code == 4
    assert "MASTER_ADDR" in result.stderr.splitlines()[0]


def test_a_backend_that_matplotlib_does_not_have_is_one_line() -> None:
    """In a separate process: matplotlib reads the variable at its first import."""
    code = "from inr.report.style import matplotlib\nmatplotlib()"
    environment = os.environ | {"MPLBACKEND": "nonsense"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("inr.core.errors.UsageError: MPLBACKEND is 'nonsense'")


def test_names_in_figures_are_not_read_as_formulas() -> None:
    from matplotlib.cbook import is_math_text  # type: ignore[import-untyped,unused-ignore]

    assert not is_math_text(literal("a$\\frac{x$.png"))
    assert literal("a\x1b\n") == r"a\x1b\n"
