"""From what a caller gives to complete settings, and the checks that need the signal, the field or the machine."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch

from inr.assemblies import Body
from inr.core.config import parse
from inr.core.errors import UsageError
from inr.fields import Field, FieldConfig, RecipeName
from inr.fitting.least_squares import LARGEST_SYSTEM
from inr.fitting.losses import LOSSES
from inr.fitting.samplers import SamplerConfig
from inr.fitting.samplers.standard import Shuffled
from inr.fitting.samplers.tiles import TilesConfig
from inr.fitting.settings import FitConfig
from inr.kernels import use_precision
from inr.signals import Signal


def field_for(signal: Signal, config: FieldConfig) -> FieldConfig:
    """A field's settings with everything that depends on the signal."""
    gives_all = signal.has_whole_lattice if signal.spec.shape is not None else signal.has_values_anywhere
    return (config if gives_all else config.started_at_random()).resolve(signal.spec)


ENDS = frozenset({"steps", "time_s", "rounds"})
"""Settings that limit a run."""

_ROUNDS = 6
"""Of a run that has a target and no limit: 63 times the recipe's steps at most."""


def pursuing(settings: FitConfig, *, is_limited: bool) -> FitConfig:
    """The settings, with rounds for a target that nothing else limits. is_limited: one of `ENDS` is given."""
    if settings.target_psnr_db is None or is_limited:
        return settings
    return dataclasses.replace(settings, rounds=_ROUNDS)


def resolve(
    signal: Signal,
    field: str | Mapping[str, Any] | FieldConfig | None = None,
    settings: Mapping[str, Any] | FitConfig | None = None,
    *,
    recipe: RecipeName = "best",
) -> tuple[FieldConfig, FitConfig]:
    """The complete settings for a signal: what is given, then the family's recipe, then the defaults.

    field: by default the signal kind's own. settings: a FitConfig is taken as it is, without the family's recipe.
    recipe: which of the family's, "best" or "paper".
    Raises ConfigError, which lists every problem, or UsageError for settings that do not suit the signal.
    """
    chosen = signal.default_field if field is None else field
    config = chosen if isinstance(chosen, FieldConfig) else parse(FieldConfig, chosen, "field")
    config = field_for(signal, config)
    if not isinstance(settings, FitConfig):
        base = parse(FitConfig, config.named_recipe(recipe, signal.spec), "fit")
        is_limited = not ENDS.isdisjoint(settings or {})
        settings = pursuing(parse(FitConfig, settings or {}, "fit", base), is_limited=is_limited)
    if settings.target_psnr_db is not None and signal.peak is None:
        raise UsageError(
            f"PSNR is not defined for a signal of kind {signal.kind!r}", "use `steps` or `time_s` to end the run"
        )
    loss = settings.loss or LOSSES[signal.loss]()
    return config, dataclasses.replace(settings, loss=loss, sampler=_sampler_for(signal, settings.sampler))


def _sampler_for(signal: Signal, chosen: SamplerConfig) -> SamplerConfig:
    """The chosen sampler; `tiles` in place of `shuffled` where the signal is read from disk."""
    if signal.tile is None or chosen.reads_tiles:
        return chosen
    if chosen == Shuffled():
        return TilesConfig()
    raise UsageError(
        f"sampler {chosen.type_name!r} needs the whole signal in memory, but {signal.name!r} is read tile by tile",
        "use `fit.sampler=tiles`, or `signal.read=memory` where the memory is large enough",
    )


def check_smoothness(field: Field, settings: FitConfig) -> None:
    """Refuse a loss that takes more coordinate derivatives than the field has."""
    loss = settings.loss
    assert loss is not None
    if loss.order > field.smoothness:
        raise UsageError(
            f"loss {loss.type_name!r} takes {loss.order} coordinate derivative(s), "
            f"but this {field.config.type_name!r} field is smooth to order {field.smoothness:g} only",
            "choose another field, or a smoother form (hash_grid: `field.encoding.interpolation=smoothstep`)",
        )


