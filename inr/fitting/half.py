"""Parameters in 16 bits: rounding a field that loses nothing to speak of by it, and telling such fields from others."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence

import torch
from torch import Generator, Tensor

from inr.fields import Field
from inr.fitting.losses import LossConfig
from inr.signals import Pool

MOST_LOST_DB = 0.05
"""Loss of quality up to which parameters are rounded."""

_SAMPLES = 2**16
_PART = 2**20
"""Numbers that are rounded or compared together, so that copies stay small."""

_SEED = 0x4A1F


def is_exact(tensors: Mapping[str, Tensor]) -> bool:
    """Whether all tensors are float32 numbers that float16 holds exactly."""
    return all(
        t.dtype == torch.float32
        and all(bool((part == part.half()).all()) for part in torch.split(t.reshape(-1), _PART))
        for t in tensors.values()
    )


def rounded(field: Field) -> Field | None:
    """A copy with the parameters and buffers of `field`, rounded to float16; it still calculates in float32.

    None where float16 cannot hold them: numbers above 65504, or of other types than float32.
    """
    twin = copy.deepcopy(field)
    with torch.no_grad():
        for tensor in twin.state_dict().values():  # they share memory with the field
            if tensor.dtype != torch.float32:
                return None
            for part in torch.split(tensor.view(-1), _PART) if tensor.is_contiguous() else (tensor,):
                half = part.half()
                if not bool(torch.isfinite(half).all()):
                    return None
                part.copy_(half)
    return twin


def lost_db(
    field: Field, other: Field, loss: LossConfig, pool: Pool, device: torch.device, value_step: float | None = None
) -> float:
    """By how many dB the loss of `other` is above that of `field`, on up to 2^16 random samples.

    For errors that are not squared 20 log10 of the ratio. Infinite where the ratio is not a number, or the loss needs
    coordinate derivatives. value_step: distance between the values of a file that is written, in training units; root
    mean square errors of at most a sixth of it do not change the file, and count as none.
    """
    if loss.order > 0 or loss.draws:
        return math.inf
    before, after = losses_on_samples([field, other], loss, pool, device)
    unseen = 0.0 if value_step is None else (value_step / 6) ** (2 if loss.is_mse else 1)
    if after <= max(before, unseen):
        return 0.0
    ratio = after / before if before > 0 else math.inf
    return (10 if loss.is_mse else 20) * math.log10(ratio) if math.isfinite(ratio) else math.inf


def losses_on_samples(fields: Sequence[Field], loss: LossConfig, pool: Pool, device: torch.device) -> list[float]:
    """The loss of each field on the same random samples, 2^16 of them or all."""
    if pool.size > _SAMPLES:
        index = torch.randint(pool.size, (_SAMPLES,), generator=Generator().manual_seed(_SEED)).sort().values
    else:
        index = torch.arange(pool.size)
    batch = pool.batch(index.to(device)).to(device)
    with torch.no_grad():
        return [float(loss.value(field, batch, Generator())) for field in fields]
