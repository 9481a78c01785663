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
import torch

import inr
from inr.codec.container.byte_fields import Writer
from inr.codec.container.file import Container
from inr.codec.container.header import Header
from inr.codec.decode import decode
from inr.codec.profiles.pyramid.architecture import FIRST_FORM, SECOND_FORM
from inr.core.errors import FormatError
from inr.kernels import use_backend
from inr.signals.image import Image
from tests.web.extreme_pictures import extreme_pictures, largest_sum
from tests.web.fields import GRIDS, WEIGHTS, extreme_grids, file_of, largest_sums, picture, random_field, shape, sound
from tests.web.runner import WEB, decoded, node

GOLDEN = Path(__file__).parents[1] / "codec" / "golden"


def test_the_tests_of_the_decoder_pass_in_node() -> None:
    done = node("--test", "tests/")
    assert done.returncode == 0, done.stdout[-4000:]
    assert "# fail 0" in done.stdout


def pixels(path: Path, found: dict[str, Any]) -> np.ndarray[Any, Any]:
    kind = {8: np.uint8, 16: np.uint16, 32: np.float32}[found["depth"]]
    return np.fromfile(f"{path}.raw", kind).reshape(found["height"], found["width"], found["channels"])


def is_shown_alike(path: Path, found: dict[str, Any]) -> None:
    """A decoded picture or video has the symbols of Python, its pixels within 1, and 99.9 % of them equal."""
    here = inr.decompress(path)
    assert found["symbolsSha256"] == here.symbols_sha256.hex()
    expected = np.rint(np.clip(here.values(), 0, 1) * 255).astype(int)
    there = np.fromfile(f"{path}.raw", np.uint8).reshape(expected.shape).astype(int)
    assert np.abs(there - expected).max() <= 1
    assert (there == expected).mean() >= 0.999


def is_valued_alike(path: Path, found: dict[str, Any]) -> None:
    """A decoded sound or array has the values of Python, within a thousandth of their range."""
    here = inr.decompress(path)
    assert found["symbolsSha256"] == here.symbols_sha256.hex()
    expected = here.values()
    there = np.fromfile(f"{path}.raw", np.float32)
    there = there.reshape(expected.shape[::-1]).T if found["kind"] == "audio" else there.reshape(expected.shape)
    assert np.abs(there - expected).max() <= 1e-3 * np.abs(expected).max()


def has_the_distances(path: Path, found: dict[str, Any]) -> None:
    """Distances of a decoded shape are those of Python, within 1e-5 of its box."""
    here = inr.decompress(path)
    assert found["symbolsSha256"] == here.symbols_sha256.hex()
    centres = (torch.cartesian_prod(*[torch.arange(5)] * 3) + 0.5) / 5
    with torch.no_grad():
        expected = here.fit()(centres).numpy()[:, 0]
    assert np.abs(np.fromfile(f"{path}.raw", np.float32) - expected).max() <= 1e-5 * found["side"]


COMPARED = {
    "image": is_shown_alike, "video": is_shown_alike, "audio": is_valued_alike, "array": is_valued_alike,
    "shape": has_the_distances, "points": has_the_distances, "unsigned": has_the_distances,
    "slices": has_the_distances,
}  # fmt: skip


def test_golden_files_have_the_same_values(tmp_path: Path) -> None:
    paths = [Path(shutil.copy(path, tmp_path)) for path in sorted(GOLDEN.glob("*.inrz"))]
    for path, found in zip(paths, decoded(paths), strict=True):
        COMPARED[found["kind"]](path, found)


