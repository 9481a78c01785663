"""What a family learns only coarsely, and why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Sentences of a family's page where its quality is low, else "".

    pictures, sound, shapes: why a fit of a minute is coarse. purpose: what the family is good for, or why it is kept,
    where others learn more in equal time.
    """

    pictures: str = ""
    sound: str = ""
    shapes: str = ""
    purpose: str = ""
