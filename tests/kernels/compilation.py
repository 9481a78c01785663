"""Machine code for launches that this machine cannot run: Triton's compiler needs no device."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

CAPABILITIES = (80, 90)
LEAST_SHARED_BYTES = 99 * 1024  # what a program may have on every device from compute capability 8.0 on
NAMES = {
    torch.float32: "fp32",
    torch.float64: "fp64",
    torch.float16: "fp16",
    torch.bfloat16: "bf16",
    torch.int64: "i64",
    torch.int32: "i32",
}
OPTIONS = ("num_warps", "num_stages", "enable_fp_fusion")


@dataclass
class Launch:
    kernel: Any
    inputs: tuple[Any, ...]
    constants: dict[str, Any]

    def compile(self, capability: int) -> Any:
        """The compiled kernel, whose `metadata.shared` is its shared memory in bytes."""
        import triton
        from triton.backends.compiler import GPUTarget
        from triton.compiler import ASTSource

        names = list(inspect.signature(self.kernel.fn).parameters)
        signature = {name: _kind(value) for name, value in zip(names, self.inputs, strict=False)}
        constants = {name: value for name, value in self.constants.items() if name not in OPTIONS}
        ones = {name: 1 for name, value in zip(names, self.inputs, strict=False) if type(value) is int and value == 1}
        constants |= ones  # as Triton makes them when it starts a kernel
        signature |= dict.fromkeys(constants, "constexpr")
        assert list(signature) == names or set(signature) == set(names)
        source = ASTSource(fn=self.kernel, signature={n: signature[n] for n in names}, constexprs=constants)
        options = {"enable_fp_fusion": False} | {k: v for k, v in self.constants.items() if k in OPTIONS}
        return triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)


def _kind(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"*{NAMES[value.dtype]}"
    return "fp32" if isinstance(value, float) else "i32"


def launches(monkeypatch: pytest.MonkeyPatch, call: Callable[[], object]) -> list[Launch]:
    """The kernels that the call would start. None is started, so the results of the call are arbitrary."""
    seen: list[Launch] = []

    def note(kernel: Any, programs: tuple[int, ...], device: Tensor, *inputs: Any, **constants: Any) -> None:
        seen.append(Launch(kernel, inputs, constants))

    for name, module in list(sys.modules.items()):
        start = getattr(module, "start", None) if name.startswith("inr.kernels.") else None
        if start is not None and start.__module__ != name:  # imported there, so kernels are started there
            monkeypatch.setattr(module, "start", note)
    call()
    return seen
