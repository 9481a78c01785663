"""Samplers that use errors or edges: shares, orders, intervals, weights, on known errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator

from inr.core.errors import UsageError
from inr.fitting.samplers.selection import laplacian, share_at
from inr.fitting.stratified import stratified_epoch
from tests.fitting.samplers.oracle import Oracle, build, lattice, points

ALL: list[dict[str, Any]] = [
    {"type": "shuffled"},
    {"type": "error_weighted"},
    {"type": "int"},
    {"type": "int", "mode": "incremental"},
    {"type": "evos"},
    {"type": "soft_mining"},
    {"type": "expansive"},
]


@pytest.mark.parametrize("document", ALL, ids=lambda d: "-".join(d.values()))
def test_batches_are_in_the_pools_order_and_within_it(document: dict[str, Any], generator: Generator) -> None:
    sampler = build(document, lattice((12, 10)), 50, generator)
    oracle = Oracle(torch.randn(120, generator=generator))
    for step in range(4):
        draw = sampler.draw(oracle.look(step, step / 4))
        assert 1 <= len(draw.index) <= 50
        assert (draw.index[:-1].diff() >= 0).all()
        assert 0 <= int(draw.index.min()) <= int(draw.index.max()) < 120
        assert draw.weight is None or draw.weight.shape == draw.index.shape


@pytest.mark.parametrize(("size", "batch"), [(120, 10), (31, 20), (1000, 999), (97, 7), (5, 1)])
def test_an_epoch_deals_every_batch_one_sample_of_each_run(size: int, batch: int, generator: Generator) -> None:
    for _ in range(20):
        epoch = stratified_epoch(size, batch, generator)
        assert epoch.shape == (size // batch, batch)
        assert len(set(epoch.flatten().tolist())) == epoch.numel()
        assert 0 <= int(epoch.min()) <= int(epoch.max()) < size
        # one of each run: once around the circle, in steps of less than two runs
        steps = epoch.diff(dim=1, append=epoch[:, :1]) % size
        assert int(steps.max()) < 2 * math.ceil(size / batch)
        assert batch == 1 or (steps.sum(1) == size).all()


def test_every_sample_is_as_likely_as_any_other(generator: Generator) -> None:
    n_epochs, size, batch = 4000, 31, 20
    counts = sum(
        torch.bincount(stratified_epoch(size, batch, generator).flatten(), minlength=size) for _ in range(n_epochs)
    )
    share = batch / size
    deviation = math.sqrt(share * (1 - share) / n_epochs)
    assert torch.as_tensor(counts / n_epochs - share).abs().max() < 5 * deviation


def test_batches_of_an_epoch_are_shuffled(generator: Generator) -> None:
    """Every place of a run, and every pair of places of two runs, comes up about as often."""
    n_epochs, size, batch = 3000, 12, 4
    first = torch.cat([stratified_epoch(size, batch, generator)[0:1] for _ in range(n_epochs)]).long()
    places = first.new_zeros(size, size)
    places.index_put_((first[:, 0], first[:, 2]), torch.ones(n_epochs, dtype=torch.int64), accumulate=True)
    for lag in range(size):  # the angle is uniform, so that the distance of two runs' samples has a triangle's shape
        seen = float(places[torch.arange(size), (torch.arange(size) + lag) % size].sum()) / n_epochs
        expected = max(0, 3 - abs(lag - 6)) / 9
        assert seen == pytest.approx(expected, abs=0.05), lag


@pytest.mark.parametrize("batch", [50, 2**17 + 1])
def test_chunks_of_an_epoch_hold_their_draws(batch: int, generator: Generator) -> None:
    sampler = build({"type": "shuffled"}, points(5 * batch + 3), batch, generator)
    look = Oracle(torch.zeros(1)).look()
    draws = [sampler.draw(look) for _ in range(7)]
    for draw in draws:
        assert draw.prefetch is not None
        assert torch.equal(draw.prefetch[draw.start : draw.start + batch], draw.index)
    state = sampler.state()
    expected = sampler.draw(look).index
    other = build({"type": "shuffled"}, points(5 * batch + 3), batch, Generator())
    other.restore(state)
    draw = other.draw(look)
    assert draw.prefetch is not None
    assert torch.equal(draw.index, expected)
    assert torch.equal(draw.prefetch[draw.start : draw.start + batch], expected)


def test_shares_grow_as_they_say() -> None:
    assert [share_at(0.2, "constant", p) for p in (0, 1)] == [0.2, 0.2]
    assert share_at(0.2, "linear", 0.5) == pytest.approx(0.6)
    assert share_at(0.2, "step", 0.59) == pytest.approx(0.6)
    assert share_at(0.2, "cosine", 0.5) == pytest.approx(0.6)
    assert share_at(0.2, "cosine", 0.25) < 0.4
    assert [share_at(0.2, g, 1.0) for g in ("linear", "step", "cosine")] == pytest.approx([1.0] * 3)


def test_the_laplacian_of_a_quadratic_is_its_second_derivative() -> None:
    a = torch.arange(9.0)
    values = (a[:, None] ** 2 + 3 * a[None, :] ** 2 + a[:, None] * a[None, :])[..., None]
    torch.testing.assert_close(laplacian(values)[1:-1, 1:-1, 0], torch.full((7, 7), 8.0))


def test_error_weighted_losses_are_unbiased_and_bounded(generator: Generator) -> None:
    residual = torch.randn(300, generator=generator).exp()
    oracle = Oracle(residual)
    sampler = build({"type": "error_weighted", "uniform": 0.25}, points(300), 200, generator)
    means, hard = [], 0.0
    for step in range(300):
        draw = sampler.draw(oracle.look(step))
        assert draw.weight is not None
        assert float(draw.weight.max()) <= 4 + 1e-5
        means.append(float((draw.weight * residual[draw.index].square()).mean()))
        hard += float(residual[draw.index].mean()) / 300
    spread = float(np.std(means)) / math.sqrt(len(means))
    assert float(np.mean(means)) == pytest.approx(float(residual.square().mean()), abs=4 * spread)
    assert hard > 1.3 * float(residual.mean())  # and yet it draws samples with large errors
    assert not sampler.is_biased


def test_error_weighted_measures_every_interval(generator: Generator) -> None:
    oracle = Oracle(torch.ones(20))
    sampler = build({"type": "error_weighted", "interval": 10}, points(20), 5, generator)
    for step in range(25):
        sampler.draw(oracle.look(step))
    assert oracle.n_asked == 3


@pytest.mark.parametrize(
    "document", [{"type": "expansive"}, {"type": "soft_mining"}, {"type": "evos"}, {"type": "patches"}]
)
def test_samplers_that_need_a_lattice_refuse_other_signals(document: dict[str, Any], generator: Generator) -> None:
    with pytest.raises(UsageError, match=r"needs samples on a lattice, but this signal is of kind 'points'"):
        build(document, points(50), 10, generator)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_patches_are_neighbours_and_cover_the_lattice(order: tuple[int, ...], generator: Generator) -> None:
    samples = lattice((17, 24), order=order)
    draw = build({"type": "patches", "side": 8}, samples, 10**6, generator).draw(Oracle(torch.zeros(408)).look())
    assert draw.groups == (9, 6 * 8)  # 17 = 3 patches of 6, overlapping by one
    assert set(draw.index.tolist()) == set(range(408))
    x = samples.at(draw.index)[0].reshape(9, 48, 2) * torch.tensor([17, 24])
    extent = x.amax(1) - x.amin(1)
    torch.testing.assert_close(extent, torch.tensor([5.0, 7.0]).expand(9, 2))
    torch.testing.assert_close(x - x[:, :1], (x - x[:, :1])[:1].expand(9, -1, -1), rtol=0, atol=1e-4)


def test_patches_share_their_positions_where_the_batch_is_small(generator: Generator) -> None:
    sampler = build({"type": "patches", "side": 8}, lattice((16, 16)), 43, generator)
    one, two = (sampler.draw(Oracle(torch.zeros(256)).look()) for _ in range(2))
    assert one.groups == (4, 10)
    offsets = one.index.reshape(4, 10) - one.index.reshape(4, 10)[:1]
    assert (offsets == offsets[:, :1]).all()
    assert one.index.tolist() != two.index.tolist()
    with pytest.raises(UsageError, match="cuts this signal into 4 patches, but batch is 3"):
        build({"type": "patches", "side": 8}, lattice((16, 16)), 3, generator)
