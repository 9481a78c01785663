"""Checkpoints: a run as one file from which it continues as if it had never stopped."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inr.core.config import parse
from inr.core.document import CHECKPOINT_FORMAT
from inr.core.errors import InrError, UsageError
from inr.core.files import write_file, writing
from inr.fitting.curve import Curve
from inr.fitting.distributed import ProcessGroup
from inr.fitting.model_file import (
    build_field,
    check_finite,
    check_format,
    load_into,
    parse_model,
    read,
    read_header,
    to_bytes,
    unreadable_if_invalid,
)
from inr.fitting.observer import Observers
from inr.fitting.result import Fit, Outcome
from inr.fitting.run import Run
from inr.fitting.settings import FitConfig
from inr.signals import Signal, Source

CHECKPOINT_NAME = "checkpoint.safetensors"


def save_checkpoint(run: Run, folder: Path, outcome: Outcome = "interrupted") -> None:
    """Write everything that the rest of the run depends on, whole or not at all, as one file in `folder`.

    outcome: of the run so far; anything but "interrupted" says that it is over. Raises UsageError for a place that
    cannot be written, UnavailableError for a full disk.
    """
    tensors = {f"field.{k}": v for k, v in run.field.state_dict().items()}
    if run.average is not None:
        tensors |= {f"average.{k}": v for k, v in run.average.state_dict().items()}
    tensors |= {f"sampler.{k}": v for k, v in run.batches.sampler.state().items()}
    if run.train_step.residual_transform is not None:
        tensors |= {f"transform.{k}": v for k, v in run.train_step.residual_transform.state().items()}
    for observer in (watching for watching in run.observers if watching.key):
        tensors |= {f"{observer.prefix}.{k}": v for k, v in observer.state().items()}
    tensors |= {f"generator.{k}": g.get_state() for k, g in run.generators.items()}
    tensors |= {f"last_good.{k}": v for k, v in run.last_good.items()}
    optimizer: dict[str, Tensor] = {}
    structure = _flatten(run.optimizer.state_dict()["state"], "optimizer", optimizer)
    tensors |= optimizer
    document = run.result(outcome, with_metrics=False).document() | {
        "format": CHECKPOINT_FORMAT,
        "step": run.step,
        "seconds": run.seconds,
        "smooth_loss": run.loss.moving_average,
        "round_db": run.round_db,
        "optimizer": json.dumps([structure, _counters(run.optimizer)]),
        "signal": fingerprint(run.signal),
        "curve": run.loss.curve.document(),
    }
    data = to_bytes(tensors, document)
    is_new = not folder.exists()
    with writing(folder):
        folder.mkdir(exist_ok=True)
    try:
        write_file(folder / CHECKPOINT_NAME, data, force=True)
    except InrError:
        if is_new:
            folder.rmdir()
        raise


def resume(
    folder: Path,
    signal: Signal,
    device: torch.device | None = None,
    *,
    group: ProcessGroup | None = None,
    observers: Observers | None = None,
) -> Run:
    """Continue the run that a checkpoint holds, as if it had never stopped (on the CPU: bit for bit).

    Raises UnreadableError when there is no readable checkpoint, UsageError when the signal is another one.
    """
    source = Source.of(folder / CHECKPOINT_NAME)
    document, tensors = read(source)
    check_format(document, CHECKPOINT_FORMAT, source.name)
    with unreadable_if_invalid(source.name):
        spec, frame, config = parse_model(document, source.name)
        settings = parse(FitConfig, document["fit"], "fit")
    if (spec, frame) != (signal.spec, signal.frame) or document["signal"] != fingerprint(signal):
        raise UsageError(
            f"checkpoint {source.name!r} belongs to another signal ({document['source']!r})",
            "give the file that the run was started with",
        )
    with unreadable_if_invalid(source.name):
        groups = _by_prefix(tensors)
        build_field(config, spec, groups["field"], source.name)
        run = Run(signal, config, settings, device, is_fresh=False, group=group, observers=observers)
        _restore(run, document, groups, source.name)
    run.resumed_from = source.name
    return run


def is_unfinished(folder: Path) -> bool:
    """Whether a folder's checkpoint is of a run that can be continued. One that cannot be read may be."""
    try:
        document, _ = read_header(Source.of(folder / CHECKPOINT_NAME))
    except InrError:
        return True
    return document.get("outcome") == "interrupted" or document.get("format") != CHECKPOINT_FORMAT


