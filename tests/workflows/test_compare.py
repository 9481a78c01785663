"""Comparisons under one budget, sizes by counting, and the figure."""

from __future__ import annotations

import io
import itertools
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from inr.core.config import parse
from inr.core.domain import Spec
from inr.core.errors import UsageError
from inr.fields import FieldConfig
from inr.report import draw_comparison
from inr.report.comparison import spaced
from inr.signals.analytic import demo
from inr.signals.image import Image
from inr.workflows.compare import FitBudget, compare, is_higher_better
from inr.workflows.sizing import count_parameters, sized

SPECS = [Spec("image", 2, 3, (64, 48)), Spec("audio", 1, 1, (8000,)), Spec("shape", 3, 1)]


def config_of(document: Any) -> FieldConfig:
    return parse(FieldConfig, document, "field")


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: s.kind)
@pytest.mark.parametrize("n", [2_000, 20_000])
def test_a_width_is_the_largest_that_the_budget_allows(spec: Spec, n: int) -> None:
    found = sized(config_of("siren"), spec, n)
    width = found.settings["width"]
    larger = count_parameters(config_of({"type": "siren", "width": width + 1}).resolve(spec), spec)
    assert found.n_params == count_parameters(found.config, spec) <= n < larger


def test_a_table_is_set_before_the_network_behind_it() -> None:
    found = sized(config_of("hash_grid"), SPECS[0], 6_000)
    assert list(found.settings) == ["encoding.log2_table", "width"]
    assert 3_000 < found.n_params <= 6_000
    assert found.settings["width"] <= 64


def test_a_budget_below_the_smallest_field_is_refused() -> None:
    with pytest.raises(UsageError, match="has more than 50 parameters at its smallest"):
        sized(config_of("hash_grid"), SPECS[0], 50)


@pytest.mark.parametrize(
    ("metric", "is_it"), [("psnr_db", True), ("iou", True), ("mse", False), ("surface_mae", False)]
)
def test_metrics_know_whether_higher_is_better(metric: str, is_it: bool) -> None:
    assert is_higher_better(metric) is is_it


def picture() -> Image:
    y, x = np.mgrid[0:20, 0:24]
    return Image.of_pixels(np.stack([x * 10, y * 12, (x + y) * 5], axis=-1).astype(np.uint8))


def test_entries_are_ranked_and_the_others_have_a_reason() -> None:
    heard: list[str] = []
    result = compare(
        picture(), ["siren", "hash_grid", "mlp"], FitBudget(params=250, steps=12), {"seed": 3},
        on_progress=lambda name, p: heard.append(name),
    )  # fmt: skip
    assert {e.field for e in result.entries} == {"siren", "mlp"}
    assert list(result.refused) == ["hash_grid"]
    assert set(heard) == {"siren", "mlp"}
    qualities = [result.quality(e) for e in result.entries]
    assert qualities == sorted(qualities, reverse=True)
    for entry in result.entries:
        assert entry.fit.steps == 12
        assert entry.fit.settings.seed == 3
        assert entry.fit.field.n_params <= 250
        assert entry.n_bytes == len(entry.fit.to_bytes())
        assert [q.step for q in entry.curve] == sorted({q.step for q in entry.curve})
        assert entry.curve[0].step == 0
        assert entry.curve[-1].quality == pytest.approx(entry.fit.metrics["psnr_db"])


def test_looking_does_not_change_the_fit() -> None:
    from inr.workflows.fit import fit

    (entry,) = compare(picture(), ["mlp"], FitBudget(steps=9)).entries
    assert entry.fit.to_bytes() == fit(picture(), "mlp", {"steps": 9}).to_bytes()


def test_a_time_budget_holds_for_every_entry() -> None:
    result = compare(picture(), [{"type": "siren", "width": 8}, {"type": "mlp", "width": 8}], FitBudget(time_s=0.2))
    assert [0.2 <= e.seconds < 2 for e in result.entries] == [True, True]
    with pytest.raises(UsageError, match="more than 0"):
        FitBudget(time_s=0)


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_the_figure_names_every_family(suffix: str) -> None:
    result = compare(picture(), ["siren", "mlp"], FitBudget(params=900, steps=5))
    data = draw_comparison(result, suffix)
    if suffix == ".png":
        pixels = np.asarray(Pillow.open(io.BytesIO(data)).convert("RGB"))
        assert pixels.shape[1] > 1500
        assert 0.02 < (pixels < 250).any(-1).mean() < 0.6  # something is drawn, and not everywhere
    else:
        assert data.startswith(b"<?xml")
        assert data.count(b"<!-- siren") >= 2  # at its curve and at its bar
        assert data.count(b"<!-- mlp") >= 2


def test_a_figure_without_pictures() -> None:
    small = {"type": "siren", "width": 8, "depth": 1}
    result = compare(demo("chirp"), [small], FitBudget(steps=2))
    assert result.headline == "snr_db"
    assert draw_comparison(result, ".pdf").startswith(b"%PDF")


def test_names_are_moved_apart_and_stay_inside() -> None:
    placed = spaced([0.2, 0.21, 0.22, 0.99, 1.0], gap=0.05)
    assert all(b - a >= 0.05 - 1e-9 for a, b in itertools.pairwise(placed))
    assert max(placed) <= 1
