"""What a file is, from its first bytes: models, checkpoints, pictures, sounds, arrays, meshes. Never imports torch."""

from __future__ import annotations

import contextlib
import math
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from inr._errors import InrError, UnreadableError
from inr._header import parse_header

from ._io import sniff

HEAD_BYTES = 4096


def describe(path: Path) -> dict[str, Any]:
    """What a file says of itself. Raises UnreadableError when it is missing, damaged, or nothing known."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            n_bytes = file.seek(0, 2)
            file.seek(0)
            if head.startswith(b"\x89INR") or path.suffix.lower() == ".inrz":
                return {"bytes": n_bytes, **_compressed(path)}
            suffix = sniff(head) or _known_text(path)
            if suffix:
                return {"bytes": n_bytes, **_decoded(file, head, suffix, str(path))}
            if path.suffix.lower() != ".safetensors" and head[8:9] != b"{":
                raise UnreadableError(
                    f"{str(path)!r} is of no kind that inr knows",
                    "expected a model, checkpoint, .inrz file, picture, sound, array or mesh",
                )
            return {"bytes": n_bytes, **_model(file, n_bytes, str(path))}
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else (error.strerror or str(error)).lower()
        raise UnreadableError(f"can not read {str(path)!r}: {reason}") from error


def _compressed(path: Path) -> dict[str, Any]:
    """Where the bytes of an .inrz file go. Every symbol is decoded, the signal is not."""
    from inr.codec.decode import inspect

    found = inspect(path)
    header, container = found.header, found.container
    usage = found.usage()
    tensors = [
        {
            "name": row.spec.name,
            "shape": list(row.spec.shape),
            "model": row.model,
            "step": row.step,
            "symbols": row.spec.size,
            "bits_per_symbol": row.bits / max(row.spec.size, 1),
            "bytes": row.bits / 8,
            "record_bytes": row.record_bytes,
        }
        for row in usage
    ]
    n_bytes = sum(container.sizes.values())
    return {
        "what": "compressed",
        "format": "inrz",
        "version": "1.0",
        "layout": container.layout,
        "profile": found.name,
        "kind": header.kind,
        "shape": list(header.shape) or None,
        "channels": header.channels,
        "meta": dict(header.meta) | ({"icc": None} if "icc" in header.meta else {}),
        "bits_per_sample": 8 * n_bytes / header.n_samples if header.n_samples else None,
        "n_symbols": sum(spec.size for spec in found.tensors),
        "work": found.work,
        "symbols_sha256": container.symbols_sha256.hex(),
        "chunks": [{"name": name, "bytes": size} for name, size in container.sizes.items()],
        "tensors": tensors,
    }


def _known_text(path: Path) -> str:
    """Formats without magic bytes are taken at their suffix."""
    return path.suffix.lower() if path.suffix.lower() in (".obj", ".stl", ".xyz", ".txt") else ""


def _decoded(file: BinaryIO, head: bytes, suffix: str, name: str) -> dict[str, Any]:
    reader: Callable[[BinaryIO, bytes], dict[str, Any]] = _READERS.get(suffix, lambda file, head: {"what": "points"})
    with _readable(name), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {"format": suffix[1:], **reader(file, head)}


@contextlib.contextmanager
def _readable(name: str) -> Iterator[None]:
    try:
        yield
    except InrError:
        raise
    except Exception as error:  # decoders raise anything on hostile bytes
        raise UnreadableError(f"can not read the header of {name!r}: {str(error) or type(error).__name__}") from error


def _model(file: BinaryIO, n_bytes: int, name: str) -> dict[str, Any]:
    document, tensors = parse_header(file, name)
    header_end = file.tell()
    with _readable(name):
        expected = header_end + max((t["data_offsets"][1] for t in tensors.values()), default=0)
        table = [{"name": k, "dtype": t["dtype"], "shape": t["shape"]} for k, t in sorted(tensors.items())]
        is_model = document["format"] == "inr-model"
        own = [row for row in table if is_model or row["name"].startswith("field.")]
        described = {
            "what": "model" if is_model else "checkpoint",
            "format": document["format"],
            "field": document["field"],
            "n_params": sum(math.prod(row["shape"]) for row in own),
            "signal": {**document["spec"], "domain": document["frame"]["domain"], "meta": document["meta"]},
            "fit": document["fit"],
            "source": document["source"],
            "metrics": document["metrics"],
            "steps": document["steps"],
            "outcome": document["outcome"],
            "made_by": document["made_by"],
            "provenance": document.get("provenance", {}),
            "tensors": table,
        }
    if n_bytes != expected:
        raise UnreadableError(
            f"{name!r} is damaged: it has {n_bytes} bytes, its header says {expected}",
            "the file may be truncated; copy it again",
        )
    return described


def _picture(file: BinaryIO, head: bytes) -> dict[str, Any]:
    from PIL import Image

    with Image.open(file) as image:
        return {"what": "picture", "width": image.width, "height": image.height, "mode": image.mode}


def _sound(file: BinaryIO, head: bytes) -> dict[str, Any]:
    import soundfile

    info = soundfile.info(file)
    return {
        "what": "sound",
        "rate_hz": info.samplerate,
        "channels": info.channels,
        "n_samples": info.frames,
        "seconds": info.frames / info.samplerate,
        "subtype": info.subtype,
    }


def _array(file: BinaryIO, head: bytes) -> dict[str, Any]:
    from numpy.lib import format as npy

    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version[0] == 1 else npy.read_array_header_2_0
    shape, _, dtype = read(file)
    return {"what": "array", "shape": list(shape), "dtype": str(dtype)}


def _archive(file: BinaryIO, head: bytes) -> dict[str, Any]:
    import zipfile

    with zipfile.ZipFile(file) as archive:
        return {"what": "arrays", "names": [name.removesuffix(".npy") for name in archive.namelist()]}


def _ply(file: BinaryIO, head: bytes) -> dict[str, Any]:
    counts = {k.decode(): int(n) for k, n in re.findall(rb"^element (\w+) (\d+)", head, re.MULTILINE)}
    faces = counts.get("face", 0)
    return {"what": "mesh" if faces else "points", "n_vertices": counts["vertex"], "n_faces": faces}


def _stl(file: BinaryIO, head: bytes) -> dict[str, Any]:
    n_faces = int.from_bytes(head[80:84], "little")
    is_binary = file.seek(0, 2) == 84 + 50 * n_faces
    return {"what": "mesh", "n_faces": n_faces} if is_binary else {"what": "mesh"}


def _off(file: BinaryIO, head: bytes) -> dict[str, Any]:
    vertices, faces = re.findall(rb"^\s*(\d+)\s+(\d+)\s+\d+\s*$", head, re.MULTILINE)[0]
    return {"what": "mesh", "n_vertices": int(vertices), "n_faces": int(faces)}


def _mesh(file: BinaryIO, head: bytes) -> dict[str, Any]:
    return {"what": "mesh"}


_READERS = {
    **dict.fromkeys((".png", ".jpg", ".webp", ".tif"), _picture),
    **dict.fromkeys((".wav", ".flac", ".ogg"), _sound),
    ".npy": _array,
    ".npz": _archive,
    ".ply": _ply,
    ".stl": _stl,
    ".off": _off,
    ".obj": _mesh,
    ".glb": _mesh,
}
