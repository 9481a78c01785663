"""Every kind of signal through the conformance suite."""

from __future__ import annotations

import io
from typing import Any, ClassVar

import numpy as np
import soundfile
import trimesh
from PIL import Image

from inr.signals import SIGNALS
from inr.signals.files.csl import ContourPlane, csl_text
from inr.signals.files.videos import encode
from inr.testing import SignalTests


class TestPicture(SignalTests):
    kind, suffix = "image", ".png"

    def content(self) -> bytes:
        file = io.BytesIO()
        pixels = np.random.default_rng(0).integers(0, 256, (12, 17, 3), np.uint8)
        Image.fromarray(pixels).save(file, "PNG")
        return file.getvalue()


class TestSound(SignalTests):
    kind, suffix = "audio", ".wav"

    def content(self) -> bytes:
        file = io.BytesIO()
        t = np.arange(900) / 8000
        soundfile.write(file, np.stack([np.sin(2000 * t), np.cos(900 * t)], -1) / 2, 8000, format="WAV")
        return file.getvalue()


class TestArray(SignalTests):
    kind, suffix = "array", ".npy"

    def content(self) -> bytes:
        file = io.BytesIO()
        np.save(file, np.random.default_rng(0).normal(size=(7, 8, 9)).astype(np.float32))
        return file.getvalue()


class TestShape(SignalTests):
    kind, suffix = "shape", ".obj"
    options: ClassVar = {"points": "400"}
    is_lattice = False

    def content(self) -> bytes:
        data: Any = trimesh.creation.icosphere(subdivisions=2, radius=2.0).export(file_type="obj")
        return data.encode() if isinstance(data, str) else bytes(data)


class TestOpenSurface(SignalTests):
    kind, suffix = "unsigned", ".off"
    options: ClassVar = {"points": "400"}
    is_lattice = False
    is_found_by_suffix = False

    def content(self) -> bytes:
        """A square, folded along its diagonal."""
        return b"OFF\n4 2 0\n0 0 0\n1 0 0\n1 1 1\n0 1 0\n3 0 1 2\n3 0 2 3\n"


class TestPoints(SignalTests):
    kind, suffix = "points", ".xyz"
    is_lattice = False

    def content(self) -> bytes:
        """The upper half of a ball: closed clouds become shapes."""
        file = io.StringIO()
        ball = trimesh.creation.icosphere(subdivisions=3).vertices
        np.savetxt(file, np.concatenate([ball, ball], axis=1)[ball[:, 2] > 0], fmt="%.6f")
        return file.getvalue().encode()


class TestSlices(SignalTests):
    kind, suffix = "slices", ".csl"
    options: ClassVar = {"method": "orex"}
    is_lattice = False

    def content(self) -> bytes:
        angle = 2 * np.pi * np.arange(20) / 20
        return csl_text(
            [
                ContourPlane(
                    np.array([0.0, 0.0, 1.0]),
                    z,
                    ((1, np.stack([r * np.cos(angle), r * np.sin(angle), 0 * angle + z], 1)),),
                )
                for z, r in ((-0.5, 0.8), (0.0, 1.0), (0.5, 0.8))
            ]
        ).encode()


class TestVideo(SignalTests):
    kind, suffix = "video", ".mp4"
    tolerance = 0.1  # H.264 is lossy

    def content(self) -> bytes:
        t, y, x = np.mgrid[0:6, 0:16, 0:24]
        channels = (np.sin(0.2 * x + 0.5 * t), np.cos(0.3 * y - 0.4 * t), np.sin(0.1 * (x + y) + t))
        return encode(np.rint(127.5 + 100 * np.stack(channels, -1)).astype(np.uint8), 10.0, ".mp4")[0]


def test_every_kind_is_registered() -> None:
    assert {each.kind for each in SignalTests.__subclasses__()} == set(SIGNALS)
