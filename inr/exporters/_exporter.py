"""The exporter slot: converts a fit to the bytes of another format."""

from __future__ import annotations

import contextlib
import math
import re
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from inr.core.config import Config
from inr.core.errors import UsageError, unknown_name
from inr.core.files import check_writable, is_stream, whole_file, writing
from inr.core.registry import Registry
from inr.core.text import count_of, printable
from inr.fitting import Fit

EXPORTERS: Registry[type[Exporter]] = Registry("format", "inr.exporters")


@dataclass(frozen=True)
class Exported:
    """The files of an exported fit.

    files: suffix -> bytes, the main file first; further files have the same stem.
    notes: messages for the user.
    """

    files: Mapping[str, bytes]
    notes: tuple[str, ...] = ()

    @property
    def main(self) -> bytes:
        return next(iter(self.files.values()))

    def save(self, path: str | Path, *, force: bool = False) -> list[Path]:
        """Write each file atomically; existing files only with `force`. Returns their paths.

        Raises UsageError for an unwritable path, before anything is written.
        """
        main, *others = self.files
        path = Path(path)
        paths = [path, *(path.with_suffix(suffix) for suffix in others)]
        if len(set(paths)) < len(paths):
            raise UsageError(f"output {str(path)!r} has the suffix of an auxiliary file", f"use {main}")
        for each in paths:
            check_writable(each, force=force)
        if others and is_stream(path):
            raise UsageError(
                f"output {str(path)!r} is a pipe or device, and the format writes {len(paths)} files",
                "give a file name",
            )
        with contextlib.ExitStack() as stack:
            opened = [stack.enter_context(whole_file(each, force=force)) for each in paths]
            for each, file, data in zip(paths, opened, self.files.values(), strict=True):
                with writing(each):  # detect a full disk before the first file is replaced
                    file.write(data)
                    file.flush()
        return paths


class Exporter(Config):
    """Settings of an exporter. The first line of the docstring describes the format.

    suffixes: suffixes of the main file, the default first. Equal fits and settings give equal bytes.
    is_for_suffix: whether a file's suffix alone chooses the format.
    """

    slot: ClassVar[Registry[type[Exporter]]] = EXPORTERS
    suffixes: ClassVar[tuple[str, ...]]
    is_for_suffix: ClassVar[bool] = True

    @abstractmethod
    def encode(self, fit: Fit, suffix: str) -> Exported:
        """The files. Raises UsageError if the format cannot represent this field."""

    def encode_file(self, data: bytes, name: str, suffix: str) -> Exported | None:
        """The files for an .inrz file whose signal the format holds as it is; None if its field is to be exported.

        Raises FormatError for a damaged file.
        """
        return None


def exporter_for(name: str) -> tuple[type[Exporter], str]:
    """The exporter for a format's name or suffix ("onnx", ".glb"), and the suffix of its main file.

    Raises UsageError with the nearest known name for unknown formats.
    """
    word = name.lstrip(".").lower()
    if word in EXPORTERS and not name.startswith("."):
        return EXPORTERS[word], EXPORTERS[word].suffixes[0]
    chosen = [EXPORTERS[known] for known in EXPORTERS if EXPORTERS[known].is_for_suffix]
    by_suffix = {suffix: each for each in chosen for suffix in each.suffixes}
    if f".{word}" not in by_suffix and word in EXPORTERS:
        return exporter_for(word)
    if f".{word}" not in by_suffix:
        raise unknown_name("format", name, {*EXPORTERS, *(suffix[1:] for suffix in by_suffix)})
    return by_suffix[f".{word}"], f".{word}"


def export(fit: Fit, path: str | Path, exporter: Exporter | str | None = None, *, force: bool = False) -> list[Path]:
    """Write a fit in another format.

    Args:
        fit: the fit to export.
        path: the main file; auxiliary files are written beside it with the same stem.
        exporter: a format's name, or settings (`EXPORTERS["glsl"](limit=0)`); by default from the path's suffix.
        force: replace existing files.

    Returns:
        The paths of the files.

    Raises:
        UsageError: an unknown format, an unwritable path, or a field that the format cannot represent.
        UnavailableError: a package is missing.

    Examples:
        >>> import inr
        >>> from inr.exporters import export
        >>> fit = inr.fit("photo.png", "siren", {"steps": 5})
        >>> [path.name for path in export(fit, "photo.py")]
        ['photo.py', 'photo.npz']
        >>> export(fit, "photo.wgsl")[0].read_text().splitlines()[-1]
        '}'
    """
    path = Path(path)
    if not isinstance(exporter, Exporter):
        kind, suffix = exporter_for(exporter or path.suffix or str(path))
        exporter = kind()
    else:
        suffix = exporter.suffixes[0]
    suffix = path.suffix.lower() if path.suffix.lower() in exporter.suffixes else suffix
    check_writable(path, force=force)
    return exporter.encode(fit, suffix).save(path, force=force)


def check_name(name: str) -> None:
    """Raise UsageError unless `name` is a valid function name in every target language."""
    if re.fullmatch(r"[a-zA-Z]\w*", name, re.ASCII) is None:
        raise UsageError(f"name is {name!r}, expected a letter, then letters, digits and _")


def provenance(fit: Fit) -> list[str]:
    """Description of an exported field, for comments, metadata and the page."""
    from inr._version import __version__

    quality = "".join(f", {v:.2f} dB {k.removesuffix('_db').upper()}" for k, v in fit.metrics.items() if _is_psnr(k, v))
    domain = fit.frame.domain
    box = " x ".join(f"{axis} {low:.9g}..{high:.9g}" for axis, low, high in _sides(fit))
    lines = (
        f"Neural field {fit.field.config.type_name!r}, {fit.field.n_params} parameters, exported by inr {__version__}.",
        f"Fitted to {fit.source or 'an unnamed signal'} ({fit.spec.kind}){quality}.",
        f"{count_of(fit.spec.d_in, 'coordinate')} in [0, 1] for {box} ({domain.unit}); "
        f"{count_of(fit.spec.d_out, 'value')} in the signal's units; outside the box: {fit.field.boundary}.",
    )
    return [printable(line) for line in lines]


def _is_psnr(name: str, value: float) -> bool:
    return name == "psnr_db" and math.isfinite(value)


def _sides(fit: Fit) -> list[tuple[str, float, float]]:
    domain = fit.frame.domain
    return list(zip(domain.axes, domain.low, domain.high, strict=True))
