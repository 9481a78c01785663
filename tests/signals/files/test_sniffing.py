"""Files are known by their first bytes, whatever their names."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import soundfile
import tifffile
import trimesh
from PIL import Image

from inr.signals.files.sniffing import HEAD_BYTES, suffix_of


def saved(write: Callable[[io.BytesIO], Any]) -> bytes:
    out = io.BytesIO()
    write(out)
    return out.getvalue()


def picture(form: str) -> bytes:
    return saved(lambda out: Image.new("RGB", (8, 8), (9, 200, 30)).save(out, form))


def sound(form: str, subtype: str = "PCM_16", **options: str) -> bytes:
    wave = 0.3 * np.sin(np.arange(24_000) / 9)[:, None]
    return saved(lambda out: soundfile.write(out, wave, 48_000, format=form, subtype=subtype, **options))


def binary_stl(n_faces: int = 12, head: bytes = b"", padding: int = 0) -> bytes:
    return head.ljust(80) + struct.pack("<I", n_faces) + bytes(50 * n_faces + padding)


BOX = trimesh.creation.box()
ROWS = "0.5 -1 2e-3 0 0 1\n1 .5 -2. 0 1 0\n"
FILES: dict[str, tuple[bytes, str]] = {
    "png": (picture("PNG"), ".png"),
    "jpeg": (picture("JPEG"), ".jpg"),
    "webp": (picture("WEBP"), ".webp"),
    "tiff": (picture("TIFF"), ".tif"),
    "gif": (picture("GIF"), ".gif"),
    "bigtiff": (saved(lambda out: tifffile.imwrite(out, np.zeros((4, 4), np.uint8), bigtiff=True)), ".tif"),
    "big-endian bigtiff": (
        saved(lambda out: tifffile.imwrite(out, np.zeros((4, 4), np.uint8), bigtiff=True, byteorder=">")),
        ".tif",
    ),
    "wav": (sound("WAV"), ".wav"),
    "rifx": (sound("WAV", endian="BIG"), ".wav"),
    "rf64": (sound("RF64"), ".wav"),
    "flac": (sound("FLAC"), ".flac"),
    "flac behind a tag": (b"ID3\x04\0\0\0\0\0\x0a" + bytes(10) + sound("FLAC"), ".flac"),
    "mp3": (sound("MP3", "MPEG_LAYER_III"), ".mp3"),
    "mp3 behind a tag": (b"ID3\x04\0\0\0\0\x7f\x7f" + bytes(127 * 128 + 127) + sound("MP3", "MPEG_LAYER_III"), ".mp3"),
    "vorbis": (sound("OGG", "VORBIS"), ".ogg"),
    "opus": (sound("OGG", "OPUS"), ".ogg"),
    "aiff": (sound("AIFF"), ".aiff"),
    "au": (sound("AU"), ".au"),
    "w64": (sound("W64"), ".w64"),
    "caf": (sound("CAF"), ".caf"),
    "npy": (saved(lambda out: np.save(out, np.zeros(3))), ".npy"),
    "npz": (saved(lambda out: np.savez(out, a=np.zeros(3))), ".npz"),
    "ply": (BOX.export(file_type="ply"), ".ply"),
    "glb": (BOX.export(file_type="glb"), ".glb"),
    "obj": (b"# a comment\n\to shape\n\tv\t0 0 0\n" + BOX.export(file_type="obj").encode(), ".obj"),
    "obj behind a mark": (b"\xef\xbb\xbfv -.5 0 0\nv 1 0 0\n", ".obj"),
    "off": (BOX.export(file_type="off").encode(), ".off"),
    "coloured off": (b"# made by hand\nCOFF\n3 1 0\n", ".off"),
    "binary stl": (binary_stl(), ".stl"),
    "padded binary stl": (binary_stl(padding=300), ".stl"),
    "binary stl that begins like an ascii one": (binary_stl(head=b"solid made by"), ".stl"),
    "ascii stl": (b"SOLID part\n facet normal 0 0 1\n", ".stl"),
    "rows": (ROWS.encode(), ".xyz"),
    "rows with commas behind a header": (b"x,y,z,nx,ny,nz\n" + ROWS.replace(" ", ", ").encode(), ".xyz"),
    "rows behind a count": (b"2\n" + ROWS.encode(), ".xyz"),
    "a compressed file": (b"\x89INR\r\n\x1a\n", ".inrz"),
    "text": (b"hello, this is a letter of 6 words", ""),
    "utf-16": ("plain text".encode("utf-16"), ""),
    "noise": (np.random.default_rng(3).bytes(5000), ""),
    "a model": (struct.pack("<Q", 40) + b'{"__metadata__":{}}', ""),
    "a wave of another kind": (b"RIFF\x10\0\0\0AVI LIST", ""),
    "nothing": (b"", ""),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_known_by_its_first_bytes(name: str) -> None:
    data, suffix = FILES[name]
    assert suffix_of(data[:HEAD_BYTES], len(data)) == suffix


def test_a_binary_stl_needs_the_length_of_the_whole() -> None:
    data = binary_stl()
    assert suffix_of(data[:HEAD_BYTES]) == ""
    assert suffix_of(data[:HEAD_BYTES], len(data) - 1) == ""
