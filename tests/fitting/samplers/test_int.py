"""INT: which samples are taken, and when all are measured."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Generator

from inr.fitting.samplers.int import Int
from tests.fitting.samplers.oracle import Oracle, build, points
from tests.published import Array, Published, PublishedFormula, PublishedMethod, check

N, STEPS = 200, 1000
ERRORS = np.random.default_rng(0).standard_normal((STEPS, N, 3))


def _published_incremental() -> Array:
    """[STEPS, N // 5]: the fifth with the largest sums of |error|, of the last step that measured."""
    start, size = STEPS // 4, (STEPS - STEPS // 4) // 5
    rows, kept = [], np.zeros(0)
    for step in range(STEPS):
        interval = 10 * ((step - start) // size + 1)
        if step < start or step % interval == 0:
            kept = np.sort(np.argsort(-np.abs(ERRORS[step]).sum(1))[: N // 5])
        rows.append(kept)
    return np.array(rows)


def _incremental() -> Array:
    sampler = Int(mode="incremental").build(points(N), N, Generator())
    rows = []
    for step in range(STEPS):
        oracle = Oracle(torch.from_numpy(ERRORS[step]))
        rows.append(sampler.draw(oracle.look(step, step / STEPS)).index.numpy())
    return np.array(rows)


SOURCE = "chen2hang/INT_NonparametricTeaching"
PUBLISHED: tuple[Published, ...] = (
    PublishedFormula(
        name="int: samples of 1000 steps",
        source=SOURCE,
        published=_published_incremental,
        here=_incremental,
        tolerance=0,
    ),
    PublishedMethod(name="int", source=SOURCE, here=Int(), settings={"share": 0.2}),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.name)
def test_it_is_the_published_method(statement: Published) -> None:
    check(statement)


def test_int_takes_the_largest_sums_of_absolute_errors(generator: Generator) -> None:
    """Sample 3 has the largest square, sample 7 the largest sum over channels."""
    residual = torch.full((10, 2), 0.1)
    residual[3, 0], residual[7] = 1.0, torch.tensor([0.7, -0.7])
    draw = Int(share=0.1).build(points(10), 100, generator).draw(Oracle(residual).look())
    assert draw.index.tolist() == [7]
    assert Int(share=0.2).build(points(10), 100, generator).draw(Oracle(residual).look()).index.tolist() == [3, 7]


def test_int_keeps_to_its_share_and_to_the_batch(generator: Generator) -> None:
    oracle = Oracle(torch.arange(100.0))
    linear = Int(share=0.2, growth="linear").build(points(100), 100, generator)
    assert [len(linear.draw(oracle.look(s, s / 10)).index) for s in (0, 5, 10)] == [20, 60, 100]
    assert len(Int(share=0.2).build(points(100), 7, generator).draw(oracle.look()).index) == 7
    assert len(Int(share=None).build(points(100), 33, generator).draw(oracle.look()).index) == 33


@pytest.mark.parametrize(("mode", "expected"), [("dense", 1000), ("incremental", 250 + 15 + 8 + 5 + 4 + 3)])
def test_int_measures_at_its_interval(mode: str, expected: int, generator: Generator) -> None:
    """Incremental: 250 steps of their own, then 150 steps each at 10, 20, 30, 40, 50."""
    oracle = Oracle(torch.arange(10.0))
    sampler = build({"type": "int", "mode": mode}, points(10), 10, generator)
    for step in range(1000):
        sampler.draw(oracle.look(step, step / 1000))
    assert oracle.n_asked == pytest.approx(expected, abs=3 if mode == "incremental" else 0)
