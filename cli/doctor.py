"""`inr doctor`: what is installed, what it runs on, and which kernels would be used."""

from __future__ import annotations

import os
import platform
from typing import Any

import inr

from . import _options as options
from ._output import Output, say

REQUIRED = (
    "torch",
    "numpy",
    "numba",
    "safetensors",
    "typer",
    "rich",
    "pillow",
    "soundfile",
    "trimesh",
    "libigl",
    "manifold3d",
)
OPTIONAL = ("triton", "tinycudann", "onnx", "onnxruntime")


def doctor(
    as_json: options.Json = False,
    is_quiet: options.Quiet = False,
    verbosity: options.Verbose = 0,
    device: options.Device = "auto",
) -> None:
    """Show what is installed and which kernels would be used.

    \b
    inr doctor
    inr doctor --json     what a bug report needs
    """
    out = Output(as_json, is_quiet, verbosity)
    import torch

    from inr import kernels
    from inr.core import device as _device
    from inr.kernels.precision import bf16_units

    chosen, reason = _device.pick(device)
    document: dict[str, Any] = {
        "inr": inr.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in REQUIRED},
        "optional": {name: _optional(name) for name in OPTIONAL},
        "device": str(chosen),
        "device_reason": reason,
        "cuda_devices": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "threads": torch.get_num_threads(),
        "cpus": os.cpu_count(),
        "bf16_units": bf16_units(),
        "kernels": [vars(row) for row in kernels.table(kernels.Need(device=chosen.type, dtype=torch.float32))],
    }
    if as_json or is_quiet:
        out.result("doctor", document, "", document["device"])
        return
    say(f"inr {document['inr']}, Python {document['python']}, {document['platform']}")
    say(f"device {reason}; {document['cpus']} CPUs; units of the CPU for bf16 matrices: {document['bf16_units']}")
    for gpu in document["cuda_devices"]:
        say(f"CUDA {gpu}")
    say()
    rows = [(name, version or "missing") for name, version in document["packages"].items()]
    rows += [(f"{name} (optional)", state) for name, state in document["optional"].items()]
    out.table(("package", "version"), rows)
    say()
    out.table(
        ("kernel", "backend", "usable", f"why not, for float32 on {chosen.type}"),
        [
            (r["op"], r["backend"], "yes" if r["is_usable"] else "no", "; ".join(r["reasons"]))
            for r in document["kernels"]
        ],
    )


def _version(distribution: str) -> str | None:
    import importlib.metadata

    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _optional(package: str) -> str:
    """The version of an optional package, `absent`, or why its import fails."""
    from inr.core.optional import probe

    found = probe(package)
    if not isinstance(found, Exception):
        return _version(package) or "present"
    is_absent = isinstance(found, ModuleNotFoundError) and found.name == package
    return "absent" if is_absent else f"broken: {type(found).__name__}: {found}".splitlines()[0]
