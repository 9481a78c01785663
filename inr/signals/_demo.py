"""What `inr demo` fits of a kind of signal."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Demo:
    """A generated signal and how to fit it.

    name: on the command line. signal: a name in `inr.signals.analytic`; about: what it is. field, settings: of the fit.
    rendering: the suffix of the result. then: the command to try next: a verb, an option and its value.
    """

    name: str
    signal: str
    about: str
    field: dict[str, Any]
    settings: dict[str, Any]
    rendering: str
    then: tuple[str, str, str]
