"""What the Triton kernels share: how they are started, on a device or in Triton's interpreter.

The interpreter (TRITON_INTERPRET=1, set before triton is imported) runs kernels on the CPU with numpy, one program
after the other: index arithmetic and masks are tested by it, speed and races are not.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from inr.kernels._dispatch import is_interpreted


def start(kernel: Any, programs: tuple[int, ...], device: Tensor, *inputs: Any, **constants: Any) -> None:
    """Runs the kernel on the tensor's device; does nothing if there are no programs.

    Products and sums are rounded one by one, as in torch, unless `enable_fp_fusion` is among the constants.
    """
    if 0 in programs:
        return
    device_of: Any = torch.cuda.device_of  # unlike device(), for CPU tensors too; torch gives it no types
    with device_of(device):
        kernel[programs](*inputs, **{"enable_fp_fusion": False} | constants)


def block(on_device: int, interpreted: int = 1024) -> int:
    """Rows per program: what suits the device, or more, as the interpreter pays for programs and not for rows."""
    return interpreted if is_interpreted() else on_device


def power_of_two(number: int, least: int = 1) -> int:
    """The smallest power of two that is neither below number nor below least."""
    return max(least, 1 << max(0, number - 1).bit_length())