def unfinished_fit(folder: Path) -> Fit:
    """The fit that a run would give if it ended at its checkpoint; without metrics, which need the signal.

    Raises UnreadableError when the folder has no readable checkpoint.
    """
    source = Source.of(folder / CHECKPOINT_NAME)
    document, tensors = read(source)
    check_format(document, CHECKPOINT_FORMAT, source.name)
    with unreadable_if_invalid(source.name):
        spec, _, config = parse_model(document, source.name)
        prefix = "average." if any(name.startswith("average.") for name in tensors) else "field."
        own = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
        field = build_field(config, spec, own, source.name)
        check_finite(field, source.name)
        fit = Fit.of_document(document, field, source.name)
        return dataclasses.replace(fit, seconds=float(document["seconds"]))


def fingerprint(signal: Signal) -> str:
    """A digest of a signal's frame and of a sample of its values, to recognise it when a run is resumed."""
    pool = signal.pool(torch.Generator().manual_seed(0))
    n = 65536 if signal.tile is None else 64  # each may be another block to read
    index = torch.arange(0, pool.size, max(1, pool.size // n))
    batch = pool.batch(index)
    digest = hashlib.sha256(repr((signal.spec, signal.frame.to_json())).encode())
    digest.update(batch.x.numpy().tobytes())
    digest.update(batch.y.numpy().tobytes())
    return digest.hexdigest()


def _restore(run: Run, document: Mapping[str, Any], groups: Mapping[str, Mapping[str, Tensor]], name: str) -> None:
    load_into(run.field, groups["field"], name)
    if run.average is not None:
        load_into(run.average, groups["average"], name)
    run.batches.sampler.restore(groups.get("sampler", {}))
    if run.train_step.residual_transform is not None:
        run.train_step.residual_transform.restore(groups.get("transform", {}))
    for observer in (watching for watching in run.observers if watching.key):
        observer.restore(document[observer.key], groups.get(observer.prefix, {}))
    for stream, generator in run.generators.items():
        generator.set_state(groups["generator"][stream])
    _restore_optimizer(run.optimizer, document["optimizer"], groups.get("optimizer", {}))
    run.step, run.seconds = int(document["step"]), float(document["seconds"])
    run.provenance = dict(document.get("provenance", {}))
    run.loss.moving_average = float(document["smooth_loss"])
    run.round_db = document.get("round_db")
    run.loss.curve = Curve.of_document(document["curve"]) if "curve" in document else Curve()
    run.last_good = _like(groups.get("last_good", {}), run.field.state_dict(), "last_good")


def _restore_optimizer(optimizer: torch.optim.Optimizer, text: str, tensors: Mapping[str, Tensor]) -> None:
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
            own = [tuple(p.shape)] if name in ("exp_avg", "exp_avg_sq", "momentum_buffer", "count") else possible
            for tensor in _tensors(value):
                if tuple(tensor.shape) not in own:
                    raise UsageError(
                        f"state {name!r} has shape {list(tensor.shape)}, "
                        f"expected one that fits a parameter of {list(p.shape)}"
                    )
    is_counted = isinstance(counters, list) and len(counters) == len(optimizer.param_groups)
    if not is_counted or not all(isinstance(c, dict) and c.keys() <= {"step"} and _are_counts(c) for c in counters):
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


def _like(state: Mapping[str, Tensor], like: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Tensors of the same names, shapes and types as others; none at all where there are none."""
    if state and (state.keys() != like.keys() or any(_form(state[key]) != _form(t) for key, t in like.items())):
        raise UsageError(f"state {name!r} is of another field")
    return dict(state)


def _form(tensor: Tensor) -> tuple[Any, ...]:
    return tuple(tensor.shape), tensor.dtype


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
    """What groups hold beside parameters and fixed settings: some optimizers count their steps there."""
    return [{k: v for k, v in g.items() if k == "step"} for g in optimizer.param_groups]


def _by_prefix(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    groups: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        prefix, _, rest = name.partition(".")
        groups.setdefault(prefix, {})[rest] = tensor
    return groups
