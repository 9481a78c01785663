"""Model and checkpoint files: safetensors with one JSON document in the metadata. Nothing is ever unpickled."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from inr.core.config import completed, parse
from inr.core.document import damaged
from inr.core.domain import Frame, Spec
from inr.core.errors import InrError, UnreadableError
from inr.core.header import FORMAT_VERSION, parse_header
from inr.core.text import error_line
from inr.fields import Field, FieldConfig
from inr.signals import SIGNALS, Source

CHECKSUM = "sha256"
"""Key of the digest of the tensors in a file's document."""


def to_bytes(tensors: Mapping[str, Tensor], document: Mapping[str, Any]) -> bytes:
    """The file's bytes; they depend on the tensors and the document alone."""
    held = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    whole = {"version": FORMAT_VERSION, CHECKSUM: _checksum(held), **document}
    return save_tensors(held, metadata={"inr": json.dumps(whole, sort_keys=True, allow_nan=False)})


def read_header(source: Source) -> tuple[dict[str, Any], dict[str, Any]]:
    """(document, tensors) from the header alone; tensors: name -> {"dtype", "shape", "data_offsets"}.

    Raises UnreadableError for anything that is not such a file.
    """
    with source.open() as file:
        return parse_header(file, source.name)


def read(source: Source) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """(document, tensors) of a file. Raises UnreadableError for anything that is not such a file, or is damaged."""
    with source.open() as file:
        document, _ = parse_header(file, source.name)
        file.seek(0)
        data = file.read()
    try:
        tensors = load_tensors(data)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise UnreadableError(
            f"{source.name!r} is damaged: {error}", "the file may be truncated; copy it again"
        ) from error
    if document.get(CHECKSUM, actual := _checksum(tensors)) != actual:
        raise UnreadableError(
            f"{source.name!r} is damaged: its tensors do not match their checksum", "copy the file again, or fit again"
        )
    return document, {_BLOCKS.sub("blocks.", name): tensor for name, tensor in tensors.items()}


_BLOCKS = re.compile(r"(?<![^.])cells\.(?=\d)")
"""Part of a tensor's name in files of inr 0.1, where a network's blocks were called cells."""


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the names and bytes of tensors; documents of old files have none."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode() + b"\0")
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


_SHORT = {torch.float32: torch.float16}
"""The type in which a file may have tensors of another type."""


def load_into(module: torch.nn.Module, tensors: Mapping[str, Tensor], name: str) -> None:
    """Copy tensors into a module by name; every missing, surplus or misshapen one is listed."""
    own = module.state_dict()
    problems = [f"tensor {k!r} is missing" for k in own if k not in tensors]
    problems += [f"tensor {k!r} is not part of the field" for k in tensors if k not in own]
    problems += [
        f"tensor {k!r} has shape {list(v.shape)} and type {v.dtype}, expected {list(own[k].shape)} and {own[k].dtype}"
        for k, v in tensors.items()
        if k in own and (v.shape != own[k].shape or v.dtype not in (own[k].dtype, _SHORT.get(own[k].dtype)))
    ]
    if problems:
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise UnreadableError(f"{name!r} does not hold the tensors of its field: {'; '.join(problems[:5])}{more}")
    module.load_state_dict(dict(tensors))


def check_finite(module: torch.nn.Module, name: str) -> None:
    """Refuse a field with NaN or infinite parameters."""
    broken = [key for key, t in module.state_dict().items() if t.is_floating_point() and not _is_finite(t)]
    if broken:
        more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
        raise UnreadableError(
            f"{name!r} has NaN or infinite numbers in tensor {broken[0]!r}{more}",
            "its run diverged, or the file is damaged: fit again, or copy it again",
        )


def _is_finite(tensor: Tensor) -> bool:
    """Whether no number is NaN or infinite; needs no copy of the tensor, as `torch.isfinite` does."""
    return tensor.numel() == 0 or all(math.isfinite(float(end)) for end in torch.aminmax(tensor))


@contextlib.contextmanager
def unreadable_if_invalid(name: str) -> Iterator[None]:
    """Turn the errors that invalid settings or states cause into one UnreadableError that names the file.

    `inr.core.document` has checked every value of a document by itself. Values that do not go together cause errors
    when the field is built, or in the first step of a run. Errors of memory say nothing about the file and pass.
    """
    try:
        yield
    except UnreadableError:
        raise
    except (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        if isinstance(error, RuntimeError) and "memory" in str(error):  # torch's allocators
            raise
        raise _invalid(name, error_line(error)) from error
    except InrError as error:
        raise _invalid(name, error.message) from error


def _invalid(name: str, reason: str) -> UnreadableError:
    return UnreadableError(
        f"{name!r} holds settings or a state that are not valid: {reason[:300]}",
        "it may be written by a newer inr: update inr",
    )


def check_format(document: Mapping[str, Any], expected: str, name: str) -> None:
    """Refuse a document of another format."""
    found = document.get("format")
    if found != expected:
        raise UnreadableError(f"{name!r} is a file of format {found!r}, expected {expected!r}")


def parse_model(document: Mapping[str, Any], name: str) -> tuple[Spec, Frame, FieldConfig]:
    """The signal's spec and frame and the field's config; call it within `unreadable_if_invalid`.

    document: checked. A setting newer than the file gets its value from the signal's spec.
    """
    given = document["spec"]
    shape = None if given["shape"] is None else tuple(given["shape"])
    spec = Spec(given["kind"], given["d_in"], given["d_out"], shape)
    problems = list(SIGNALS[spec.kind].described.problems(spec, document["meta"]))
    if problems:
        raise damaged(name, problems)
    config = parse(FieldConfig, completed(FieldConfig, document["field"]), "field")
    return spec, Frame.from_json(document["frame"]), config.resolve(spec)


def build_field(config: FieldConfig, spec: Spec, tensors: Mapping[str, Tensor], name: str) -> Field:
    """The field of a config with the given tensors; shapes are checked before memory is taken."""
    with torch.device("meta"):
        outline = config.build(spec, torch.Generator())
    expected = sum(t.numel() for t in outline.state_dict().values())
    if expected != sum(t.numel() for t in tensors.values()):
        load_into(outline, tensors, name)
    field = config.build(spec, torch.Generator())
    load_into(field, tensors, name)
    return field
