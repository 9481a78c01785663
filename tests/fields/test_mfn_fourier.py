"""Multiplicative Fourier filters: statements of the authors' code."""

from __future__ import annotations

import pytest

from inr.fields.mfn_fourier import MfnFourier
from tests.fields.filters import LARGEST, filter_network
from tests.fields.formulas import symmetric
from tests.published import PublishedFamily, check

PUBLISHED = (filter_network(MfnFourier(), {"*.omega": symmetric(LARGEST)}),)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.subject)
def test_it_is_the_published_family(statement: PublishedFamily) -> None:
    check(statement)
