"""A run that is not over, looked at as a fit: the field as its checkpoint has it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from inr.fitting._file import read
from inr.fitting._loop import CHECKPOINT_FORMAT, CHECKPOINT_NAME
from inr.fitting._result import Fit, build_field, check_format, parse_model, understanding
from inr.signals import Source


def unfinished(folder: Path) -> Fit:
    """The fit that a run would give if it ended at its checkpoint; without metrics, which need the signal.

    Raises UnreadableError when the folder has no readable checkpoint.
    """
    source = Source.of(folder / CHECKPOINT_NAME)
    document, tensors = read(source)
    check_format(document, CHECKPOINT_FORMAT, source.name)
    with understanding(source.name):
        spec, _, config = parse_model(document)
        prefix = "average." if any(name.startswith("average.") for name in tensors) else "field."
        own = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
        fit = Fit.of_document(document, build_field(config, spec, own, source.name))
        return dataclasses.replace(fit, seconds=float(document["seconds"]))
