"""What all figures share: colours, fonts, and encoding to bytes."""

from __future__ import annotations

import importlib
import io
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from inr.core.errors import UsageError
from inr.core.text import printable

COLOURS = ("#0b6e99", "#d9730d", "#448361", "#9065b0", "#c14c8a", "#b8860b", "#3f51b5", "#8c564b")
"""For the first entries, distinguishable by lightness only; all others are GREY."""
GREY = "#a3a7ad"
INK = "#2b2f36"
SOFT = "#666b73"
FAINT = "#e3e5e8"

_Bytes = np.ndarray[Any, np.dtype[np.uint8]]
_Floats = np.ndarray[Any, np.dtype[Any]]

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.8,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.8,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.major.size": 0,
    "svg.hashsalt": "inr",
}


def matplotlib() -> Any:
    """The imported package. Raises UsageError if MPLBACKEND names an unknown backend."""
    try:
        return importlib.import_module("matplotlib")
    except ValueError as error:
        name = os.environ.get("MPLBACKEND")
        if not name:
            raise
        raise UsageError(f"MPLBACKEND is {name!r}, expected a matplotlib backend", "unset MPLBACKEND") from error


def heat(error: _Floats, top: float) -> _Bytes:
    """Errors [rows, columns] >= 0 as colours [rows, columns, 3]: black is 0, light yellow is `top` or more."""
    scale = matplotlib().colormaps["magma"]
    colours: _Bytes = (scale(np.clip(error / (top or 1.0), 0, 1))[..., :3] * 255).round().astype(np.uint8)
    return colours


def top_of(errors: Sequence[_Floats]) -> float:
    """The end of the colour scale for errors: their 99.9th percentile."""
    return max((float(np.percentile(error, 99.9)) for error in errors), default=0.0)


def literal(text: str) -> str:
    """Text escaped for matplotlib: on one line, with dollar signs that do not start mathematics."""
    return printable(text).replace("$", r"\$")


def colour(rank: int) -> str:
    return COLOURS[rank] if rank < len(COLOURS) else GREY


def to_bytes(figure: Any, suffix: str) -> bytes:
    """The bytes of the file; equal figures give equal bytes."""
    file = io.BytesIO()
    metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(suffix, {})
    figure.savefig(file, format=suffix[1:], dpi=160, facecolor="white", metadata=metadata)
    return file.getvalue()
