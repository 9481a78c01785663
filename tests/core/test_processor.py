"""The processor's instructions are those that numba's compiler sees."""

from __future__ import annotations

import llvmlite.binding
import pytest

from inr.core import processor


def test_the_system_and_the_compiler_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = bool(llvmlite.binding.get_host_cpu_features().get("avx512f"))
    assert processor.has_avx512() == expected
    monkeypatch.setattr(processor, "processor", lambda: None)
    assert processor.has_avx512() == expected


def test_flags_are_whole_words(monkeypatch: pytest.MonkeyPatch) -> None:
    for flags, expected in (("avx2 avx512f", True), ("avx2 avx512fp16", False)):
        monkeypatch.setattr(processor, "processor", lambda flags=flags: ("model : 1", f"flags : {flags}"))
        assert processor.has_avx512() == expected
