"""EVOS: what is measured, when, and which samples are drawn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Generator

from inr.fitting.samplers.evos import Evos
from tests.fitting.samplers.oracle import Oracle, lattice, points
from tests.published import Array, Published, PublishedFormula, PublishedMethod, check

SIDE, KEPT = 24, 100


def _residual(*, is_white: bool) -> Array:
    """Errors [SIDE, SIDE, 3] of a picture on [-1, 1]: noise, or noise plus twice as much of a slow wave."""
    rng = np.random.default_rng(3)
    noise = 0.1 * rng.standard_normal((SIDE, SIDE, 3))
    a = np.arange(SIDE) / SIDE
    wave = np.sin(2 * np.pi * a)[:, None, None] * np.cos(2 * np.pi * a)[None, :, None] * np.ones(3)
    return noise if is_white else 0.05 * noise + 0.2 * wave


def _published_fittest(residual: Array) -> Array:
    """The KEPT fittest. Errors e on [-1, 1]; Laplacians of the luminance of bytes, with zeros outside; weight 1e-5."""
    error = (residual**2).mean(-1).ravel()
    grey = 127.5 * residual @ np.array([0.2989, 0.587, 0.114])
    padded = np.pad(grey, 1)
    bend = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:] - 4 * grey
    weighed = 1e-5 * (bend**2).ravel()
    by_error, by_bend = set(np.argsort(-error)[:KEPT]), set(np.argsort(-weighed)[:KEPT])
    chosen = by_error & by_bend
    n_left = KEPT - len(chosen)
    n_error = int(n_left * error.mean() / (error.mean() + weighed.mean()))
    only_error = sorted(by_error - by_bend, key=lambda i: -error[i])[:n_error]
    only_bend = sorted(by_bend - by_error, key=lambda i: -weighed[i])[: n_left - n_error]
    return np.sort(np.array([*chosen, *only_error, *only_bend]))


def _fittest(residual: Array) -> Array:
    """Those of the sampler: the second draw, because the first measures and takes all."""
    config = Evos(share=KEPT / SIDE**2, mutation=0.0)
    sampler = config.build(lattice((SIDE, SIDE)), SIDE**2, Generator().manual_seed(0))
    oracle = Oracle(torch.from_numpy(residual.reshape(-1, 3)).float())
    assert len(sampler.draw(oracle.look(0)).index) == SIDE**2
    return sampler.draw(oracle.look(1)).index.numpy()


def _published_sizes() -> Array:
    """Fittest and mutated samples of 1000 in a run of 100 steps: the share grows in ten stages, the mutation stays."""
    rows = []
    for epoch in range(2, 101):
        share = min(0.2 + (epoch - 1) // 10 * 0.08, 1.0)
        rows.append((round((share - 0.5 * 0.2) * 1000), round(0.5 * 0.2 * 1000)))
    return np.array(rows)


def _sizes() -> Array:
    generator = Generator().manual_seed(0)
    config = Evos(share=0.2, growth="step", crossover="none", interval_start=1000, interval_end=1000)
    sampler, oracle = config.build(points(1000), 1000, generator), Oracle(torch.arange(1000.0))
    draws = [sampler.draw(oracle.look(step, step / 100)).index for step in range(100)]
    rows = []
    for draw in draws[1:]:
        fittest = len(draw) - 100
        assert set(range(1000 - fittest, 1000)) <= set(draw.tolist())
        rows.append((fittest, 100))
    return np.array(rows)


SOURCE = "zwx-open/EVOS-INR"
PUBLISHED: tuple[Published, ...] = (
    PublishedFormula(
        name="evos: fittest of white errors",
        source=SOURCE,
        published=lambda: _published_fittest(_residual(is_white=True)),
        here=lambda: _fittest(_residual(is_white=True)),
        tolerance=0,
    ),
    PublishedFormula(
        name="evos: fittest of smooth errors",
        source=SOURCE,
        published=lambda: _published_fittest(_residual(is_white=False)),
        here=lambda: _fittest(_residual(is_white=False)),
        tolerance=0,
    ),
    PublishedFormula(
        name="evos: sizes of a growing share", source=SOURCE, published=_published_sizes, here=_sizes, tolerance=0
    ),
    PublishedFormula(
        name="evos: steps between measurements",
        source=SOURCE,
        published=lambda: np.array([int(100 + (50 - 100) / 5000 * t) for t in range(1, 5001)]),
        here=lambda: np.array([Evos().interval(t / 5000) for t in range(1, 5001)]),
        tolerance=0,
    ),
    PublishedMethod(
        name="evos",
        source=SOURCE,
        here=Evos(),
        settings={
            "share": 0.5,
            "growth": "constant",
            "mutation": 0.5,
            "interval_start": 100,
            "interval_end": 50,
            "crossover": "select",
            "laplacian": 1e-5,
        },
        told={
            "laplacian": "The paper: a factor of 1e-5 on Laplacians of bytes",
            "loss": "The paper: an additional loss on Laplacians, weight 1e-5",
            "batch of a measuring step": "The paper: all samples in a step that measures",
        },
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.name)
def test_it_is_the_published_method(statement: Published) -> None:
    check(statement)


def test_evos_is_half_the_fittest_and_half_at_random(generator: Generator) -> None:
    oracle = Oracle(torch.arange(400.0))
    sampler = Evos(crossover="none").build(points(400), 10**6, generator)
    first, *seen = [set(sampler.draw(oracle.look(step)).index.tolist()) for step in range(30)]
    assert first == set(range(400))  # the step that measures
    fittest = set(range(300, 400))
    assert all(fittest <= s and len(s) == 200 for s in seen)
    assert set.intersection(*seen) == fittest  # the rest changes
    assert set.union(*seen) == set(range(400))


def test_evos_measures_before_the_steps_of_the_paper(generator: Generator) -> None:
    oracle = Oracle(torch.arange(64.0))
    sampler = Evos(interval_start=10, interval_end=10).build(lattice((8, 8)), 64, generator)
    requested = []
    for step in range(35):
        before = oracle.n_asked
        sampler.draw(oracle.look(step, 0.0))
        requested += [step + 1] * (oracle.n_asked - before)
    assert requested == [1, 11, 21, 31]
    assert [Evos().interval(p) for p in (0.0, 0.5, 1.0)] == [100, 75, 50]


def test_evos_crossover_takes_what_both_maps_name_and_splits_the_rest(generator: Generator) -> None:
    """A plateau has the error, a lone pixel has error and bend: the pixel is in both lists."""
    residual = torch.zeros(16, 16)
    residual[2:7, 2:7] = 1.0
    residual[12, 12] = 5.0
    sampler = Evos(share=6 / 256, mutation=0.0).build(lattice((16, 16)), 10**6, generator)
    sampler.draw(Oracle(residual.flatten()).look())
    drawn = sampler.draw(Oracle(residual.flatten()).look(1)).index.tolist()
    assert len(drawn) == len(set(drawn)) == 6
    assert 12 * 16 + 12 in drawn
    neighbours = {12 * 16 + 11, 12 * 16 + 13, 11 * 16 + 12, 13 * 16 + 12}
    assert neighbours & set(drawn)  # error 0 there: only the Laplacian selects them
