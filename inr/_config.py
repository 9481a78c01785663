"""Settings: frozen dataclasses that are the one source of defaults, help, JSON schema and validation.

A setting is declared with `param(default, help, ge=..., choices=...)`. A setting that is itself a choice among
registered variants (an encoding, an activation) is a *slot*: its JSON form carries the variant's name in `type`.
"""

from __future__ import annotations

import dataclasses
import json
import math
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeVar, Union, get_args, get_origin

from inr._errors import ConfigError, did_you_mean
from inr._registry import Registry

if TYPE_CHECKING:
    from inr._domain import Spec

C = TypeVar("C", bound="Config")


@dataclasses.dataclass(frozen=True)
class Param:
    """What is said about one setting, beside its type and default."""

    help: str
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None

    def bounds(self) -> str:
        """`>= 1, < 2`, or an empty string."""
        pairs = ((">=", self.ge), (">", self.gt), ("<=", self.le), ("<", self.lt))
        return ", ".join(f"{sign} {bound:g}" for sign, bound in pairs if bound is not None)

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
) -> Any:
    """Declare a setting of a `Config`: its default, one line of help (with the unit), and its range."""
    return dataclasses.field(default=default, metadata={"param": Param(help, ge, gt, le, lt)})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Base of all settings. Subclasses are frozen, keyword-only dataclasses whose fields are made by `param`.

    slot: the registry a family of variants lives in (None for a plain section such as the fit's settings).
    """

    slot: ClassVar[Registry[Any] | None] = None

    def __post_init__(self) -> None:
        problems = list(_problems(self))
        if problems:
            raise ConfigError(problems)

    @property
    def type_name(self) -> str:
        """The name this variant is registered under."""
        assert self.slot is not None
        return self.slot.name_of(type(self))

    def resolve(self, spec: Spec) -> Self:
        """This config with every setting that was left to `auto` (None) decided for a signal."""
        slots = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return dataclasses.replace(self, **{k: v.resolve(spec) for k, v in slots.items() if isinstance(v, Config)})

    def to_json(self) -> dict[str, Any]:
        """A JSON document from which `parse` makes an equal config."""
        document: dict[str, Any] = {"type": self.type_name} if self.slot is not None else {}
        for f in dataclasses.fields(self):
            value = getattr(self, f.name)
            document[f.name] = value.to_json() if isinstance(value, Config) else _plain(value)
        return document


@dataclasses.dataclass(frozen=True)
class Setting:
    """One row of a config's description."""

    name: str
    annotation: Any
    default: Any
    param: Param

    @property
    def type_label(self) -> str:
        return _label(self.annotation)


_SETTINGS: dict[type[Config], tuple[Setting, ...]] = {}


def settings_of(cls: type[Config]) -> tuple[Setting, ...]:
    """The settings of a config class, in order of declaration; looked up once."""
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

    cls: the class, or the base class of a slot (then `document["type"]`, the document itself if it is a word, or
    `base`, names the variant).
    where: prefix of the names in messages, such as "field".
    base: values for the settings that the document leaves out; the class's defaults when None.
    Raises ConfigError listing every problem found.
    """
    problems: list[str] = []
    config = _parse(cls, document, where, base, problems)
    if problems:
        raise ConfigError(problems)
    assert config is not None
    return config


def override(config: C, assignments: Sequence[str], where: str) -> C:
    """Apply `key=value` strings (dots reach into slots: `encoding.sigma=10`) to a config.

    A bare slot assignment (`encoding=frequency`) picks the variant with its defaults.
    """
    document: dict[str, Any] = {}
    for text in assignments:
        key, sep, value = text.partition("=")
        if not sep or not key:
            raise ConfigError([f"--set {text!r} is not of the form key=value"])
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


def to_toml(sections: Mapping[str, Config]) -> str:
    """Resolved settings as TOML, one table per section; `tomllib` reads it back to the same documents."""
    lines: list[str] = []

    def table(name: str, document: Mapping[str, Any]) -> None:
        lines.append(f"[{name}]")
        inner = {k: v for k, v in document.items() if isinstance(v, Mapping)}
        for k, v in document.items():
            if k not in inner:
                lines.append(f"{k} = {_toml_value('none' if v is None else v)}")
        lines.append("")
        for k, v in inner.items():
            table(f"{name}.{k}", v)

    for name, config in sections.items():
        table(name, config.to_json())
    return "\n".join(lines)


def read_toml(text: str, name: str) -> dict[str, Any]:
    """Parse a settings file; a syntax error is one line with the file's name."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{name}: not valid TOML: {error}"]) from error


# --- internals: one function per question asked of a type annotation ---


def _parse(cls: type[C], document: Any, where: str, base: C | None, problems: list[str]) -> C | None:
    label = where or cls.__name__
    if isinstance(document, str) and cls.slot is not None:
        document = {"type": document}
    if not isinstance(document, Mapping):
        problems.append(f"{label} is {document!r}, expected a table of settings")
        return None
    values = dict(document)
    if cls.slot is not None and "type" in values:
        name = str(values.pop("type"))
        if name not in cls.slot:
            problems.append(
                f"{label} is {name!r}{did_you_mean(name, list(cls.slot))}, expected one of {', '.join(cls.slot)}"
            )
            return None
        chosen = cls.slot[name]
        if base is None or type(base) is not chosen:
            base = None
            cls = chosen
    if base is not None:
        cls = type(base)
    known = {s.name: s for s in settings_of(cls)}
    kept: dict[str, Any] = {}
    n_before = len(problems)
    for key, value in values.items():
        full = f"{where}.{key}" if where else key
        if key not in known:
            problems.append(f"unknown setting {full!r}{did_you_mean(key, known)}")
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
    for option in _options(annotation):
        if isinstance(option, type) and issubclass(option, Config):
            base = default if isinstance(default, option) else None
            if value is None or (isinstance(value, str) and value == "none" and type(None) in _options(annotation)):
                return None
            return _parse(option, value, full, base, problems)
    if value == "none" and type(None) in _options(annotation):
        return None
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, int) and not isinstance(value, bool) and float in _options(annotation):
        return float(value)
    if value is None:
        return None
    if any(get_origin(option) is tuple for option in _options(annotation)) and not isinstance(value, Mapping):
        return tuple(_read(part) for part in value.split(",")) if isinstance(value, str) else (value,)
    return value


def _problems(config: Config) -> Iterator[str]:
    for s in settings_of(type(config)):
        value = getattr(config, s.name)
        if not _matches(s.annotation, value):
            near = did_you_mean(value, _words(s.annotation)) if isinstance(value, str) else ""
            yield f"{s.name} is {value!r}, expected {_label(s.annotation)}{near}"
        elif not all(s.param.admits(v) and math.isfinite(v) for v in _numbers(value)):
            yield f"{s.name} is {value!r}, expected {s.param.bounds() or 'a finite number'}"


def _numbers(value: Any) -> list[float]:
    values = value if isinstance(value, tuple) else (value,)
    return [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]


def _options(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in (Union, types.UnionType):
        return get_args(annotation)
    return (annotation,)


def _words(annotation: Any) -> list[str]:
    return [w for o in _options(annotation) if get_origin(o) is Literal for w in get_args(o)]


def _matches(annotation: Any, value: Any) -> bool:
    options = _options(annotation)
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
    options = _options(annotation)
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
    options = _options(annotation)
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
        return json.loads(text)
    except ValueError:
        return text


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return f"{value:.1f}" if abs(value) < 1e15 else repr(value)
    if isinstance(value, list):
        return "[" + ", ".join(_toml_value(v) for v in value) + "]"
    return json.dumps(value, ensure_ascii=False)
