"""Small pictures in the current folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """target.png (48x40, colour), source.png (24x20, colour), mask.png (of the source: a disc), hole.png (of the
    target).
    """
    monkeypatch.chdir(tmp_path)
    y, x = np.mgrid[:40, :48] / 40
    target = np.stack([0.3 + 0.4 * x, 0.6 - 0.3 * y, 0.5 + 0.2 * np.sin(4 * x)], -1)
    save("target.png", target)
    y, x = np.mgrid[:20, :24]
    source = np.stack([0.5 + 0.3 * np.sin(x), 0.5 + 0.3 * np.cos(y), 0.5 + 0.01 * x], -1)
    save("source.png", source)
    save("mask.png", (((x - 12) ** 2 + (y - 10) ** 2) < 64).astype(float))
    hole = np.zeros((40, 48))
    hole[12:25, 15:30] = 1
    save("hole.png", hole)
    return tmp_path


def save(name: str, values: NDArray[np.float64]) -> None:
    Pillow.fromarray((values * 255 + 0.5).astype(np.uint8)).save(name)
