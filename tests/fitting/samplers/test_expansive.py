"""Expansive supervision: which samples are anchors, and how many others there are."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.feature
import skimage.filters
import torch
from torch import Generator, Tensor

from inr.core.errors import UsageError
from inr.fitting.samplers.expansive import Expansive
from tests.fitting.samplers.oracle import Oracle, build, lattice
from tests.published import Array, Published, PublishedFormula, PublishedMethod, check

SIDE, SHARE = 64, 0.25


def _picture() -> Array:
    """Bytes [SIDE, SIDE] of smooth noise."""
    noise = np.random.default_rng(0).standard_normal((SIDE, SIDE))
    noise = skimage.filters.gaussian(noise, 1.5)
    return np.asarray(255 * (noise - noise.min()) / (noise.max() - noise.min()))


def _published_edges() -> Array:
    """Edges, widened to the right and below. The upper threshold follows their share; the lower is Otsu's / 2."""
    picture, wanted = _picture(), SHARE / 2
    otsu, factor = float(skimage.filters.threshold_otsu(picture)), 1.0
    for _ in range(101):
        low, high = sorted((otsu / 2, factor * otsu))
        edges = skimage.feature.canny(picture, 0, low, high)
        if 0.8 * wanted <= edges.mean() <= 1.2 * wanted:
            break
        factor *= 1 + 15 * (edges.mean() - wanted)
    wide: Array = edges.copy()
    for dy, dx in ((0, 1), (1, 0), (1, 1)):
        wide[dy:, dx:] |= edges[: SIDE - dy, : SIDE - dx]
    return wide


def _draws(n: int) -> list[set[int]]:
    values = torch.from_numpy(_picture() / 127.5 - 1).float().flatten()
    sampler = Expansive(share=SHARE).build(lattice((SIDE, SIDE), values), SIDE**2, Generator().manual_seed(0))
    return [set(sampler.draw(Oracle(torch.zeros(1)).look(step)).index.tolist()) for step in range(n)]


def _published_counts() -> Array:
    """Samples of a step, anchors that are in every step, and anchors that are no edge."""
    return np.array([SHARE * SIDE**2, SHARE / 2 * SIDE**2, 0])


def _counts() -> Array:
    draws = _draws(40)
    fixed = set.intersection(*draws)
    edges = set(np.flatnonzero(_published_edges()).tolist())
    assert len(edges) >= len(fixed)
    return np.array([len(draws[0]), len(fixed), len(fixed - edges)])


SOURCE = "zwx-open/Expansive-Supervision, and components/expansive.py of zwx-open/EVOS-INR"
PUBLISHED: tuple[Published, ...] = (
    PublishedFormula(name="expansive: anchors", source=SOURCE, published=_published_counts, here=_counts, tolerance=0),
    PublishedMethod(
        name="expansive",
        source=SOURCE,
        here=Expansive(),
        settings={"share": 0.5, "anchors": 0.5, "edges": "canny", "sigma": 0},
        told={"edges of OpenCV": "The paper: OpenCV's edges, of horizontal plus vertical gradient"},
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.name)
def test_it_is_the_published_method(statement: Published) -> None:
    check(statement)


def steps_picture(n: int = 32) -> Tensor:
    """Dark left of the middle, bright right of it: one vertical edge."""
    return (torch.arange(n) >= n // 2).float().expand(n, n).flatten()


@pytest.mark.parametrize("edges", ["canny", "sobel"])
def test_expansive_batches_are_half_edges(edges: str, generator: Generator) -> None:
    samples = lattice((32, 32), steps_picture(), (1, 0))
    sampler = build({"type": "expansive", "edges": edges, "share": 1 / 16}, samples, 10**6, generator)
    index = sampler.draw(Oracle(torch.zeros(1024)).look()).index
    columns = index % 32
    assert len(set(index.tolist())) == 64
    n_edges = int(((columns - 15.5).abs() <= 2).sum())
    assert 28 <= n_edges <= 45


def test_canny_edges_are_for_pictures(generator: Generator) -> None:
    with pytest.raises(UsageError, match=r"are for pictures, but the signal has 1 dimension"):
        build({"type": "expansive"}, lattice((50,)), 10, generator)
    assert len(build({"type": "expansive", "edges": "sobel"}, lattice((50,)), 50, generator).draw(
        Oracle(torch.zeros(50)).look()
    ).index) == 25  # fmt: skip
