"""Settings: frozen dataclasses that define defaults, help, JSON schema and validation.

A setting is declared with `param(default, help, ge=..., choices=...)`. A setting that chooses among
registered variants (an encoding, an activation) is a *slot*: its JSON form carries the variant's name in `type`.
"""

from __future__ import annotations

import dataclasses
import json
import reprlib
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeVar, Union, get_args, get_origin

import tomli_w

from inr.core.errors import ConfigError, did_you_mean
from inr.core.registry import Registry

if TYPE_CHECKING:
    from inr.core.domain import Spec

C = TypeVar("C", bound="Config")

MAX_INTEGER = 2**53 - 1
"""Largest integer of a setting without an upper bound: JSON readers represent it exactly."""
MAX_NUMBER = 3.4e38
"""Largest absolute value of other numbers: about the largest float32."""
MAX_KEY_PARTS = 16
"""Largest number of dots in a key."""


SAME_AS_NOW: Any = object()
"""`Param.absent` of a setting whose default is right for earlier files too."""


@dataclasses.dataclass(frozen=True)
class Param:
    """Help, bounds, earlier name, and meaning of its absence in an earlier file, of a setting.

    usual, distances: the number in place of none, of any signal and of distances. per_sample: of waveforms, for each of
    their samples: a frequency in cycles per signal grows with the signal's length.
    """

    help: str
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    was: str | None = None
    absent: Any = SAME_AS_NOW
    usual: float | None = None
    distances: float | None = None
    per_sample: float | None = None

    def automatic(self, spec: Spec) -> float | None:
        """The number in place of none; None where the class decides that, or none has its own meaning."""
        if self.distances is not None and spec.has_distances:
            return self.distances
        if self.per_sample is not None and spec.traits.is_waveform and spec.shape is not None:
            return self.per_sample * spec.shape[0]
        return self.usual

    def bounds(self) -> str:
        """`>= 1, < 2`, or an empty string."""
        pairs = ((">=", self.ge), (">", self.gt), ("<=", self.le), ("<", self.lt))
        return ", ".join(f"{sign} {_bound(bound)}" for sign, bound in pairs if bound is not None)

    def admits(self, value: float) -> bool:
        return (
            (self.ge is None or value >= self.ge)
            and (self.gt is None or value > self.gt)
            and (self.le is None or value <= self.le)
            and (self.lt is None or value < self.lt)
        )


def param(
    default: Any,
    help: str,
    *,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    was: str | None = None,
    absent: Any = SAME_AS_NOW,
    usual: float | None = None,
    distances: float | None = None,
    per_sample: float | None = None,
) -> Any:
    """Declare a setting of a `Config`: its default, one line of help (with the unit), and its range.

    was: the setting's earlier name, if it was renamed; files with it can still be read. absent: its value in files that
    were written before it existed, where a default (of this class, or of a family that has it) is another one. usual,
    distances, per_sample: the numbers in place of a default of None, which the help states: of any signal, of distances
    (`Spec.has_distances`), and of waveforms for each of their samples.
    """
    cases = (("", usual, ""), ("distances: ", distances, ""), ("sound: ", per_sample, " per sample"))
    said = ", ".join(f"{when}{value:g}{unit}" for when, value, unit in cases if value is not None)
    described = f"{help}{', ' if '; none: ' in help else '; none: '}{said}" if said else help
    declared = Param(described, ge, gt, le, lt, was, absent, usual, distances, per_sample)
    return dataclasses.field(default=default, metadata={"param": declared})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Base of all settings. Subclasses are frozen, keyword-only dataclasses whose fields are made by `param`.

    slot: the registry of the variants (None for a plain section such as the fit settings).
    """

    slot: ClassVar[Registry[Any] | None] = None

    def __post_init__(self) -> None:
        problems = list(_problems(self))
        if problems:
            raise ConfigError(problems)

    @property
    def type_name(self) -> str:
        """The registered name of this variant."""
        assert self.slot is not None
        return self.slot.name_of(type(self))

    def resolve(self, spec: Spec) -> Self:
        """This config with every automatic setting (None) resolved for a signal: slots, and what `param` states."""
        values = {s.name: (getattr(self, s.name), s.param) for s in settings_of(type(self))}
        slots = {name: value.resolve(spec) for name, (value, _) in values.items() if isinstance(value, Config)}
        automatic = {name: p.automatic(spec) for name, (value, p) in values.items() if value is None}
        return dataclasses.replace(self, **slots, **automatic)

    def to_json(self) -> dict[str, Any]:
        """A JSON document; `parse` turns it back into an equal config."""
        document: dict[str, Any] = {"type": self.type_name} if self.slot is not None else {}
        for f in dataclasses.fields(self):
            value = getattr(self, f.name)
            document[f.name] = value.to_json() if isinstance(value, Config) else _plain(value)
        return document


@dataclasses.dataclass(frozen=True)
class Setting:
    """Description of one setting of a config."""

    name: str
    annotation: Any
    default: Any
    param: Param

    @property
    def type_label(self) -> str:
        return _label(self.annotation)

    @property
    def stored_name(self) -> str:
        """The earliest name, from which `.inrz` files derive the setting's number."""
        return self.param.was or self.name


