"""Settings as `section.key=value`, sorted by their sections."""

from __future__ import annotations

from collections.abc import Sequence

from inr.core.errors import did_you_mean

SECTIONS = ("field", "fit", "signal")


def by_section(
    assignments: Sequence[str], problems: list[str], names: Sequence[str] = SECTIONS
) -> dict[str, list[str]]:
    """`field.width=64` to {"field": ["width=64"]}."""
    sections: dict[str, list[str]] = {name: [] for name in names}
    for text in assignments:
        section, dot, rest = text.partition(".")
        if "=" not in text or not dot or "=" in section:
            problems.append(f"`settings` has {text!r}, expected section.key=value, for example fit.lr=0.01")
        elif section not in sections:
            problems.append(f"`settings` has {text!r} of the unknown section {section!r}{did_you_mean(section, names)}")
        else:
            sections[section].append(rest)
    return sections
