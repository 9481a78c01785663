"""Choice of the device."""

from __future__ import annotations

import torch

from inr.core.errors import UnavailableError, UsageError, did_you_mean


def pick(name: str = "auto") -> tuple[torch.device, str]:
    """The device for `auto`, `cpu`, `cuda`, `cuda:1` or `mps`, and one line saying why it was chosen.

    Raises UnavailableError when this machine does not have the device, UsageError for an unknown name.
    """
    kind, _, index = name.partition(":")
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda"), f"cuda: {torch.cuda.get_device_name()}"
        return torch.device("cpu"), f"cpu with {torch.get_num_threads()} threads: no CUDA device is visible to torch"
    if kind not in ("cpu", "cuda", "mps") or (index and not index.isdigit()):
        known = ["auto", "cpu", "cuda", "mps"]
        raise UsageError(
            f"unknown device {name!r}{did_you_mean(name, known)}", f"known: {', '.join(known)}, cuda:INDEX"
        )
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise UnavailableError(
            f"device {name!r} is not available: torch sees {torch.cuda.device_count()} CUDA devices",
            "use `device=auto`",
        )
    if kind == "mps" and not torch.backends.mps.is_available():
        raise UnavailableError("device 'mps' is not available", "use `device=auto`")
    return torch.device(name), f"{name}: requested"
