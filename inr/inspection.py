"""What a file is, from its header only: a model, a checkpoint, a compressed file or a signal. Never imports torch."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from inr.core.document import CHECKPOINT_NAME, ENCODING_FORMAT
from inr.core.errors import InrError, UnreadableError
from inr.core.files import reason_of
from inr.core.header import parse_header
from inr.signals import Source
from inr.signals.files.format import FORMATS
from inr.signals.files.sniffing import HEAD_BYTES, TEXT_SUFFIXES, suffix_of

__all__ = ["describe", "summary_of"]


def describe(given: Source | Path) -> dict[str, Any]:
    """The contents of a file's header, as JSON; of a checkpoint's folder, those of the file in it.

    Raises UnreadableError for a missing, damaged or unknown file.
    """
    if isinstance(given, Path) and (given / CHECKPOINT_NAME).is_file():
        given = given / CHECKPOINT_NAME
    source = Source.of(given)
    try:
        with source.open() as file:
            head = file.read(HEAD_BYTES)
            n_bytes = file.seek(0, 2)
            file.seek(0)
            suffix = suffix_of(head, n_bytes) or (source.suffix if source.suffix in TEXT_SUFFIXES else "")
            if suffix == ".inrz" or source.is_compressed:
                return {"bytes": n_bytes, **_compressed(source)}
            if suffix:
                return {"bytes": n_bytes, **_signal(file, head, suffix, source.name)}
            if source.suffix != ".safetensors" and head[8:9] != b"{":
                raise UnreadableError(
                    f"the format of {source.name!r} is unknown",
                    "expected a model, checkpoint, .inrz file, picture, sound, array or mesh",
                )
            return {"bytes": n_bytes, **_model(file, n_bytes, source.name)}
    except OSError as error:
        raise UnreadableError(f"cannot read {source.name!r}: {reason_of(error)}") from error


def _compressed(source: Source) -> dict[str, Any]:
    """Where the bytes of an .inrz file go. Every symbol is decoded, the signal is not."""
    from inr.codec.decode import inspect

    found = inspect(source)
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


def summary_of(entry: Mapping[str, Any]) -> str:
    """The description of a signal file in a few words: `768x512 RGB`."""
    return FORMATS["." + entry["format"]].summary(entry)


def _signal(file: BinaryIO, head: bytes, suffix: str, name: str) -> dict[str, Any]:
    with _readable(name), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {"format": suffix[1:], **FORMATS[suffix].describe(file, head)}


@contextlib.contextmanager
def _readable(name: str) -> Iterator[None]:
    try:
        yield
    except InrError:
        raise
    except Exception as error:  # decoders raise anything on hostile bytes
        raise UnreadableError(f"cannot read the header of {name!r}: {str(error) or type(error).__name__}") from error


def _model(file: BinaryIO, n_bytes: int, name: str) -> dict[str, Any]:
    document, tensors = parse_header(file, name)
    header_end = file.tell()
    with _readable(name):
        expected = header_end + max((t["data_offsets"][1] for t in tensors.values()), default=0)
        table = [{"name": k, "dtype": t["dtype"], "shape": t["shape"]} for k, t in sorted(tensors.items())]
        if document["format"] == ENCODING_FORMAT:
            settings = document["settings"]
            described = {
                "what": "encoding",
                **{key: document[key] for key in ("format", "source", "step", "seconds", "outcome", "made_by")},
                "effort": settings.get("effort"),
                "target": {key: value for key, value in settings.get("target", {}).items() if value is not None},
            }
            return _whole(described, n_bytes, expected, name)
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
    return _whole(described, n_bytes, expected, name)


def _whole(described: dict[str, Any], n_bytes: int, expected: int, name: str) -> dict[str, Any]:
    """The description of a file that has all its bytes."""
    if n_bytes != expected:
        raise UnreadableError(
            f"{name!r} is damaged: it has {n_bytes} bytes, its header states {expected}",
            "the file may be truncated; copy it again",
        )
    return described
