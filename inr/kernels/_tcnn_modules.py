"""Modules of tiny-cuda-nn, one per shape and device, called with our own parameters in place of theirs."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call

from inr.core.errors import UnavailableError
from inr.core.optional import need


def call(
    kind: str, dims: tuple[int, ...], configs: tuple[dict[str, Any], ...], parameters: Tensor, x: Tensor
) -> Tensor:
    """The result of `tinycudann.{kind}(*dims, *configs)` for x with these parameters, in float32.

    Raises UnavailableError if it has another number of parameters: its own arithmetic of resolutions then differs
    from ours in the last bit.
    """
    module = _module(kind, dims, json.dumps(configs), x.device)
    wanted = module.params.numel()
    if wanted != parameters.numel():
        raise UnavailableError(
            f"tiny-cuda-nn lays this {kind} out in {wanted} parameters, expected {parameters.numel()}",
            "INR_BACKEND=cuda, or another resolution",
        )
    value: Tensor = functional_call(module, {"params": parameters}, (x,))
    return value.float()


@lru_cache(maxsize=16)
def _module(kind: str, dims: tuple[int, ...], configs: str, device: torch.device) -> Any:
    tinycudann: Any = need(
        "tinycudann", "the backend 'tcnn'", "git+https://github.com/NVlabs/tiny-cuda-nn#subdirectory=bindings/torch"
    )
    options = {"dtype": torch.float32} if kind == "Encoding" else {}
    module = getattr(tinycudann, kind)(*dims, *json.loads(configs), **options)
    return module.to(device).requires_grad_(False)