def check_parts(settings: FitConfig, n_samples: int) -> None:
    """Refuse an optimizer, residual transform, loss and batch that do not go together. n_samples: of the signal."""
    optimizer, transform, loss = settings.optimizer, settings.residual_transform, settings.loss
    assert loss is not None
    if transform is not None and loss.type_name != "mse":
        raise UsageError(
            f"transform {transform.type_name!r} changes the residual of loss 'mse', but the loss is {loss.type_name!r}",
            "use `fit.loss=mse`, or `fit.residual_transform=none`",
        )
    if optimizer.is_closed and transform is not None:
        raise UsageError(
            f"optimizer {optimizer.type_name!r} needs the gradient of a loss, "
            f"but transform {transform.type_name!r} changes that gradient",
            "use `fit.residual_transform=none`, or `fit.optimizer=adam`",
        )
    if optimizer.is_closed and settings.batch < n_samples:
        raise UsageError(
            f"optimizer {optimizer.type_name!r} needs every sample in every step, "
            f"but batch is {settings.batch} of {n_samples}",
            f"use `fit.batch={n_samples}`, or `fit.optimizer=adam`",
        )


def check_update(field: Field, settings: FitConfig) -> None:
    """Refuse what needs parameters that only the optimizer changes, for a field whose layers change them too."""
    if not field.has_own_update:
        return
    layers = "a field whose linear layers change their bases in every step (dlrt)"
    if settings.optimizer.is_closed or settings.optimizer.is_least_squares:
        raise UsageError(
            f"optimizer {settings.optimizer.type_name!r} cannot train {layers}", "use `fit.optimizer=adam`"
        )
    if settings.ema is not None:
        raise UsageError(f"ema cannot average the parameters of {layers}", "use `fit.ema=none`")


def check_least_squares(field: Field, settings: FitConfig, n_samples: int) -> None:
    """Refuse a run for which an optimizer that solves for its steps has no residuals or no room."""
    optimizer, loss = settings.optimizer, settings.loss
    assert loss is not None
    if not optimizer.is_least_squares:
        return
    others = {
        "loss 'mse' alone": not (loss.type_name == "mse" and field.penalty() is None),
        "the residual as it is": settings.residual_transform is not None,
        "steps without a limit (`fit.clip=none`)": settings.clip is not None,
    }
    for need, is_missing in others.items():
        if is_missing:
            raise UsageError(f"optimizer {optimizer.type_name!r} needs {need}", "use `fit.optimizer=adam`")
    n_rows = min(field.n_params, min(settings.batch, n_samples) * field.d_out)
    if n_rows > LARGEST_SYSTEM:
        raise UsageError(
            f"optimizer {optimizer.type_name!r} would solve for {n_rows} unknowns, of at most {LARGEST_SYSTEM}",
            f"use `fit.batch={LARGEST_SYSTEM // field.d_out}`, or a smaller field",
        )


def check_shareable(settings: FitConfig) -> None:
    """Refuse what is not a sum over the samples of a batch, which is all that several processes can share."""
    assert settings.loss is not None
    parts = {
        "fit.loss": settings.loss.type_name if settings.loss.draws else None,
        "fit.jitter": None if settings.jitter is None else settings.jitter.type_name,
        "fit.residual_transform": None
        if settings.residual_transform is None
        else settings.residual_transform.type_name,
        "fit.track_ntk": settings.track_ntk,
        "fit.optimizer": settings.optimizer.type_name if settings.optimizer.is_least_squares else None,
    }
    for name, value in parts.items():
        if value is not None:
            raise UsageError(
                f"{name}={value} is not a sum over the batch's samples, so processes cannot share it",
                "run it in one process",
            )


def check_precision(field: Field, settings: FitConfig, device: torch.device) -> None:
    """Refuse a precision that the machine, the field or the loss does not allow."""
    chosen, loss = settings.precision, settings.loss
    assert loss is not None
    if chosen == "float32":
        return
    with use_precision(chosen, device.type):  # raises where the machine has no such units
        pass
    bodies = [part for part in field.modules() if isinstance(part, Body)]
    if device.type == "cuda" and loss.order == 0:
        return  # the kernels of networks refuse what they cannot do
    if device.type != "cpu" or not loss.is_mse or not any(body.can_be_reduced for body in bodies):
        raise UsageError(
            f"precision {chosen!r} is for dense networks (siren, mlp, wire) on the CPU, and loss 'mse'",
            "use `fit.precision=float32`",
        )