_SETTINGS: dict[type[Config], tuple[Setting, ...]] = {}


def settings_of(cls: type[Config]) -> tuple[Setting, ...]:
    """The settings of a config class, in order of declaration (cached)."""
    if cls not in _SETTINGS:
        hints = typing.get_type_hints(cls)
        fields = dataclasses.fields(cls)
        _SETTINGS[cls] = tuple(Setting(f.name, hints[f.name], f.default, f.metadata["param"]) for f in fields)
    return _SETTINGS[cls]


def json_schema(cls: type[Config]) -> dict[str, Any]:
    """JSON schema of a config class."""
    properties: dict[str, Any] = {}
    for s in settings_of(cls):
        default = s.default.to_json() if isinstance(s.default, Config) else _plain(s.default)
        properties[s.name] = {**_schema(s.annotation), "description": s.param.help, "default": default}
        for key, bound in (
            ("minimum", s.param.ge),
            ("exclusiveMinimum", s.param.gt),
            ("maximum", s.param.le),
            ("exclusiveMaximum", s.param.lt),
        ):
            if bound is not None:
                properties[s.name][key] = bound
    return {"type": "object", "title": cls.__name__, "properties": properties, "additionalProperties": False}


def parse(cls: type[C], document: Mapping[str, Any] | str, where: str = "", base: C | None = None) -> C:
    """Make a config from a JSON-like mapping.

    cls: the class, or the base class of a slot (then the variant is given by `document["type"]`, by the document itself
    if it is a string, or by `base`). where: prefix of setting names in messages, such as "field". base: default values
    for settings missing from the document; None: the class's defaults. Raises ConfigError listing every problem found.
    """
    problems: list[str] = []
    config = _parse(cls, document, where, base, problems)
    if problems:
        raise ConfigError(problems)
    assert config is not None
    return config


def completed(cls: type[Config], document: Any) -> Any:
    """The document of a file, with the settings that are newer than the file at their values of that time.

    cls: as in `parse`. Documents that `parse` refuses are returned as they are.
    """
    if cls.slot is not None and isinstance(document, Mapping):
        name = document.get("type")
        if not isinstance(name, str) or name not in cls.slot:
            return document
        cls = cls.slot[name]
    if not isinstance(document, Mapping):
        return document
    whole = dict(document)
    for s in settings_of(cls):
        key = s.name if s.name in whole or s.param.was is None else s.param.was
        inner = next((o for o in alternatives(s.annotation) if isinstance(o, type) and issubclass(o, Config)), None)
        if key not in whole and s.param.absent is not SAME_AS_NOW:
            whole[s.name] = s.param.absent
        elif key in whole and inner is not None:
            whole[key] = completed(inner, whole[key])
    return whole


def assignments_of(document: Mapping[str, Any], prefix: str = "") -> list[str]:
    """`key=value` strings for `override` that mean the same as a table of settings: {"a": {"b": 1}} is ["a.b=1"].

    A `type` inside picks the variant: {"encoding": {"type": "frequency", "octaves": 3}} is ["encoding=frequency",
    "encoding.octaves=3"].
    """
    found = []
    for key, value in sorted(document.items(), key=lambda item: item[0] != "type"):
        name = prefix.removesuffix(".") if key == "type" and prefix else f"{prefix}{key}"
        if isinstance(value, Mapping):
            found += assignments_of(value, f"{name}.")
        else:
            is_plain = isinstance(value, str) and _read(value) == value
            found.append(f"{name}={value if is_plain else 'none' if value is None else json.dumps(value)}")
    return found


