"""The intrinsic dimension: what the search finds, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from inr.core.errors import UsageError
from inr.signals.analytic import demo
from inr.signals.array import Array
from inr.workflows.intrinsic_dimension import intrinsic_dimension

FIELD: dict[str, Any] = {"type": "siren", "width": 10, "depth": 2, "activation": {"type": "sine", "omega": 6.0}}
SETTINGS: dict[str, Any] = {"steps": 120, "lr": 1e-2, "batch": 256, "optimizer": "adam", "schedule": "constant"}


def waves() -> Array:
    a = (np.arange(12, dtype=np.float32) + 0.5) / 12
    return Array.of_array(np.sin(5 * a)[:, None] * np.cos(4 * a)[None, :])


def test_the_result_reaches_the_target_and_fewer_dimensions_do_not() -> None:
    seen: list[int] = []
    found = intrinsic_dimension(waves(), FIELD, SETTINGS, share=0.7, on_progress=lambda d, _: seen.append(d))
    assert found.dimensions is not None
    assert found.quality is not None
    assert found.target == pytest.approx(0.7 * found.full)
    assert found.quality >= found.target
    assert 1 < found.dimensions < found.n_params
    tried = dict(found.tried)
    assert tried[found.dimensions] == found.quality
    too_few = max(d for d, quality in tried.items() if quality < found.target)
    assert found.dimensions <= 1.1 * too_few + 1
    assert set(seen) == {0, *tried}
    assert len(tried) < 9


def test_a_known_quality_is_not_fitted_again_and_may_be_out_of_reach() -> None:
    found = intrinsic_dimension(waves(), FIELD, {**SETTINGS, "steps": 2}, full=300.0, precision=3)
    assert (found.dimensions, found.quality, found.full) == (None, None, 300.0)
    assert found.tried[-1][0] == found.n_params


@pytest.mark.parametrize(
    ("field", "options", "message"),
    [
        (FIELD, {"share": 1.0}, "`share` is 1, expected a number between 0 and 1"),
        (FIELD, {"precision": 1.0}, "`precision` is 1, expected more than 1"),
        (FIELD, {"full": -3.0}, "the quality of the full fit is -3"),
        ("polyharmonic", {}, "'polyharmonic' is solved in closed form"),
    ],
)
def test_what_cannot_be_searched_is_refused(field: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        intrinsic_dimension(waves(), field, **options)


def test_a_start_from_the_signal_is_refused() -> None:
    with pytest.raises(UsageError, match="'hash_grid' starts from the signal"):
        intrinsic_dimension(demo("scene"), "hash_grid")
