"""Make the signals that README and the demos use: a photograph, a sound, two shapes and a volume, beside this file.

    python assets/make.py

The photograph comes with scikit-image (an astronaut, NASA, public domain); the rest is computed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import trimesh
from imageio.v3 import imwrite
from skimage import data

HERE = Path(__file__).parent
RATE_HZ = 44100


def photograph() -> None:
    imwrite(HERE / "astronaut.png", data.astronaut())


def sound() -> None:
    """Two seconds of plucked strings: decaying harmonics of three notes."""
    t = np.arange(2 * RATE_HZ) / RATE_HZ
    notes = ((220.0, 0.0), (277.18, 0.4), (329.63, 0.8))
    wave = np.zeros_like(t)
    for pitch, start in notes:
        age = np.clip(t - start, 0, None)
        tone = sum(np.sin(2 * np.pi * k * pitch * age) / k * np.exp(-3 * k * age) for k in range(1, 9))
        wave += np.where(t >= start, tone, 0.0)
    soundfile.write(HERE / "strings.wav", 0.3 * wave, RATE_HZ, subtype="PCM_16")


def shapes() -> None:
    """A closed shape, and one with a hole in it."""
    torus = trimesh.creation.torus(major_radius=30.0, minor_radius=12.0, major_sections=96, minor_sections=48)
    torus.export(HERE / "torus.obj")
    ball = trimesh.creation.icosphere(subdivisions=4, radius=20.0)
    ball.update_faces(ball.triangles_center[:, 2] < 18.0)
    ball.export(HERE / "open_ball.ply")


def volume() -> None:
    """A 32^3 volume: a Gaussian blob crossed by a wave."""
    z, y, x = np.meshgrid(*[np.linspace(-1, 1, 32)] * 3, indexing="ij")
    np.save(HERE / "blob.npy", (np.exp(-4 * (x * x + y * y + z * z)) * (1 + 0.3 * np.sin(9 * x))).astype(np.float32))


if __name__ == "__main__":
    for make in (photograph, sound, shapes, volume):
        make()
