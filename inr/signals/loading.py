"""Loading a signal: of which kind a source is, and whether it is read into memory or tile by tile."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from inr.core.errors import UsageError
from inr.signals import analytic
from inr.signals._signal import SIGNALS, Signal
from inr.signals._source import ANALYTIC, Source
from inr.signals.files.reading import check_options
from inr.signals.tiled.signal import TILED, measure_of

READ = ("auto", "memory", "tiles")

_NOT_SIGNALS = {
    ".safetensors": ("a model", "inr eval takes the signal last; inr render and inr mesh make signals of models"),
    ".inrz": ("a compressed file", "inr decompress makes a signal of it"),
}


def load_signal(
    source: Source | str | Path, kind: str | None = None, options: Mapping[str, str] | None = None
) -> Signal:
    """Load a signal.

    Args:
        source: a file, or `analytic:NAME` for a formula (`inr demo` lists some).
        kind: "image", "video", "audio", "shape", "points", "slices" or "array"; by default the suffix decides.
        options: of the kind. Large lattices also take read ("auto", "memory" or "tiles") and measure, the number of
            tiles that metrics are computed on.

    Raises:
        UnreadableError: the file is missing or damaged.
        UsageError: no kind is given and the suffix is unknown, or an option is wrong.

    Examples:
        >>> import inr
        >>> signal = inr.load_signal("photo.png")
        >>> signal.kind, signal.spec.shape, signal.spec.d_out
        ('image', (96, 64), 3)
    """
    source = Source.of(source)
    if source.is_formula:
        signal = analytic.load(source.name.removeprefix(ANALYTIC), options or {})
        signal.name = source.name
        return signal
    signal = _opened(source, kind or kind_of(source), options or {})
    signal.name = Path(source.name).name
    if kind is None:
        signal.notes += signal.doubts()
    return signal


def kind_of(source: Source) -> str:
    """The kind of signal that a file holds, by its suffix, and by its content where several kinds share the suffix.

    Raises UsageError for an unknown suffix.
    """
    if source.is_folder:
        source.open()  # raises
    owners = kinds_with(source.suffix)
    if not owners and source.suffix in _NOT_SIGNALS:
        what, hint = _NOT_SIGNALS[source.suffix]
        raise UsageError(f"{source.name!r} is {what}, expected a signal: a picture, video, sound, shape or array", hint)
    if not owners:
        raise UsageError(
            f"cannot tell the kind of {source.name!r} by its suffix {source.suffix!r}",
            f"set `kind` ({', '.join(SIGNALS)}), or use one of the suffixes {' '.join(sorted(suffixes_of(None)))}",
        )
    return next((name for name in owners if SIGNALS[name].claims(source)), owners[0])


def kinds_with(suffix: str) -> list[str]:
    """The kinds that a file with a suffix may be of without being named."""
    return [name for name in SIGNALS if suffix in SIGNALS[name].extensions]


def suffixes_of(kind: str | None) -> set[str]:
    """The suffixes of files that hold signals of a kind; None: of any kind."""
    names = SIGNALS if kind is None else [kind]
    return {suffix for name in names for suffix in SIGNALS[name].extensions}


def default_field_of(source: Source, kind: str | None = None, options: Mapping[str, str] | None = None) -> str:
    """The field family that a signal is fitted with by default, before the signal is loaded.

    kind, options: as `load_signal` takes them.
    """
    if source.is_formula:
        return Signal.default_field
    return SIGNALS[kind or kind_of(source)].default_field_for(source, options or {})


def _opened(source: Source, kind: str, options: Mapping[str, str]) -> Signal:
    """The signal in memory, or read tile by tile if it is large and its format allows that.

    Raises UsageError for read=tiles if it does not.
    """
    whole = SIGNALS[kind]
    if kind not in TILED:
        return whole.open(source, options)
    own = {key: value for key, value in options.items() if key not in ("read", "measure")}
    read = options.get("read", "auto")
    check_options(kind, {"read": read}, {"read": READ})
    measure_of(options)
    if read == "tiles" and source.path is None:
        raise UsageError("option read is tiles, but the input is a pipe", "use a file")
    if read == "memory" or source.path is None:
        return whole.load(source, own)
    tiled = TILED[kind]
    size = tiled.size_in(source)
    if read == "tiles" and size is None:
        raise UsageError(
            f"option read is tiles, but {source.name!r} cannot be read in tiles",
            "pictures: TIFF or .npy; sounds: WAV, FLAC, OGG; arrays: .npy",
        )
    if size is None or (read == "auto" and size <= tiled.limit()):
        return whole.load(source, own)
    check_options(kind, own, tiled.options)
    return tiled.load(source, options)
