"""The exporter slot: a fit as the bytes of another format."""

from __future__ import annotations

import math
import re
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from inr._config import Config
from inr._errors import UsageError, unknown_name
from inr._files import atomic, check_writable
from inr._registry import Registry
from inr.fitting import Fit

EXPORTERS: Registry[type[Exporter]] = Registry("format", "inr.export")


@dataclass(frozen=True)
class Exported:
    """The files of an exported fit.

    files: suffix -> bytes, the main file first; where there are more, they lie beside it under the same stem.
    notes: what the user should be told.
    """

    files: Mapping[str, bytes]
    notes: tuple[str, ...] = ()

    @property
    def main(self) -> bytes:
        return next(iter(self.files.values()))

    def save(self, path: str | Path, *, force: bool = False) -> list[Path]:
        """Write the files, each whole or not at all; existing ones only with `force`. Returns their paths.

        Raises UsageError for a place that can not be written, before anything is.
        """
        main, *others = self.files
        path = Path(path)
        paths = [path, *(path.with_suffix(suffix) for suffix in others)]
        if len(set(paths)) < len(paths):
            raise UsageError(f"output {str(path)!r} has the suffix of a file that lies beside it", f"use {main}")
        for each in paths:
            check_writable(each, force=force)
        for each, data in zip(paths, self.files.values(), strict=True):
            with atomic(each) as temporary:
                temporary.write_bytes(data)
        return paths


class Exporter(Config):
    """Settings of an exporter. Its docstring's first line says what it writes.

    suffixes: of the main file, the default first. The same fit and settings give the same bytes.
    """

    slot: ClassVar[Registry[type[Exporter]]] = EXPORTERS
    suffixes: ClassVar[tuple[str, ...]]

    @abstractmethod
    def encode(self, fit: Fit, suffix: str) -> Exported:
        """The files. Raises UsageError, in one sentence, where the format can not hold this field."""


def exporter_for(name: str) -> tuple[type[Exporter], str]:
    """The exporter of a format's name or suffix ("onnx", ".glb"), and the suffix of what it writes.

    Raises UsageError with the nearest name for any other.
    """
    word = name.lstrip(".").lower()
    if word in EXPORTERS:
        return EXPORTERS[word], EXPORTERS[word].suffixes[0]
    by_suffix = {suffix: EXPORTERS[known] for known in EXPORTERS for suffix in EXPORTERS[known].suffixes}
    if f".{word}" not in by_suffix:
        raise unknown_name("format", name, {*EXPORTERS, *(suffix[1:] for suffix in by_suffix)})
    return by_suffix[f".{word}"], f".{word}"


def export(fit: Fit, path: str | Path, exporter: Exporter | str | None = None, *, force: bool = False) -> list[Path]:
    """Write a fit in another format.

    Args:
        fit: what is written.
        path: the main file; what belongs to it lies beside it under the same stem.
        exporter: a format's name, or settings (`EXPORTERS["glsl"](limit=0)`); by default what the path's suffix tells.
        force: replace existing files.

    Returns:
        The paths of the files.

    Raises:
        UsageError: an unknown format, a place that can not be written, or a field that the format can not hold, which
            is said in a sentence.
        UnavailableError: a package is missing.

    Examples:
        >>> import inr
        >>> from inr.export import export
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
    """Raises UsageError for what is no name of a function in every language that we write."""
    if re.fullmatch(r"[a-zA-Z]\w*", name, re.ASCII) is None:
        raise UsageError(f"name is {name!r}, expected a letter, then letters, digits and _")


def provenance(fit: Fit) -> list[str]:
    """Lines that say what an exported field is: for comments, metadata and the page."""
    from inr import __version__

    quality = "".join(f", {v:.2f} dB {k.removesuffix('_db').upper()}" for k, v in fit.metrics.items() if _is_psnr(k, v))
    domain = fit.frame.domain
    box = " x ".join(f"{axis} {low:g}..{high:g}" for axis, low, high in _sides(fit))
    return [
        f"Neural field {fit.field.config.type_name!r}, {fit.field.n_params} parameters, exported by inr {__version__}.",
        f"Fitted to {fit.source or 'an unnamed signal'} ({fit.spec.kind}){quality}.",
        f"{fit.spec.d_in} coordinates in [0, 1], which stand for {box} ({domain.unit}); {fit.spec.d_out} values in the "
        f"signal's units; outside the box: {fit.field.outside}.",
    ]


def _is_psnr(name: str, value: float) -> bool:
    return name == "psnr_db" and math.isfinite(value)


def _sides(fit: Fit) -> list[tuple[str, float, float]]:
    domain = fit.frame.domain
    return list(zip(domain.axes, domain.low, domain.high, strict=True))