def override(config: C, assignments: Sequence[str], where: str) -> C:
    """Apply `key=value` strings (dots reach into slots: `encoding.sigma=10`) to a config.

    Assigning a name to a slot (`encoding=frequency`) selects the variant with its defaults.
    """
    document: dict[str, Any] = {}
    for text in assignments:
        key, sep, value = text.partition("=")
        if not sep or not key:
            raise ConfigError([f"`settings` has {_shown(text)}, expected key=value"])
        if key.count(".") > MAX_KEY_PARTS:
            raise ConfigError([f"unknown setting {_shown(f'{where}.{key}')}"])
        node = document
        *parents, leaf = key.split(".")
        for parent in parents:
            inner = node.get(parent)
            if not isinstance(inner, dict):
                inner = {} if inner is None else {"type": inner}
                node[parent] = inner
            node = inner
        if isinstance(node.get(leaf), dict):
            node[leaf]["type"] = _read(value)
        else:
            node[leaf] = _read(value)
    return parse(type(config), document, where, config)


def to_toml(sections: Mapping[str, Any]) -> str:
    """Settings documents as TOML, one table per section; `tomllib` can read it. None is written as "none".

    Raises ConfigError for text that is not valid Unicode.
    """
    text = tomli_w.dumps(_without_none(sections))
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise ConfigError(
            ["a setting contains bytes that are not valid UTF-8, which TOML cannot store"],
            "give the setting in `settings`",
        )
    return text


def read_toml(data: bytes, name: str) -> dict[str, Any]:
    """Parse a settings file; a syntax error is one line with the file's name."""
    try:
        document = tomllib.loads(data.decode())
    except ValueError as error:
        raise ConfigError([f"{name}: not valid TOML: {error}"]) from error
    except RecursionError as error:
        raise ConfigError([f"{name} is nested too deeply for settings"]) from error
    check_document(document, name)
    return document


def check_document(document: Any, name: str) -> None:
    """Raise ConfigError for integers of more than 64 bits and for tables nested more deeply than any setting."""
    waiting = [(document, 0)]
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, int) and abs(value) >= 2**63:
            raise ConfigError([f"{name} contains an integer of more than 64 bits"])
        if isinstance(value, Mapping | list):
            if depth > MAX_KEY_PARTS:
                raise ConfigError([f"{name} is nested too deeply for settings"])
            inner = value.values() if isinstance(value, Mapping) else value
            waiting += [(part, depth + 1) for part in inner]


# --- internals: one function per query of a type annotation ---


def _parse(cls: type[C], document: Any, where: str, base: C | None, problems: list[str]) -> C | None:
    label = where or cls.__name__
    if isinstance(document, str) and cls.slot is not None:
        document = {"type": document}
    if not isinstance(document, Mapping):
        problems.append(f"{label} is {_shown(document)}, expected a table of settings")
        return None
    values = dict(document)
    if cls.slot is not None and "type" in values:
        name = values.pop("type")
        if not isinstance(name, str) or name not in cls.slot:
            name = name if isinstance(name, str) else _shown(name)
            problems.append(
                f"{label} is {_shown(name)}{did_you_mean(name, list(cls.slot))}, expected one of {', '.join(cls.slot)}"
            )
            return None
        chosen = cls.slot[name]
        if base is None or type(base) is not chosen:
            base = None
            cls = chosen
    if base is not None:
        cls = type(base)
    if cls.slot is not None and "slot" in vars(cls):  # the base of all variants
        problems.append(f"{label} has no type, expected one of {', '.join(cls.slot)}")
        return None
    known = {s.name: s for s in settings_of(cls)}
    for s in known.values():
        if s.param.was in values and s.name not in values:
            values[s.name] = values.pop(s.param.was)
    kept: dict[str, Any] = {}
    n_before = len(problems)
    for key, value in values.items():
        full = f"{where}.{key}" if where else key
        if key not in known:
            problems.append(f"unknown setting {_shown(full)}{did_you_mean(key, known)}")
            continue
        default = getattr(base, key) if base is not None else known[key].default
        n_so_far = len(problems)
        converted = _convert(known[key].annotation, value, full, default, problems)
        if len(problems) == n_so_far:
            kept[key] = converted
    try:
        config = dataclasses.replace(base, **kept) if base is not None else cls(**kept)
    except ConfigError as error:
        problems.extend(f"{where}.{p}" if where else p for p in error.problems)
    return None if len(problems) > n_before else config


