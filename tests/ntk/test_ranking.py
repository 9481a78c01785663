"""Settings ranked by rehearsals: the gains are those of fits, and what cannot be rehearsed is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from inr.core.errors import UsageError
from inr.fitting import resolve
from inr.ntk.changes import Change
from inr.ntk.ranking import AGAIN, SAME_SIZE, Ranked, Ranking, gain_db, rank
from inr.ntk.verdict import WORTH_DB
from inr.signals import Signal, load_signal
from inr.signals.audio import Audio
from inr.signals.points import Points
from inr.workflows.fit import fit
from tests.ntk.small_reports import SMALL, picture

SLOW = {"steps": 40, "optimizer": "adam", "lr": 2e-5, "schedule": "constant"}


def ranked(signal: Signal, **settings: object) -> Ranking:
    return rank(signal, *resolve(signal, SMALL, settings), share=0.2)


@pytest.fixture(scope="module")
def slow() -> Ranking:
    return ranked(picture(3), **SLOW)


def test_gains_are_sorted_and_a_rate_that_is_too_low_is_found(slow: Ranking) -> None:
    gains = {r.change.what: r.gain_db for r in slow.found}
    assert list(gains.values()) == sorted(gains.values(), reverse=True)
    assert gains["fit.lr=6e-05"] > gains["fit.lr=6.67e-06"]
    assert slow.advised[0].gain_db >= WORTH_DB
    assert all(r.size <= SAME_SIZE for r in slow.advised)
    assert slow.cost == pytest.approx(0.2 * slow.rehearsals)
    assert slow.rehearsals > len(slow.found)


def test_settings_of_grids_that_gain_are_rehearsed_again_on_more_samples() -> None:
    lines: list[str] = []
    config, fit_settings = resolve(
        picture(3),
        {"type": "hash_grid", "encoding": {"log2_table": 8}},
        {"steps": 20, "optimizer": "adam", "lr": 1e-4, "schedule": "constant"},
    )
    found = rank(picture(3), config, fit_settings, share=0.1, on_progress=lines.append)
    again = [line for line in lines if line.startswith(f"once more with {100 * 0.1 * AGAIN:g} %")]
    assert len(again) == 1
    n = int(again[0].split()[-2])
    assert n >= 1
    assert found.cost == pytest.approx(0.1 * (found.rehearsals - n - 1) + 0.1 * AGAIN * (n + 1))
    assert any(r.gain_db != pytest.approx(gain_db(r.thin_db, r.piece_db)) for r in found.found)


def test_the_expected_time_is_said_before_the_settings_are_rehearsed() -> None:
    lines: list[str] = []
    rank(picture(3), *resolve(picture(3), SMALL, SLOW), share=0.2, on_progress=lines.append)
    (place,) = [i for i, line in enumerate(lines) if "which takes about" in line]
    assert place < next(i for i, line in enumerate(lines) if line.startswith("1 of "))


def test_the_advice_comes_true_in_fits(slow: Ranking) -> None:
    signal = picture(3)
    best = slow.advised[0].change
    plain = fit(signal, SMALL, SLOW).metrics["psnr_db"]
    assert fit(signal, best.field, best.run).metrics["psnr_db"] > plain + WORTH_DB


def test_a_larger_field_is_named_only_if_it_gains_more() -> None:
    config, settings = resolve(picture(3), SMALL, SLOW)
    change = Change.none(config, settings)

    def of(*found: Ranked) -> Ranking:
        return Ranking(config, settings, 0.2, found, 40, 4, 0.8, 0.0)

    wide, good = Ranked(change, 4.0, 4.0, math.nan, 4.0), Ranked(change, 3.5, 3.5, math.nan, 1.0)
    bad = Ranked(change, -math.inf, -math.inf, math.nan, 1.0)
    assert of(wide, bad).larger == wide
    assert of(wide, good).larger is None
    assert of(wide, good, bad).advised == (good,)


def test_gains_of_both_rehearsals_are_averaged() -> None:
    assert gain_db(1.0, math.nan) == 1.0
    assert 1.0 < gain_db(1.0, 3.0) < 3.0
    assert gain_db(-math.inf, 3.0) == gain_db(3.0, -math.inf) == -math.inf


def test_shapes_and_sounds_are_ranked_too() -> None:
    t = np.arange(600, dtype=np.float32) / 600
    for signal in (load_signal("analytic:torus"), Audio.of_samples(np.sin(60 * t)[:, None], 8000)):
        found = ranked(signal, steps=6, batch=256, optimizer="adam", lr=1e-5)
        gains = {r.change.what: r.gain_db for r in found.found}
        assert gains["fit.lr=3e-05"] > gains["fit.lr=3.33e-06"]


def test_what_cannot_be_rehearsed_is_refused() -> None:
    with pytest.raises(UsageError, match="'lbfgs' cannot be rehearsed"):
        ranked(picture(3), steps=5, optimizer="lbfgs", batch=2048)
    cloud = Points(np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32), None)
    with pytest.raises(UsageError, match="diverges within 5 steps as it is"):
        ranked(picture(3), steps=5, lr=1e30)
    with pytest.raises(UsageError, match="point cloud has no values"):
        ranked(cloud, steps=5)
