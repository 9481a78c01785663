"""The format of a file by its first bytes, as the usual suffix of that format. Never imports torch."""

from __future__ import annotations

import re

HEAD_BYTES = 4096
"""Bytes of the head that is needed to recognise a format."""

POINT_SUFFIXES = (".xyz", ".xyzn", ".txt", ".pts", ".csv", ".asc")
"""Of point clouds as text."""

TEXT_SUFFIXES = (".obj", ".stl", ".off", *POINT_SUFFIXES)
"""Of formats without magic bytes: a file whose content is not recognised is identified by its suffix."""

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
    (b"GIF87a", ".gif"),
    (b"GIF89a", ".gif"),
    (b"II*\0", ".tif"),
    (b"MM\0*", ".tif"),
    (b"II+\0", ".tif"),
    (b"MM\0+", ".tif"),
    (b"fLaC", ".flac"),
    (b"OggS", ".ogg"),
    (b".snd", ".au"),
    (b"dns.", ".au"),
    (b"caff", ".caf"),
    (b"riff\x2e\x91\xcf\x11", ".w64"),
    (b"\x93NUMPY", ".npy"),
    (b"PK\x03\x04", ".npz"),
    (b"PK\x05\x06", ".npz"),
    (b"ply\n", ".ply"),
    (b"ply\r", ".ply"),
    (b"ply ", ".ply"),
    (b"glTF", ".glb"),
    (b"solid", ".stl"),
    (b"\x89INR", ".inrz"),
    (b"CSLC", ".csl"),
)
_RIFF = (b"RIFF", b"RIFX", b"RF64", b"BW64")
_MP4_BRANDS = (b"iso", b"mp4", b"avc", b"M4V", b"qt  ", b"MSNV", b"3gp", b"dash")
"""How the names of kinds of MP4 and QuickTime files begin; other files of that structure are pictures and sounds."""
_MAX_PADDING = 4096
"""Bytes after the last triangle of a binary STL, at most; exporters round up to blocks."""

_OFF = re.compile(rb"\s*(#[^\n]*\n\s*)*(ST)?C?N?4?n?OFF(\d|\b)")
_OBJ = re.compile(rb"^[ \t]*v[ \t]+[-+]?[\d.]", re.MULTILINE)
_ASCII_STL = re.compile(rb"\s*solid\b", re.IGNORECASE)
_NUMBER = rb"[-+]?(\d+\.?\d*|\.\d+)([eEdD][-+]?\d+)?|[-+]?(nan|inf)"
_ROW_OF_SIX = re.compile(
    rb"^[ \t]*(" + _NUMBER + rb")([ \t]*[,;\t ][ \t]*(" + _NUMBER + rb")){5}", re.MULTILINE | re.IGNORECASE
)


def suffix_of(head: bytes, n_bytes: int | None = None) -> str:
    """The suffix of a format known by its first bytes, or an empty string.

    head: the first 4096 bytes, or all. n_bytes: the length of the file; without it a binary STL is not recognised.
    """
    if head[:4] in _RIFF:
        return {b"WAVE": ".wav", b"WEBP": ".webp"}.get(head[8:12], "")
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return ".aiff"
    if head[4:8] == b"ftyp" and head[8:12].startswith(_MP4_BRANDS):
        return ".mp4"
    if head[344:348] in (b"n+1\0", b"ni1\0") or head[4:8] == b"n+2\0":
        return ".nii"
    if head[128:132] == b"DICM":
        return ".dcm"
    if head[:3] == b"ID3":
        return _after_tag(head)
    known = next((suffix for magic, suffix in _MAGIC if head.startswith(magic)), "")
    if known:
        return known
    if _is_mp3(head):
        return ".mp3"
    if _is_binary_stl(head, n_bytes):
        return ".stl"
    return "" if b"\0" in head else _text(head.removeprefix(b"\xef\xbb\xbf"))


def suffix_of_bytes(data: bytes) -> str:
    """The suffix for the content of a file: a signal, a model, a compressed file or JSON; or an empty string."""
    if data[4:9] == b"\0\0\0\0{":  # safetensors: the length of its header, then that header
        return ".safetensors"
    return suffix_of(data[:HEAD_BYTES], len(data)) or (".json" if data.lstrip()[:1] == b"{" else "")


def _text(head: bytes) -> str:
    if _ASCII_STL.match(head):
        return ".stl"
    if _OFF.match(head):
        return ".off"
    if _OBJ.search(head):
        return ".obj"
    return ".xyz" if _ROW_OF_SIX.search(head) else ""


def _is_mp3(head: bytes) -> bool:
    """Whether a frame of MPEG audio, layer III, begins here."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2 or head[1] & 0x18 == 0x08:
        return False
    return head[2] >> 4 != 15 and head[2] & 0x0C != 0x0C


def _after_tag(head: bytes) -> str:
    """The format of what follows an ID3 tag; MP3 if that is beyond the head."""
    if len(head) < 10:
        return ".mp3"
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return suffix_of(head[10 + size :]) or ".mp3"


def _is_binary_stl(head: bytes, n_bytes: int | None) -> bool:
    if n_bytes is None or len(head) < 84:
        return False
    n_faces = int.from_bytes(head[80:84], "little")
    return n_faces > 0 and 0 <= n_bytes - (84 + 50 * n_faces) <= _MAX_PADDING
