"""Every profile of the codec through the conformance suite."""

from __future__ import annotations

import pytest

from inr.testing import ProfileTests


class TestPyramid(ProfileTests):
    profile = "pyramid"


@pytest.mark.slow
class TestGrids(ProfileTests):
    profile = "grids"


@pytest.mark.slow
class TestWeights(ProfileTests):
    profile = "weights"
