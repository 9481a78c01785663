"""Every registered field through the conformance suite. A new family is tested here without another line."""

from __future__ import annotations

import pytest

from inr.testing import FieldTests
from tests.conformance.small import DOCUMENTS

_FIRST = {document["type"]: document for document in reversed(DOCUMENTS)}
TestEveryField = FieldTests.of(*_FIRST.values())


@pytest.mark.slow
class TestOtherForms(FieldTests):
    documents = tuple(document for document in DOCUMENTS if document not in _FIRST.values())
