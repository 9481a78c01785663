"""Shapes such as [*B, D] in docstrings are text, not Markdown emphasis."""

from __future__ import annotations

from typing import Any

import griffe


class Shapes(griffe.Extension):
    """An extension of griffe, which reads the sources for the reference."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = obj.docstring.value.replace("[*", "[\\*")
