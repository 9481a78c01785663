"""The state of an optimizer as JSON and tensors, and back; checked, because kernels trust the shapes of tensors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from inr.core.errors import UsageError

_COUNTERS = {"step", "damping"}
"""What optimizers change in their groups: steps they have taken, and the damping of Gauss-Newton."""


def optimizer_state(optimizer: torch.optim.Optimizer) -> tuple[str, dict[str, Tensor]]:
    """The structure of the state as JSON, and its tensors by name, `optimizer` and the way to each."""
    tensors: dict[str, Tensor] = {}
    structure = _flatten(optimizer.state_dict()["state"], "optimizer", tensors)
    return json.dumps([structure, _counters(optimizer)]), tensors


def restore_optimizer(optimizer: torch.optim.Optimizer, text: str, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `optimizer_state` gave; names without the leading `optimizer`. Raises UsageError, ValueError."""
    state = optimizer.state_dict()
    structure, counters = json.loads(text)
    entries = _unflatten(structure, {f"optimizer.{k}": v for k, v in tensors.items()})
    state["state"] = {int(i): entry for i, entry in entries.items()}
    for entry in state["state"].values():
        entry.pop("al", None)  # what L-BFGS writes before it reads: as long as its history, which is a setting
    _check_optimizer(optimizer, state["state"], counters)
    optimizer.load_state_dict(state)
    for group, counted in zip(optimizer.param_groups, counters, strict=True):
        group.update(counted)


def _check_optimizer(optimizer: torch.optim.Optimizer, entries: Mapping[int, Any], counters: Any) -> None:
    """Every tensor of the state has a shape that follows from the parameters', since kernels trust shapes."""
    params = [p for group in optimizer.param_groups for p in group["params"]]
    total = sum(p.numel() for p in params)
    for i, entry in entries.items():
        if not 0 <= i < len(params) or not isinstance(entry, Mapping):
            raise UsageError(f"the optimizer's state is of parameter {i}, expected one of {len(params)}")
        p = params[i]
        columns = p.numel() // max(1, p.shape[0]) if p.shape else 0
        sides = (*p.shape, columns, 2 * columns)  # of it, of it as a matrix, and of a matrix of pairs of real numbers
        possible = [(), (1,), tuple(p.shape), (*p.shape, 2), (total,), *((d, d) for d in sides)]
        for name, value in entry.items():
            own = (
                [tuple(p.shape)] if name in ("exp_avg", "exp_avg_sq", "momentum_buffer", "count", "last") else possible
            )
            for tensor in _tensors(value):
                if tuple(tensor.shape) not in own:
                    raise UsageError(
                        f"state {name!r} has shape {list(tensor.shape)}, "
                        f"expected one that fits a parameter of {list(p.shape)}"
                    )
    is_counted = isinstance(counters, list) and len(counters) == len(optimizer.param_groups)
    if not is_counted or not all(isinstance(c, dict) and c.keys() <= _COUNTERS and _are_counts(c) for c in counters):
        raise UsageError("the optimizer's step counters are not valid")


def _are_counts(counted: Mapping[str, Any]) -> bool:
    return all(isinstance(v, int | float) and not isinstance(v, bool) and 0 <= v < 2**53 for v in counted.values())


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _tensors(each)
    elif isinstance(value, Mapping):
        yield from _tensors(list(value.values()))


def _flatten(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """An optimizer's state as JSON, its tensors moved to `tensors` and named in their place."""
    if isinstance(value, Tensor):
        # How a matrix lies in memory decides the last bit of its products.
        axes = sorted(range(value.ndim), key=value.stride, reverse=True)
        tensors[path] = value.permute(axes).clone(memory_format=torch.contiguous_format)
        return {"tensor": path, "axes": axes}
    if isinstance(value, Mapping):
        return {str(k): _flatten(v, f"{path}.{k}", tensors) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_flatten(v, f"{path}.{i}", tensors) for i, v in enumerate(value)]
    return value


def _unflatten(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, dict):
        if "axes" in value:
            axes = value["axes"]
            return tensors[value["tensor"]].permute([axes.index(axis) for axis in range(len(axes))])
        return {k: _unflatten(v, tensors) for k, v in value.items()}
    return [_unflatten(v, tensors) for v in value] if isinstance(value, list) else value


def _counters(optimizer: torch.optim.Optimizer) -> list[dict[str, float]]:
    """What groups hold beside parameters and fixed settings."""
    return [{k: v for k, v in g.items() if k in _COUNTERS} for g in optimizer.param_groups]


def by_prefix(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Tensors by the part of their name before the first dot, then by the rest of it."""
    groups: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        prefix, _, rest = name.partition(".")
        groups.setdefault(prefix, {})[rest] = tensor
    return groups
