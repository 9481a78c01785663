"""Windows of a picture: tiles that cover it, and samples."""

from __future__ import annotations

import pytest
import torch
from torch import Generator

from inr.codec.profiles.pyramid import sample
from inr.codec.profiles.pyramid.architecture import Architecture
from inr.codec.profiles.pyramid.sample import ALIGNMENT, Sample, tiles_of


@pytest.mark.parametrize(("height", "width"), [(1, 1), (64, 300), (301, 129)])
def test_tiles_cover_every_latent_once(height: int, width: int) -> None:
    for level in range(7):
        seen = torch.zeros(-(-height >> level), -(-width >> level))
        for tile in tiles_of(height, width, 128):
            seen[tile.at(level)] += 1
        assert (seen == 1).all()


@pytest.mark.parametrize(("height", "width"), [(700, 1100), (100, 4000), (3001, 90), (256, 257)])
def test_samples_are_aligned_windows_inside_the_picture(
    height: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample, "PIXELS", 9 * 128 * 128)
    drawn = Sample.drawn(height, width, Generator().manual_seed(0))
    windows = [window for row in drawn.rows for window in row]
    assert len(set(windows)) == len(windows)
    assert {window.shape for window in windows} == {windows[0].shape}
    for window in windows:
        assert window.top % ALIGNMENT == window.left % ALIGNMENT == 0
        assert 0 <= window.top < window.bottom <= height
        assert 0 <= window.left < window.right <= width
    assert drawn.shape[0] * drawn.shape[1] <= 9 * 128 * 128 * 1.1
    picture = torch.rand(3, height, width)
    joined = drawn.joined(lambda window: picture[:, *window.at(0)])
    assert joined.shape == (3, *drawn.shape)
    h, w = windows[0].shape
    assert torch.equal(joined[:, -h:, -w:], picture[:, *windows[-1].at(0)])
    assert windows == [w for row in Sample.drawn(height, width, Generator().manual_seed(0)).rows for w in row]


def test_the_part_of_a_pyramid_is_a_pyramid() -> None:
    architecture = Architecture(500, 700, 3, 7, 12, 4, 1, 16, 0)
    drawn = Sample.drawn(500, 700, Generator().manual_seed(0), pixels=2 * 128 * 128)
    grids = [torch.rand(shape) for shape in architecture.grids]
    part, own, picture = drawn.part(architecture, grids, grids[0].expand(3, 500, 700))
    assert (part.height, part.width) == drawn.shape
    assert [tuple(grid.shape) for grid in own] == list(part.grids)
    assert torch.equal(picture, own[0].expand_as(picture))
    first = drawn.rows[0][0]
    assert torch.equal(own[6][:2, :2], grids[6][first.at(6)])
