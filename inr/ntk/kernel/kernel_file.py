"""Tangent kernels in files: safetensors with one JSON document in the metadata."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, get_args

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from inr.core.errors import UnreadableError
from inr.core.files import check_writable, write_file
from inr.ntk.kernel.matrix import Kernel, Method
from inr.ntk.kernel.operator import Channels

KEY, VERSION = "inr_kernel", 1


def save_kernel(kernel: Kernel, path: str | Path, *, force: bool = False) -> None:
    """Write a kernel: tensors `matrix` [M, M] and `values` [N, C], and the rest as JSON.

    Raises UsageError if the file exists and `force` is not set, or if it cannot be written.
    """
    target = Path(path)
    check_writable(target, force=force)
    document = {
        "version": VERSION,
        "channels": kernel.channels,
        "method": kernel.method,
        "n_params": kernel.n_params,
        "traces": dict(kernel.traces),
    }
    tensors = {name: getattr(kernel, name).detach().cpu().contiguous() for name in ("matrix", "values")}
    write_file(target, save(tensors, {KEY: json.dumps(document)}), force=force)


def load_kernel(path: str | Path) -> Kernel:
    """The kernel in a file of `save_kernel`. Raises UnreadableError for any other file."""
    try:
        with safe_open(path, framework="pt") as file:
            document = json.loads((file.metadata() or {})[KEY])
            matrix, values = file.get_tensor("matrix"), file.get_tensor("values")
        return _checked(document, matrix, values)
    except OSError as error:
        raise UnreadableError(f"{path}: {error.strerror or error}") from error
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise UnreadableError(f"{path} is damaged, or was not written by `save_kernel`") from error


def _checked(document: Any, matrix: torch.Tensor, values: torch.Tensor) -> Kernel:
    """Raises ValueError, KeyError or TypeError for what does not fit together."""
    if document["version"] != VERSION:
        raise ValueError("version")
    channels, method, traces = document["channels"], document["method"], document["traces"]
    if channels not in get_args(Channels) or method not in get_args(Method):
        raise ValueError("names")
    n, c = values.shape
    size = n * c if channels == "full" else n
    if matrix.shape != (size, size) or not all(math.isfinite(float(t)) for t in traces.values()):
        raise ValueError("shapes")
    return Kernel(matrix, values, channels, method, int(document["n_params"]), {k: float(t) for k, t in traces.items()})
