"""What every profile of the codec must do with a small signal."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from inr.codec import NUMBERS, PROFILES, compress, decompress
from inr.core.errors import FormatError

EFFORT = 1


class ProfileTests:
    """Profiles. A subclass sets `profile`; `signal` may be overridden for profiles that do not code pictures."""

    profile: ClassVar[str]

    def signal(self, folder: Path) -> Path:
        """A file that the profile codes: a smooth picture of 48 x 32 pixels."""
        from PIL import Image

        y, x = np.mgrid[0:32, 0:48]
        waves = [np.sin(x / 9 + y / 5), np.cos(x / 7 - y / 11), np.sin(x / 13) * np.cos(y / 6)]
        pixels = np.stack([127 + 100 * wave for wave in waves], axis=-1).astype(np.uint8)
        path = folder / "small.png"
        Image.fromarray(pixels).save(path)
        return path

    def compressed(self, folder: Path, name: str = "small.inrz") -> Path:
        path = folder / name
        compress(self.signal(folder), path, profile=self.profile, quality=40, effort=EFFORT, seed=3)
        return path

    def test_its_number_is_its_own(self) -> None:
        assert NUMBERS[PROFILES[self.profile].number] == self.profile

    def test_equal_input_gives_equal_bytes_that_decode_alike(self, tmp_path: Path) -> None:
        one, two = (self.compressed(tmp_path, name) for name in ("one.inrz", "two.inrz"))
        assert one.read_bytes() == two.read_bytes()
        a, b = decompress(one), decompress(one)
        assert a.symbols_sha256 == b.symbols_sha256
        a.save(tmp_path / "a.png")
        b.save(tmp_path / "b.png")
        assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()

    def test_every_damaged_file_is_the_one_error(self, tmp_path: Path) -> None:
        whole = self.compressed(tmp_path).read_bytes()
        generator = np.random.default_rng(0)
        for _ in range(40):
            data = bytearray(whole)
            data[generator.integers(len(data))] ^= 1 << int(generator.integers(8))
            path = tmp_path / "damaged.inrz"
            path.write_bytes(data)
            with pytest.raises(FormatError):
                decompress(path)
        for n in range(0, len(whole), max(1, len(whole) // 20)):
            path.write_bytes(whole[:n])
            with pytest.raises(FormatError):
                decompress(path)