FIELDS = [
    *[("hash_grid", (), header, profile) for header in (picture(60, 41), shape()) for profile in (WEIGHTS, GRIDS)],
    ("hash_grid", ("encoding.levels=5", "encoding.log2_table=10", "init=xavier"), picture(90, 70), GRIDS),
    ("hash_grid", ("encoding.growth=1.5", "encoding.levels=4", "encoding.base=7", "init=xavier"), shape(), GRIDS),
    ("hash_grid", ("encoding.interpolation=smoothstep", "encoding.is_inset=true"), picture(31, 44), WEIGHTS),
    ("hash_grid", ("encoding=latent_grid", "encoding.features=3", "init=xavier"), picture(50, 33), GRIDS),
    ("hash_grid", ("encoding=latent_grid", "encoding.grid=dense_grid"), picture(20, 70, 1), WEIGHTS),
    ("dense_grid", ("has_bias=true",), picture(48, 64), GRIDS),
    ("dense_grid", (), sound(2000, 2), GRIDS),
    ("siren", ("width=24", "encoding=frequency", "encoding.base=1.4"), picture(40, 30), WEIGHTS),
    ("siren", ("width=16", "head=tanh"), sound(500, 2), WEIGHTS),
    ("finer", ("width=20", "head=sigmoid"), picture(30, 20), WEIGHTS),
    ("finer", ("width=20",), shape(), WEIGHTS),
    ("relu_pe", ("width=33",), picture(64, 48, 4), WEIGHTS),
    ("relu_pe", ("width=30", "depth=0", "encoding.has_raw=false"), picture(30, 40), WEIGHTS),
    ("rff", ("width=30", "encoding.n_frequencies=21"), picture(33, 35, 2), WEIGHTS),
    ("local_cosine", ("encoding.bands=64",), sound(700, 2), GRIDS),
    ("local_cosine", ("encoding.bands=7",), sound(300), WEIGHTS),
]  # fmt: skip


def test_fields_have_the_same_values_for_all_their_parts(tmp_path: Path) -> None:
    """Random parameters: every encoding, activation and head, hashed and dense levels, both profiles."""
    paths = []
    for i, (family, settings, header, profile) in enumerate(FIELDS):
        paths.append(tmp_path / f"{i}.inrz")
        paths[-1].write_bytes(file_of(random_field(family, settings, header), header, profile))
    for path, found in zip(paths, decoded(paths), strict=True):
        assert "error" not in found, (FIELDS[int(path.stem)], found)
        COMPARED[found["kind"]](path, found)


def test_fields_that_are_not_supported_are_named(tmp_path: Path) -> None:
    """A family, and parts of one: one error, which says what the file has and what can be decoded."""
    cases: dict[str, tuple[str, tuple[str, ...]]] = {
        "gauss": ("gauss", ()),
        "weight_norm": ("relu_pe", ("linear=weight_norm", "width=8")),
        "planes": ("hash_grid", ("encoding=planes",)),
        "local_cosine": ("local_cosine", ("encoding.bands=4",)),
    }
    paths = []
    for name, (family, settings) in cases.items():
        paths.append(tmp_path / f"{name}.inrz")
        header = picture(12, 9)
        paths[-1].write_bytes(file_of(random_field(family, settings, header), header, WEIGHTS))
        inr.decompress(paths[-1])
    for path, found in zip(paths, decoded(paths), strict=True):
        assert found["error"] == "UnsupportedError"
        assert "this decoder" in found["message"]
        assert path.stem in found["message"]


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


@pytest.mark.parametrize("form", [FIRST_FORM, SECOND_FORM])
def test_networks_and_latents_at_their_limits_give_the_same_integers(form: int, tmp_path: Path) -> None:
    """A sum that is not exact would change a mean or a scale, and with it all later symbols and their digest."""
    pictures = list(extreme_pictures(seed=0, n=64, form=form))
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


def test_latents_and_means_at_their_limits_give_the_same_integers(tmp_path: Path) -> None:
    """A context whose sums are not exact would change a mean or a scale, and with it all later symbols."""
    files = list(extreme_grids(seed=0, n=32))
    assert sum(n for _, n in files) >= 10_000
    paths = []
    for i, (data, _) in enumerate(files):
        paths.append(tmp_path / f"{i}.inrz")
        paths[-1].write_bytes(data)
        decode(data)
        if i % 16 < 4:
            with use_backend("reference"):
                decode(data)
    assert [found.get("error") for found in decoded(paths)] == [None] * len(paths)
    assert max(largest_sums().values()) < 2**53


def test_sums_of_every_architecture_are_exact_in_numbers_of_64_bits() -> None:
    assert largest_sum(40, 16) < 2**53


def test_a_damaged_picture_gives_the_one_error(tmp_path: Path) -> None:
    data = bytearray((GOLDEN / "pyramid-image.inrz").read_bytes())
    data[-20] ^= 1
    path = tmp_path / "a.inrz"
    path.write_bytes(data)
    with pytest.raises(FormatError):
        inr.decompress(path)
    assert [found["error"] for found in decoded([path])] == ["FormatError"]


def test_the_types_are_right() -> None:
    """`tsc` checks the sources, and a program that uses the package."""
    compiler = os.environ.get("INR_TSC") or shutil.which("tsc")
    if compiler is None:
        pytest.skip("needs TypeScript's tsc, on the PATH or named by INR_TSC")
    done = subprocess.run([compiler, "-p", str(WEB)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
