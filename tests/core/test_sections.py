"""Settings by their sections."""

from __future__ import annotations

from inr.core.sections import by_section


def test_settings_are_sorted_and_problems_collected() -> None:
    problems: list[str] = []
    found = by_section(["fit.lr=0.1", "field.width=64", "fit.steps=5", "lr=3", "fits.lr=1"], problems)
    assert found == {"field": ["width=64"], "fit": ["lr=0.1", "steps=5"], "signal": []}
    assert [problem.partition(",")[0] for problem in problems[:1]] == ["`settings` has 'lr=3'"]
    assert "unknown section 'fits'" in problems[1]
