"""Distillation of features: the start that it gives, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from inr.core.errors import UsageError
from inr.fitting import Fit, Progress, resolve
from inr.fitting.teacher import teacher_of
from inr.layers import Linear
from inr.signals.analytic import demo
from inr.signals.array import Array
from inr.workflows.distillation import distil
from inr.workflows.feature_distillation import FeatureTeacher, feature_start
from inr.workflows.fit import fit

SIREN: dict[str, Any] = {"type": "siren", "width": 16, "depth": 2, "activation": {"type": "sine", "omega": 10.0}}
QUICK: dict[str, Any] = {"lr": 1e-3, "batch": 512, "optimizer": "adam", "schedule": "constant"}


@pytest.fixture(scope="module")
def taught() -> Fit:
    a = (np.arange(24, dtype=np.float32) + 0.5) / 24
    waves = Array.of_array(np.sin(6 * a)[:, None] * np.cos(9 * a)[None, :])
    return fit(waves, SIREN, {"steps": 200, **QUICK})


def test_a_student_of_features_has_the_values_without_having_seen_them(taught: Fit) -> None:
    teacher = teacher_of(taught, "t")
    config, settings = resolve(teacher, {**SIREN, "width": 24}, {"steps": 200, "seed": 3, **QUICK, "lr": 3e-3})
    assert teacher.metrics(feature_start(teacher, config, settings))["psnr_db"] > 25


def test_features_are_what_the_last_map_reads(taught: Fit) -> None:
    teacher = teacher_of(taught, "t")
    signal = FeatureTeacher.of(teacher)
    x = torch.rand(100, 2, generator=torch.Generator().manual_seed(0))
    features = signal.values(x) * signal.deviation + signal.mean
    last = next(m for m in taught.field.modules() if isinstance(m, Linear) and m.role == "last")
    torch.testing.assert_close(last(features).detach(), teacher.values(x), atol=1e-5, rtol=0)
    batch = signal.pool(torch.Generator()).batch(torch.arange(50))
    torch.testing.assert_close(signal.values(batch.x), batch.y)
    assert signal.metrics(signal.values)["mse"] == 0


def test_features_take_their_part_of_the_steps(taught: Fit) -> None:
    heard: list[Progress] = []
    student = {"type": "mlp", "width": 12, "depth": 2}
    done = distil(taught, student, {"steps": 40, **QUICK}, features=0.3, stages=2, on_progress=heard.append)
    assert [p.step for p in heard] == list(range(1, 41))
    assert (done.steps, done.settings.steps, done.spec.d_out) == (40, 40, 1)
    assert done.metrics["psnr_db"] > 0


def test_distances_too() -> None:
    ball = {"type": "siren", "width": 8, "depth": 1, "activation": {"type": "sine", "omega": 8.0}}
    settings = {"steps": 20, "lr": 3e-3, "batch": 256}
    done = distil(fit(demo("sphere"), ball, settings), ball, settings, features=0.5)
    assert done.steps == 20
    assert "iou" in done.metrics


@pytest.mark.parametrize(
    ("field", "features", "message"),
    [
        (SIREN, 1.0, "`features` is 1, expected at least 0 and less than 1"),
        ("gaussian_image", 0.5, "field 'gaussian_image' has 0 last linear maps"),
        ("f_inr", 0.5, "field 'f_inr' has 2 last linear maps"),
    ],
)
def test_what_has_no_features_is_refused(taught: Fit, field: Any, features: float, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        distil(taught, field, {"steps": 4}, features=features)
