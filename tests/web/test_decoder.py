"""The decoder in JavaScript: its own tests, and the same symbols and pixels as in Python."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import inr
from inr.codec.container.byte_fields import Writer
from inr.codec.container.file import Container
from inr.codec.container.header import Header
from inr.codec.decode import decode
from inr.core.errors import FormatError
from inr.kernels import use_backend
from inr.signals.image import Image
from tests.web.extreme_pictures import extreme_pictures, largest_sum
from tests.web.runner import WEB, decoded, node

GOLDEN = Path(__file__).parents[1] / "codec" / "golden"


def test_the_tests_of_the_decoder_pass_in_node() -> None:
    done = node("--test", "tests/")
    assert done.returncode == 0, done.stdout[-4000:]
    assert "# fail 0" in done.stdout


def pixels(path: Path, found: dict[str, Any]) -> np.ndarray[Any, Any]:
    kind = {8: np.uint8, 16: np.uint16, 32: np.float32}[found["depth"]]
    return np.fromfile(f"{path}.raw", kind).reshape(found["height"], found["width"], found["channels"])


def test_golden_pictures_have_the_same_pixels(tmp_path: Path) -> None:
    paths = [Path(shutil.copy(path, tmp_path)) for path in sorted(GOLDEN.glob("pyramid-*.inrz"))]
    for path, found in zip(paths, decoded(paths), strict=True):
        here = inr.decompress(path)
        assert found["symbolsSha256"] == here.symbols_sha256.hex()
        expected = np.rint(here.values() * 255).astype(int)
        there = pixels(path, found).astype(int)
        assert np.abs(there - expected).max() <= 1
        assert (there == expected).mean() >= 0.999


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_other_types_of_pixels_are_decoded(dtype: type, tmp_path: Path) -> None:
    """The same streams behind a header of another type."""
    golden = Container.read((GOLDEN / "pyramid-image.inrz").read_bytes())
    shape = Header.read(golden.header).shape
    header = Writer().u8(0).varint(shape[0]).varint(shape[1]).u8((1 if dtype is np.uint16 else 2) << 4 | 3)
    if dtype is np.float32:
        for number in (0.5, -1.0, 2.0, 1.0, 3.0, 0.25):
            header.f64(number)
    path = tmp_path / "a.inrz"
    path.write_bytes(dataclasses.replace(golden, header=header.bytes(), icc=b"a colour profile").to_bytes())
    (found,) = decoded([path])
    values = inr.decompress(path).values()
    expected, tolerance = (values, 1e-5) if dtype is np.float32 else (values * 65535, 1.0)
    assert pixels(path, found).dtype == dtype
    assert np.abs(pixels(path, found).astype(np.float64) - expected).max() <= tolerance
    assert bytes(found["icc"]) == b"a colour profile"


def test_a_picture_with_alpha_is_decoded(tmp_path: Path) -> None:
    y, x = np.mgrid[0:9, 0:14] / 14
    path = tmp_path / "a.inrz"
    signal = Image.of_pixels((np.stack([x, y, x * y, 1 - x], axis=-1) * 255).astype(np.uint8))
    inr.compress(signal, path, effort=1, quality=70, verify=False)
    (found,) = decoded([path])
    difference = np.abs(pixels(path, found) - inr.decompress(path).values() * 255)
    assert found["channels"] == 4
    assert difference.max() <= 1


def test_networks_and_latents_at_their_limits_give_the_same_integers(tmp_path: Path) -> None:
    """A sum that is not exact would change a mean or a scale, and with it all later symbols and their digest."""
    pictures = list(extreme_pictures(seed=0, n=64))
    assert sum(n for _, n in pictures) >= 10_000
    paths = []
    for i, (data, _) in enumerate(pictures):
        paths.append(tmp_path / f"{i}.inrz")
        paths[-1].write_bytes(data)
        expected = decode(data).symbols_sha256
        if i % 32 < 2:
            with use_backend("reference"):
                assert decode(data).symbols_sha256 == expected
    assert [found.get("error") for found in decoded(paths)] == [None] * len(paths)


def test_sums_of_every_architecture_are_exact_in_numbers_of_64_bits() -> None:
    assert largest_sum(40, 16) < 2**53


def test_a_damaged_picture_gives_the_one_error(tmp_path: Path) -> None:
    data = bytearray((GOLDEN / "pyramid-image.inrz").read_bytes())
    data[-20] ^= 1
    path = tmp_path / "a.inrz"
    path.write_bytes(data)
    with pytest.raises(FormatError):
        inr.decompress(path)
    assert decoded([path]) == [{"error": "FormatError"}]


def test_the_types_are_right() -> None:
    """`tsc` checks the sources, and a program that uses the package."""
    compiler = os.environ.get("INR_TSC") or shutil.which("tsc")
    if compiler is None:
        pytest.skip("needs TypeScript's tsc, on the PATH or named by INR_TSC")
    done = subprocess.run([compiler, "-p", str(WEB)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