def _convert(annotation: Any, value: Any, full: str, default: Any, problems: list[str]) -> Any:
    for option in alternatives(annotation):
        if isinstance(option, type) and issubclass(option, Config):
            base = default if isinstance(default, option) else None
            if value is None or (isinstance(value, str) and value == "none" and type(None) in alternatives(annotation)):
                return None
            return _parse(option, value, full, base, problems)
    if value == "none" and type(None) in alternatives(annotation):
        return None
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, int) and not isinstance(value, bool) and float in alternatives(annotation):
        return float(value) if abs(value) <= MAX_NUMBER else value
    if value is None:
        return None
    if any(get_origin(option) is tuple for option in alternatives(annotation)) and not isinstance(value, Mapping):
        return tuple(_read(part) for part in value.split(",")) if isinstance(value, str) else (value,)
    return value


def _problems(config: Config) -> Iterator[str]:
    for s in settings_of(type(config)):
        value = getattr(config, s.name)
        if not _matches(s.annotation, value):
            near = did_you_mean(value, _words(s.annotation)) if isinstance(value, str) else ""
            yield f"{s.name} is {_shown(value)}, expected {_label(s.annotation)}{near}"
        elif not all(s.param.admits(v) for v in _numbers(value)):
            yield f"{s.name} is {_shown(value)}, expected {s.param.bounds()}"
        elif not all(abs(v) <= MAX_NUMBER for v in _numbers(value)):
            yield f"{s.name} is {_shown(value)}, expected a finite number of at most {MAX_NUMBER:g}"
        elif not all(abs(v) <= MAX_INTEGER for v in _numbers(value) if isinstance(v, int)):
            yield f"{s.name} is {_shown(value)}, expected a whole number of at most {MAX_INTEGER}"


def _numbers(value: Any) -> list[float]:
    values = value if isinstance(value, tuple) else (value,)
    return [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]


def alternatives(annotation: Any) -> tuple[Any, ...]:
    """The types of a union; of any other annotation, itself."""
    if get_origin(annotation) in (Union, types.UnionType):
        return get_args(annotation)
    return (annotation,)


def _words(annotation: Any) -> list[str]:
    return [w for o in alternatives(annotation) if get_origin(o) is Literal for w in get_args(o)]


def _matches(annotation: Any, value: Any) -> bool:
    options = alternatives(annotation)
    if len(options) > 1:
        return any(_matches(o, value) for o in options)
    if annotation is type(None):
        return value is None
    if get_origin(annotation) is Literal:
        return value in get_args(annotation)
    if get_origin(annotation) is tuple:
        return isinstance(value, tuple) and all(_matches(get_args(annotation)[0], v) for v in value)
    if annotation is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if annotation is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, annotation)


def _label(annotation: Any) -> str:
    options = alternatives(annotation)
    if len(options) > 1:
        return " or ".join("none" if o is type(None) else _label(o) for o in options)
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(map(str, get_args(annotation)))
    if get_origin(annotation) is tuple:
        return f"a list of {_label(get_args(annotation)[0]).removeprefix('a ')}s"
    if isinstance(annotation, type) and issubclass(annotation, Config):
        return annotation.slot.what if annotation.slot is not None else annotation.__name__
    return {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}[annotation]


def _schema(annotation: Any) -> dict[str, Any]:
    options = alternatives(annotation)
    if len(options) > 1:
        return {"anyOf": [_schema(o) for o in options]}
    if get_origin(annotation) is Literal:
        return {"enum": list(get_args(annotation))}
    if get_origin(annotation) is tuple:
        return {"type": "array", "items": _schema(get_args(annotation)[0])}
    if isinstance(annotation, type) and issubclass(annotation, Config):
        return {"type": "object"}
    names = {int: "integer", float: "number", bool: "boolean", str: "string", type(None): "null"}
    return {"type": names[annotation]}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _read(text: str) -> Any:
    """A command-line value: JSON where it parses (numbers, true, false, lists), else the text itself."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if not isinstance(value, list | dict) or text.count("[") + text.count("{") <= MAX_KEY_PARTS else text


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxlong = _SHORT.maxother = 100
_SHORT.maxtuple = _SHORT.maxlist = _SHORT.maxdict = 8


def _shown(value: Any) -> str:
    """A value for messages: its `repr`, shortened in the middle."""
    return _SHORT.repr(value)


def _bound(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_none(inner) for key, inner in value.items()}
    return "none" if value is None else value
