"""Checkpoints: a run as one file from which it continues as if it had never stopped."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inr.core.config import parse
from inr.core.document import CHECKPOINT_FORMAT, CHECKPOINT_NAME, ENCODING_FORMAT
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
from inr.fitting.optimizer_state import by_prefix, optimizer_state, restore_optimizer
from inr.fitting.result import Fit, Outcome
from inr.fitting.run import Run
from inr.fitting.settings import FitConfig
from inr.signals import Signal, Source


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
    structure, optimizer = optimizer_state(run.optimizer)
    tensors |= optimizer
    document = run.result(outcome, with_metrics=False).document() | {
        "format": CHECKPOINT_FORMAT,
        "step": run.step,
        "seconds": run.seconds,
        "smooth_loss": run.loss.moving_average,
        "round_db": run.round_db,
        "optimizer": structure,
        "signal": fingerprint(run.signal),
        "curve": run.loss.curve.document(),
    }
    write_checkpoint(folder, to_bytes(tensors, document))


def write_checkpoint(folder: Path, data: bytes) -> None:
    """Write the file of a checkpoint into `folder`, which is made if it is new; a failure leaves no new folder."""
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
        groups = by_prefix(tensors)
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
    return document.get("outcome") == "interrupted" or document.get("format") not in (
        CHECKPOINT_FORMAT,
        ENCODING_FORMAT,
    )


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
    restore_optimizer(run.optimizer, document["optimizer"], groups.get("optimizer", {}))
    run.step, run.seconds = int(document["step"]), float(document["seconds"])
    run.provenance = dict(document.get("provenance", {}))
    run.loss.moving_average = float(document["smooth_loss"])
    run.round_db = document.get("round_db")
    run.loss.curve = Curve.of_document(document["curve"]) if "curve" in document else Curve()
    run.last_good = _like(groups.get("last_good", {}), run.field.state_dict(), "last_good")


def _like(state: Mapping[str, Tensor], like: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Tensors of the same names, shapes and types as others; an empty state stays empty."""
    if state and (state.keys() != like.keys() or any(_form(state[key]) != _form(t) for key, t in like.items())):
        raise UsageError(f"state {name!r} is of another field")
    return dict(state)


def _form(tensor: Tensor) -> tuple[Any, ...]:
    return tuple(tensor.shape), tensor.dtype
