"""One fit on a page: its file, the documents beside it, its time, and its report of the tangent kernel."""

from __future__ import annotations

import dataclasses
import glob
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from inr.batch import MANIFEST_NAME, Manifest
from inr.codec import decompress
from inr.core.errors import InrError, UnreadableError, UsageError
from inr.core.text import printable
from inr.fitting import CHECKPOINT_NAME, Fit, unfinished_fit
from inr.fitting.model_file import read_header
from inr.ntk.report import Report
from inr.ntk.report_document import report_of
from inr.signals import Source

LARGEST_JSON = 2**25


@dataclasses.dataclass(frozen=True)
class Entry:
    """name: unique on the page. n_bytes: of its file. seconds: of the fit; None: not known. ntk: its report by
    `inr ntk`. folder: of its file; None: there is no file. made_by: versions of the packages that wrote the file."""

    name: str
    fit: Fit
    n_bytes: int
    seconds: float | None = None
    ntk: Report | None = None
    folder: Path | None = None
    made_by: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def family(self) -> str:
        return self.fit.field.config.type_name


def entries_of(model: Fit | Source | str | Path) -> list[Entry]:
    """The fits in a model file (.safetensors, .inrz), the folder of a checkpoint, or the folder of a batch.

    Raises UnreadableError for anything else, UsageError for a compressed file without a field.
    """
    if isinstance(model, Fit):
        name = model.field.config.type_name
        made_by = model.document()["made_by"]
        return [Entry(name, model, len(model.to_bytes()), model.seconds or None, made_by=made_by)]
    source = Source.of(model)
    if source.path is not None and source.is_folder:
        return _of_folder(source.path)
    return [_of_file(source)]


def _of_file(source: Source) -> Entry:
    with source.open() as file:
        n_bytes = file.seek(0, 2)
    if source.is_compressed:
        folder = None if source.path is None else source.path.parent
        return Entry(printable(source.stem), decompress(source).fit(), n_bytes, folder=folder)
    fit = Fit.load(source)
    made_by = read_header(source)[0].get("made_by", {})
    entry = Entry(printable(source.stem), fit, n_bytes, _seconds_of_track(fit), made_by=made_by)
    if source.path is None:
        return entry
    return _with_documents(dataclasses.replace(entry, folder=source.path.parent), source.path)


def _of_folder(folder: Path) -> list[Entry]:
    if (folder / CHECKPOINT_NAME).is_file():
        fit = unfinished_fit(folder)
        state = " (unfinished)" if fit.outcome == "interrupted" else ""
        return [Entry(printable(folder.stem) + state, fit, len(fit.to_bytes()), fit.seconds, folder=folder.parent)]
    if not (folder / MANIFEST_NAME).is_file():
        raise UnreadableError(
            f"folder {str(folder)!r} has no fit", "expected the folder of a checkpoint or of `inr batch`"
        )
    done = [record for record in Manifest.read(folder).records.values() if (folder / record["output"]).is_file()]
    if not done:
        raise UnreadableError(f"folder {str(folder)!r} has no finished fit", "let `inr batch` finish first")
    return [
        dataclasses.replace(_of_file(Source.of(folder / r["output"])), seconds=r["summary"].get("seconds"))
        for r in done
    ]


def _with_documents(entry: Entry, path: Path) -> Entry:
    """The entry with the JSON documents of `inr fit` and `inr ntk` beside its file (`photo.json`, `photo.ntk.json`)."""
    for beside in sorted(path.parent.glob(f"{glob.escape(path.stem)}*.json")):
        if beside.name[len(path.stem)] not in ".-_" or beside.stat().st_size > LARGEST_JSON:
            continue
        document = _read(Source(str(beside), path=beside))
        if document.get("schema") == "inr.fit" and _is_of(document, entry.fit):
            entry = dataclasses.replace(entry, seconds=float(document["seconds"]))
        found = _of_family(document, entry)
        if found is not None and entry.ntk is None:
            try:
                entry = dataclasses.replace(entry, ntk=report_of(found, beside.name))
            except InrError:
                continue  # the user did not name this file
    return entry


def _is_of(document: Mapping[str, Any], fit: Fit) -> bool:
    """Whether a document of `inr fit` is about this fit."""
    same = (document.get("steps"), document.get("n_params")) == (fit.steps, fit.field.n_params)
    return same and document.get("metrics") == dict(fit.metrics) and isinstance(document.get("seconds"), int | float)


def _of_family(document: Mapping[str, Any], entry: Entry) -> Mapping[str, Any] | None:
    """The part of a document of `inr ntk` about the entry's family and number of parameters."""
    fields = document.get("fields")
    parts: list[Any] = fields if isinstance(fields, list) else [document]
    size = entry.fit.field.n_params
    return next(
        (d for d in parts if isinstance(d, dict) and (d.get("field"), d.get("p")) == (entry.family, size)), None
    )


def with_ntk(entries: Sequence[Entry], names: Sequence[str | Path]) -> list[Entry]:
    """The entries, each with the first document of `inr ntk` in these files about its family and number of parameters.

    Raises UnreadableError for a file that is not such a document, UsageError for one that is about none of the fits.
    """
    found = list(entries)
    for name in names:
        document = _read(Source.of(name))
        if "inr_ntk" not in document and not isinstance(document.get("fields"), list):
            raise UnreadableError(
                f"{str(name)!r} is not a report of the tangent kernel", "expected JSON written by `inr ntk --json`"
            )
        parts = [_of_family(document, entry) for entry in found]
        if not any(parts):
            raise UsageError(
                f"{str(name)!r} is about {document.get('field', 'other fields')}, "
                "but none of the given models has that family and size",
                "make one for a model: inr ntk MODEL --signal FILE --json",
            )
        found = [
            entry if part is None else dataclasses.replace(entry, ntk=report_of(part, str(name)))
            for entry, part in zip(found, parts, strict=True)
        ]
    return found


def _read(source: Source) -> dict[str, Any]:
    """A JSON object, or an empty one for anything else."""
    try:
        with source.open() as file:
            document = json.loads(file.read().decode())
    except (OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _seconds_of_track(fit: Fit) -> float | None:
    """The time of the run from its log of the tangent kernel, if that has an entry for the last step."""
    looks = (fit.ntk_track or {}).get("looks", [])
    return float(looks[-1]["seconds"]) if looks and looks[-1].get("step") == fit.steps > 0 else None


def with_unique_names(entries: Sequence[Entry]) -> list[Entry]:
    """The entries with unique names: equal ones are numbered."""
    names = [entry.name for entry in entries]
    seen: dict[str, int] = {}
    found = []
    for entry in entries:
        n = seen[entry.name] = seen.get(entry.name, 0) + 1
        several = names.count(entry.name) > 1
        found.append(dataclasses.replace(entry, name=f"{entry.name} {n}") if several else entry)
    return found
