"""The intrinsic dimension of a fit: how many random directions of the parameters it needs.

Li et al. 2018, "Measuring the intrinsic dimension of objective landscapes", arXiv:1804.08838.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch

from inr.core.errors import UsageError
from inr.fields import FieldConfig
from inr.fields.subspace import Subspace
from inr.fitting import FitConfig, Progress, resolve
from inr.signals import Signal
from inr.workflows.compare import is_higher_better
from inr.workflows.fit import FitPlan
from inr.workflows.sizing import count_parameters

PRECISION = 1.1


@dataclasses.dataclass(frozen=True)
class IntrinsicDimension:
    """The result of `intrinsic_dimension`.

    dimensions: the fewest that reached the target, None if not even as many as there are parameters did. quality: of
    the fit with them, in the metric `headline`. full: of the fit of all parameters. target: share of `full`.
    n_params: parameters of the field. tried: (D, quality) of every fit, in order.
    """

    headline: str
    dimensions: int | None
    quality: float | None
    full: float
    target: float
    n_params: int
    tried: tuple[tuple[int, float], ...]


def intrinsic_dimension(
    signal: Signal,
    field: str | Mapping[str, Any] | FieldConfig,
    settings: Mapping[str, Any] | FitConfig | None = None,
    *,
    share: float = 0.9,
    full: float | None = None,
    precision: float = PRECISION,
    device: torch.device | None = None,
    on_progress: Callable[[int, Progress], None] | None = None,
) -> IntrinsicDimension:
    """The smallest D for which `subspace` with D dimensions reaches a share of the field's quality.

    Quality is the signal's headline metric (PSNR, SNR, IoU): 0.9 of 40 dB are 36 dB. It is assumed to rise with D,
    and D is bisected on a logarithmic scale until it is known within a factor of `precision`: about
    log2(log n_params / log precision) fits. All have the same settings and seed. full: the field's quality, if it is
    known; else it is fitted.
    on_progress: D, or 0 for the full fit, and the progress of that fit.

    The paper: 0.9 of a classifier's accuracy or of a reward; here: of the headline metric, because signals have no
    classes. The paper: a grid of D; here: bisection, because each D is a fit.

    Raises UsageError for a share outside (0, 1), for a field that starts from the signal or is solved in closed form,
    and for a full quality of 0 or less.
    """
    if not 0 < share < 1:
        raise UsageError(f"`share` is {share:g}, expected a number between 0 and 1")
    if not precision > 1:
        raise UsageError(f"`precision` is {precision:g}, expected more than 1")
    base, resolved = resolve(signal, field, settings)
    if resolved.steps == 0:
        raise UsageError(f"field {base.type_name!r} is solved in closed form, so that no dimension can be searched")
    if base.starts_from_signal(signal.spec):
        raise UsageError(
            f"field {base.type_name!r} starts from the signal, so that a random subspace does not contain its start",
            "choose an initialiser with random initial values, such as `field.init=xavier`",
        )

    def quality(config: FieldConfig, dimensions: int) -> float:
        plan = FitPlan(signal, config, resolved, device)
        fit = plan.fit(None if on_progress is None else lambda p: on_progress(dimensions, p))
        return fit.metrics[signal.headline]

    full = quality(base, 0) if full is None else full
    if not (math.isfinite(full) and full > 0):
        raise UsageError(f"the quality of the full fit is {full:g}, expected more than 0")
    is_higher = is_higher_better(signal.headline)
    target = share * full if is_higher else full / share
    n_params = count_parameters(base, signal.spec)
    tried: dict[int, float] = {}

    def reaches(dimensions: int) -> bool:
        config = Subspace(base=base, dimensions=dimensions).resolve(signal.spec)
        tried[dimensions] = quality(config, dimensions)
        return tried[dimensions] >= target if is_higher else tried[dimensions] <= target

    few, enough = 0, n_params + 1
    while enough - few > 1 and enough > precision * few:
        middle = min(max(round(math.sqrt(max(few, 1) * enough)), few + 1), enough - 1)
        if reaches(middle):
            enough = middle
        else:
            few = middle
    if enough > n_params and few < n_params and reaches(n_params):
        enough = n_params
    found = enough if enough <= n_params else None
    best = None if found is None else tried[found]
    return IntrinsicDimension(signal.headline, found, best, full, target, n_params, tuple(tried.items()))
