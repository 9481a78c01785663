"""Pictures that are rendered while they are decoded are the same, and damage ends the thread."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from inr.codec import decompress
from inr.codec.decode import understand
from inr.codec.profiles.pyramid import rendering, stream
from inr.codec.profiles.pyramid.architecture import Architecture
from inr.codec.profiles.pyramid.groups import dequantised
from inr.core.errors import FormatError

from .test_stream import groups_for, integers

GOLDEN = sorted((Path(__file__).parents[2] / "golden").glob("pyramid*.inrz"))


@pytest.mark.parametrize("architecture", [Architecture(150, 70, 3, 7, 12, 4, 1, 16, n) for n in (0, 2)])
def test_rows_that_come_later_change_nothing(architecture: Architecture) -> None:
    networks, grids = integers(architecture, 0)
    groups = groups_for(architecture)
    ahead = rendering.Ahead(architecture)
    _, found, latents = stream.decode(architecture, *stream.encode(architecture, groups, networks, grids), ahead)
    at_once = list(rendering.strips(architecture, dequantised(architecture, groups, found), latents))
    together = ahead.strips()
    assert len(together) > len(at_once)
    np.testing.assert_array_equal(np.concatenate(together, 1), np.concatenate(at_once, 1))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_files_decode_alike_with_one_thread_and_two(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for is_ahead in (False, True):
        monkeypatch.setattr(rendering, "is_worth_it", lambda architecture, is_ahead=is_ahead: is_ahead)
        decoded = decompress(path)
        found.append((decoded.symbols_sha256, decoded.values().tobytes(), decoded.values().tobytes()))
    assert found[0] == found[1]
    assert found[0][1] == found[0][2]


def test_damage_ends_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytearray(GOLDEN[0].read_bytes())
    data[-30] ^= 1
    monkeypatch.setattr(rendering, "is_worth_it", lambda architecture: True)
    from inr.codec.decode import decode

    with pytest.raises(FormatError):
        decode(bytes(data), skip_checksums=True)
    assert not [thread for thread in threading.enumerate() if thread.name == "inr-render"]
    assert understand(GOLDEN[0].read_bytes()).name.startswith("pyramid")


def test_small_and_large_pictures_are_not_rendered_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "n_threads", lambda: 2)
    sizes = {n: rendering.is_worth_it(Architecture(n, n, 3, 7, 12, 4, 1, 16, 0)) for n in (64, 512, 4096)}
    assert sizes == {64: False, 512: True, 4096: False}
    monkeypatch.setattr(rendering, "n_threads", lambda: 1)
    assert not rendering.is_worth_it(Architecture(512, 512, 3, 7, 12, 4, 1, 16, 0))
