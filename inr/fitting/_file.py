"""Model and checkpoint files: safetensors with one JSON document in the metadata. Nothing is ever unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from inr._errors import UnreadableError
from inr._header import FORMAT_VERSION, parse_header
from inr.signals import Source


def to_bytes(tensors: Mapping[str, Tensor], document: Mapping[str, Any]) -> bytes:
    """The file's bytes; they depend on the tensors and the document alone."""
    text = json.dumps({"version": FORMAT_VERSION, **document}, sort_keys=True, allow_nan=False)
    return save_tensors({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, metadata={"inr": text})


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
        return document, load_tensors(data)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise UnreadableError(
            f"{source.name!r} is damaged: {error}", "the file may be truncated; copy it again"
        ) from error


def load_into(module: torch.nn.Module, tensors: Mapping[str, Tensor], name: str) -> None:
    """Copy tensors into a module by name; every missing, surplus or misshapen one is listed."""
    own = module.state_dict()
    problems = [f"tensor {k!r} is missing" for k in own if k not in tensors]
    problems += [f"tensor {k!r} is not part of the field" for k in tensors if k not in own]
    problems += [
        f"tensor {k!r} has shape {list(v.shape)} and type {v.dtype}, expected {list(own[k].shape)} and {own[k].dtype}"
        for k, v in tensors.items()
        if k in own and (v.shape != own[k].shape or v.dtype != own[k].dtype)
    ]
    if problems:
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise UnreadableError(f"{name!r} does not hold the field it says: {'; '.join(problems[:5])}{more}")
    module.load_state_dict(dict(tensors))
