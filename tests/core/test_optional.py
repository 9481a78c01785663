"""Optional packages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inr.core.errors import UnavailableError
from inr.core.optional import has, need


def test_a_broken_optional_package_is_a_reason_not_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_at_import.py").write_text("raise OSError('no GPU found')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert not has("broken_at_import")
    with pytest.raises(UnavailableError, match=r"drawing needs the package 'broken_at_import'.*OSError: no GPU found"):
        need("broken_at_import", "drawing")
    assert need("numpy", "arrays") is np
