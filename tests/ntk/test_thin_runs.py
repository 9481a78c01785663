"""Rehearsals of a whole run: their shape, that they come true, and what they refuse."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from inr.core.errors import UsageError
from inr.core.samples import Samples
from inr.fitting import Run, resolve
from inr.ntk.thin_runs import PARTS, Course, look_steps, rehearse_whole, seen_of
from inr.signals import Signal, load_signal
from tests.ntk.small_reports import SMALL, picture


def samples_of(signal: Signal) -> Samples:
    return Samples.counted(signal.spec, signal.pool(torch.Generator()))


def course_of(signal: Signal, share: float, **settings: object) -> Course:
    config, fit = resolve(signal, SMALL, {"steps": 60, "lr": 2e-3, "optimizer": "adam", **settings})
    return rehearse_whole(signal, config, fit, samples_of(signal), share)


def test_steps_are_log_spaced_from_the_start_to_the_end() -> None:
    assert look_steps(1) == [0, 1]
    steps = look_steps(1000)
    assert (steps[0], steps[1], steps[-1]) == (0, 2, 1000)
    assert all(b <= 2 * a for a, b in itertools.pairwise(steps[1:]))


def test_a_rehearsal_is_the_run_on_fewer_samples() -> None:
    course = course_of(picture(5), 0.2)
    assert course.steps[-1] == 60
    assert course.batches == tuple(round(0.2 * part * 32 * 32) for part in PARTS)
    assert course.left.shape == course.measured.shape == (len(course.steps), len(course.centres))
    assert bool((course.left <= course.measured * (1 + 1e-9)).all())
    again = course_of(picture(5), 0.2)
    assert torch.equal(course.left, again.left)


def test_its_forecast_comes_true_where_the_kernel_moves() -> None:
    """Sines of a high rate on stripes: energy left within 2 dB of the fit, of which most is learned."""
    signal = picture(5)
    run = Run(signal, *resolve(signal, SMALL, {"steps": 20, "lr": 2e-3, "optimizer": "adam"}))
    run.advance()
    centres, _, seen = seen_of(samples_of(signal))
    course = course_of(signal, 0.2, steps=20)
    assert centres == course.centres
    band = int((torch.tensor(centres) - math.hypot(5, 1) / 32).abs().argmin())
    fitted = float(seen(run.field.eval())[band])
    assert 0 < fitted < 0.2
    assert abs(10 * math.log10(float(course.left[-1, band]) / fitted)) < 2


def test_other_bands_are_interpolated() -> None:
    left = torch.tensor([[0.0, 1.0, 0.01]], dtype=torch.float64)
    course = Course(0.1, (7, 3), (10,), left, left, (0.0, 0.1, 0.4), 0.0, has_diverged=False)
    found: Tensor = course.at((0.0, 0.05, 0.2, 0.5))
    assert torch.allclose(found, torch.tensor([[0.0, 1.0, 0.1, 0.01]], dtype=torch.float64))
    assert course.at((0.0, 0.1, 0.4)) is left


def test_a_signal_without_a_lattice_has_one_band() -> None:
    signal = load_signal("analytic:torus")
    config, fit = resolve(signal, SMALL, {"steps": 40, "batch": 256, "optimizer": "adam", "loss": "mse"})
    course = rehearse_whole(signal, config, fit, samples_of(signal), 0.2)
    assert course.centres == ()
    assert course.left.shape == (len(course.steps), 1)
    assert 0 < course.final < float(course.left[0])


def test_a_run_that_diverges_says_so() -> None:
    course = course_of(picture(5), 0.2, lr=1e30)
    assert course.has_diverged
    assert course.steps[-1] < 60


def test_optimizers_of_the_whole_signal_are_refused() -> None:
    with pytest.raises(UsageError, match="'lbfgs' cannot be rehearsed"):
        course_of(picture(5), 0.2, optimizer="lbfgs")
