"""One fit on a page: where it is from, what lies beside it, its time and its report on the tangent kernel."""

from __future__ import annotations

import dataclasses
import glob
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from inr._errors import InrError, UnreadableError, UsageError
from inr.batch import MANIFEST_NAME, Manifest
from inr.codec import decompress
from inr.fitting import CHECKPOINT_NAME, Fit
from inr.fitting._file import read_header
from inr.fitting.unfinished import unfinished
from inr.ntk._reading import report_of
from inr.ntk.report import Report
from inr.signals import Source

LARGEST_JSON = 2**25


@dataclasses.dataclass(frozen=True)
class Entry:
    """name: told apart from the others on the page. n_bytes: of its file. seconds: of the fit, None where nothing
    tells them. ntk: what `inr ntk` said of it. folder: where its file lies, None where it has none. made_by: versions
    of what wrote it, by package."""

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
    """The fits that a model file (.safetensors, .inrz), a checkpoint's folder or a batch's folder holds.

    Raises UnreadableError for what is none of these, UsageError for a compressed file without a field.
    """
    if isinstance(model, Fit):
        name = model.field.config.type_name
        made_by = model.document()["made_by"]
        return [Entry(name, model, len(model.to_bytes()), model.seconds or None, made_by=made_by)]
    if not isinstance(model, Source):
        path = Path(model)
        if path.is_dir():
            return _of_folder(path)
        model = Source.of(path)
    return [_of_file(model)]


def _of_file(source: Source) -> Entry:
    with source.open() as file:
        n_bytes = file.seek(0, 2)
    if source.suffix == ".inrz":
        assert source.path is not None or source.data is not None
        decoded = decompress(source.path if source.path is not None else source.data or b"")
        return Entry(source.stem, decoded.fit(), n_bytes, folder=None if source.path is None else source.path.parent)
    fit = Fit.load(source)
    made_by = read_header(source)[0].get("made_by", {})
    entry = Entry(source.stem, fit, n_bytes, _seconds_of_track(fit), made_by=made_by)
    if source.path is None:
        return entry
    return _with_documents(dataclasses.replace(entry, folder=source.path.parent), source.path)


def _of_folder(folder: Path) -> list[Entry]:
    if (folder / CHECKPOINT_NAME).is_file():
        fit = unfinished(folder)
        return [Entry(f"{folder.stem} (unfinished)", fit, len(fit.to_bytes()), fit.seconds, folder=folder.parent)]
    if not (folder / MANIFEST_NAME).is_file():
        raise UnreadableError(
            f"folder {str(folder)!r} holds no run", "expected the folder of a checkpoint, or one that inr batch wrote"
        )
    done = [record for record in Manifest.seen(folder).records.values() if (folder / record["output"]).is_file()]
    if not done:
        raise UnreadableError(f"folder {str(folder)!r} holds no finished fit", "run inr batch to its end first")
    return [
        dataclasses.replace(_of_file(Source.of(folder / r["output"])), seconds=r["summary"].get("seconds"))
        for r in done
    ]


def _with_documents(entry: Entry, path: Path) -> Entry:
    """With what JSON documents of `inr fit` and `inr ntk` beside the file say (`photo.json`, `photo.ntk.json`)."""
    for beside in sorted(path.parent.glob(f"{glob.escape(path.stem)}*.json")):
        if beside.name[len(path.stem)] not in ".-_" or beside.stat().st_size > LARGEST_JSON:
            continue
        document = _read(beside)
        if document.get("schema") == "inr.fit" and _is_of(document, entry.fit):
            entry = dataclasses.replace(entry, seconds=float(document["seconds"]))
        found = _of_family(document, entry)
        if found is not None and entry.ntk is None:
            try:
                entry = dataclasses.replace(entry, ntk=report_of(found, beside.name))
            except InrError:
                continue  # it was not asked for
    return entry


def _is_of(document: Mapping[str, Any], fit: Fit) -> bool:
    """Whether a document of `inr fit` is of this fit."""
    same = (document.get("steps"), document.get("n_params")) == (fit.steps, fit.field.n_params)
    return same and document.get("metrics") == dict(fit.metrics) and isinstance(document.get("seconds"), int | float)


def _of_family(document: Mapping[str, Any], entry: Entry) -> Mapping[str, Any] | None:
    """The part of a document of `inr ntk` that is of the entry's family and size."""
    fields = document.get("fields")
    parts: list[Any] = fields if isinstance(fields, list) else [document]
    size = entry.fit.field.n_params
    return next(
        (d for d in parts if isinstance(d, dict) and (d.get("field"), d.get("p")) == (entry.family, size)), None
    )


def with_ntk(entries: Sequence[Entry], names: Sequence[str | Path]) -> list[Entry]:
    """The entries, each with the first document of `inr ntk` in these files that is of its family and size.

    Raises UnreadableError for a file that is no such document, UsageError for one that is of none of the fits.
    """
    found = list(entries)
    for name in names:
        Source.of(name)
        document = _read(Path(name))
        if "inr_ntk" not in document and not isinstance(document.get("fields"), list):
            raise UnreadableError(
                f"{str(name)!r} is no report of the tangent kernel", "expected what inr ntk writes with --json"
            )
        parts = [_of_family(document, entry) for entry in found]
        if not any(parts):
            raise UsageError(
                f"{str(name)!r} is about {document.get('field', 'other fields')}, which none of the models is",
                "make it of one of them: inr ntk MODEL --signal FILE --json",
            )
        found = [
            entry if part is None else dataclasses.replace(entry, ntk=report_of(part, str(name)))
            for entry, part in zip(found, parts, strict=True)
        ]
    return found


def _read(path: Path) -> dict[str, Any]:
    """A JSON document, or an empty one for anything else."""
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _seconds_of_track(fit: Fit) -> float | None:
    """A log of the tangent kernel tells the run's time where it has a look at its end."""
    looks = (fit.ntk_track or {}).get("looks", [])
    return float(looks[-1]["seconds"]) if looks and looks[-1].get("step") == fit.steps > 0 else None


def told_apart(entries: Sequence[Entry]) -> list[Entry]:
    """With names that differ: those that several have get numbers."""
    names = [entry.name for entry in entries]
    seen: dict[str, int] = {}
    found = []
    for entry in entries:
        n = seen[entry.name] = seen.get(entry.name, 0) + 1
        several = names.count(entry.name) > 1
        found.append(dataclasses.replace(entry, name=f"{entry.name} {n}") if several else entry)
    return found
