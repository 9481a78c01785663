"""Kernels read along a rehearsal: a linear field's flow is its run, and which runs can be followed."""

from __future__ import annotations

import math

import pytest
import torch

from inr.core.samples import Samples
from inr.fields import Field
from inr.fitting import Run, resolve
from inr.ntk import ntk_report
from inr.ntk.kernel_readings import KernelReadings, can_follow
from inr.ntk.thin_runs import look_steps, rehearse_whole, seen_of
from inr.signals import load_signal
from tests.ntk.small_reports import SMALL, picture


def db(share: float) -> float:
    return 10 * math.log10(share)


@pytest.mark.parametrize("optimizer", ["adam", "soap"])
def test_the_flow_is_the_run_where_the_kernel_is_read_in_the_run_itself(optimizer: str) -> None:
    """All samples in every step: what the flow leaves of the signal's band is what the run leaves, within 1.5 dB."""
    signal = picture(3, 16)
    settings = {"steps": 12, "lr": 5e-4, "optimizer": {"type": optimizer, "beta1": 0.0}, "batch": 4096}
    run = Run(signal, *resolve(signal, SMALL, settings))
    samples = Samples.counted(signal.spec, run.pool)
    readings = KernelReadings(samples, run.settings, look_steps(12, 8), samples.size)
    for due in readings.steps:
        while run.step < due:
            run.take_step()
        readings.read(run)
    _, energy, seen = seen_of(samples)
    band = max(range(len(energy)), key=energy.__getitem__)
    fitted = float(seen(run.field.eval())[band])
    assert 0 < fitted < 0.9
    assert abs(db(float(readings.left[band])) - db(fitted)) < 1.5


def test_reading_changes_nothing_of_the_run() -> None:
    def end(is_read: bool) -> Field:
        signal = picture(3, 16)
        run = Run(signal, *resolve(signal, SMALL, {"steps": 5, "optimizer": "soap"}))
        readings = KernelReadings(Samples.counted(signal.spec, run.pool), run.settings, range(6), 64)
        for _ in range(5):
            if is_read:
                readings.read(run)
            run.take_step()
        return run.field

    pairs = zip(end(is_read=True).parameters(), end(is_read=False).parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_which_runs_can_be_followed() -> None:
    signal = picture(3, 16)
    samples = Samples.counted(signal.spec, signal.pool(torch.Generator()))
    for settings, is_known in (({"optimizer": "soap"}, True), ({"optimizer": "muon"}, False), ({"loss": "l1"}, False)):
        assert can_follow(resolve(signal, SMALL, settings)[1], samples) == is_known
    torus = load_signal("analytic:torus")
    scattered = Samples.counted(torus.spec, torus.pool(torch.Generator()))
    assert not can_follow(resolve(torus, SMALL, {"loss": "mse", "optimizer": "adam"})[1], scattered)


def test_a_rehearsal_has_the_flow_at_its_bands() -> None:
    signal = picture(5)
    config, fit = resolve(signal, SMALL, {"steps": 20, "lr": 2e-3, "optimizer": "adam"})
    course = rehearse_whole(
        signal, config, fit, Samples.counted(signal.spec, signal.pool(torch.Generator())), 0.2, is_read=True
    )
    assert course.flow is not None
    assert course.flow.shape == course.left[-1].shape
    moved = course.flow_at((0.0, 0.1))
    assert moved is not None
    assert moved.shape == (2,)


def test_reports_of_grids_have_it_and_those_of_networks_do_not() -> None:
    settings = {"steps": 20, "optimizer": "adam"}
    grid, network = (
        ntk_report(picture(5, 16), field, settings, points=16, rehearse=0.2, try_settings=False).rehearsal
        for field in ({"type": "dense_grid"}, SMALL)
    )
    assert grid is not None
    assert network is not None
    assert len(grid.flow) == len(grid.left[-1]) > 2
    assert network.flow == ()
