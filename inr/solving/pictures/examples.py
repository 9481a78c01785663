"""A picture problem to start from, with its pictures, which formulas make."""

from __future__ import annotations

import numpy as np

from inr.signals.files.picture_writing import encode

CLONE = """\
# A ball in the light of another place: seamless cloning. The white part of the mask is taken from the source.
[problem]
kind = "picture"
task = "clone"            # or mixed; inpaint, tone, integrate, gradients, laplacian with picture = "..."
target = "dusk.png"
source = "ball.png"
mask = "ball_mask.png"
at = [60, 30]             # of the source's upper left corner on the target: columns to the right, rows down

[solve]
method = "direct"         # or edge: a field, which is compared with the direct solution
"""
SIDE = 64
"""Pixels of the source."""


def picture_example() -> dict[str, bytes]:
    """Files by name: the problem, its target, source and mask."""
    y, x = np.mgrid[:128, :192] / 128
    waves = 0.04 * np.sin(40 * y * y + 3 * np.sin(5 * x)) * (y > 0.6)
    dusk = np.stack([0.95 - 0.6 * y, 0.55 - 0.3 * y, 0.45 + 0.2 * y], -1) + waves[..., None]
    v, u = (np.mgrid[:SIDE, :SIDE] + 0.5) / SIDE * 2 - 1
    radius = np.hypot(u, v)
    depth = np.sqrt(np.clip(1 - (radius / 0.8) ** 2, 0, 1))
    light = np.clip(0.3 + 0.7 * (-0.5 * u - 0.5 * v + 0.7 * depth), 0, 1)
    stripe = 0.5 + 0.5 * np.sign(np.sin(9 * u + 4 * depth))
    ball = np.stack([light, light * stripe, light * stripe * 0.9], -1)
    ball = np.where((radius < 0.8)[..., None], ball, 0.75)
    return {
        "clone.toml": CLONE.encode(),
        "dusk.png": _png(dusk),
        "ball.png": _png(ball),
        "ball_mask.png": _png((radius < 0.92)[..., None].astype(float)),
    }


def _png(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> bytes:
    return encode((values.clip(0, 1) * 255 + 0.5).astype(np.uint8), ".png")
