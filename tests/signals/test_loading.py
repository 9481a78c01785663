"""The kind of a source, and the options that loading uses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inr.core.errors import UsageError
from inr.signals import Source, default_field_of, kind_of, kinds_with, load_signal, suffixes_of


def test_a_suffix_decides_and_content_where_kinds_share_it(tmp_path: Path) -> None:
    header = "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
    (tmp_path / "mesh.ply").write_text(header + "element face 1\nproperty list uchar int vertex_indices\nend_header\n")
    (tmp_path / "cloud.ply").write_text(header + "end_header\n")
    kinds = {
        "a.png": "image",
        "a.wav": "audio",
        "a.npy": "array",
        "a.obj": "shape",
        "a.xyz": "points",
        "a.mp4": "video",
    }
    assert {name: kind_of(Source(name)) for name in kinds} == kinds
    assert kind_of(Source.of(tmp_path / "mesh.ply")) == "shape"
    assert kind_of(Source.of(tmp_path / "cloud.ply")) == "points"
    assert kinds_with(".npy") == ["array", "points", "slices", "unsigned"]
    assert {".gif", ".mp4"} <= suffixes_of("video") <= suffixes_of(None)


def test_a_source_is_its_own_source() -> None:
    given = Source("stdin.INRZ", data=b"\x89INR")
    assert Source.of(given) is given
    assert given.is_compressed
    assert not Source("a.png").is_compressed


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("a.safetensors", "is a model, expected a signal", "inr eval"),
        ("a.inrz", "is a compressed file", "inr decompress"),
        ("a.doc", "by its suffix '.doc'", "set `kind`"),
    ],
)
def test_other_files_are_refused_with_a_hint(name: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        kind_of(Source(name))
    assert hint in str(caught.value.hint)


def test_a_formula_needs_no_kind() -> None:
    assert load_signal("analytic:chirp").kind == "audio"
    assert default_field_of(Source("analytic:chirp")) == "hash_grid"
    assert default_field_of(Source("a.xyz")) == "siren"


def test_only_kinds_that_are_read_tile_by_tile_take_options_of_tiles(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(64.0).reshape(8, 8))
    assert load_signal(tmp_path / "a.npy", "array", {"read": "tiles", "measure": "0"}).tile is not None
    assert load_signal(tmp_path / "a.npy", "array", {"read": "memory"}).tile is None
    (tmp_path / "a.xyz").write_text("0 0 0 0 0 1\n" * 3)
    with pytest.raises(UsageError, match="unknown option 'read'"):
        load_signal(tmp_path / "a.xyz", None, {"read": "tiles"})
