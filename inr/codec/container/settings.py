"""Settings of a field as bounded typed values: the contents of ARCH, from which the decoder derives every shape.

Names are not stored, and nothing is imported by name. A variant of a slot, a setting, and a word of a closed list are
each written as a number derived from its name; a reader looks this number up among the registered names. For a renamed
one the number follows from its first name (`was`):

    variant  u16   the first 16 bits (big-endian) of SHA-256 of "<slot>:<name>"
    setting  u16   the first 13 bits of SHA-256 of its name, then 3 bits for the form of its value
    word     u16   the first 16 bits of SHA-256 of the word

    form:         0 none   1 false   2 true   3 a whole number (zigzag varint)   4 a number (f64, at most 1e30)
                  5 a word   6 a list: u8 count, then for each a u8 of one of these kinds and its value
                  7 a config: a variant if the setting is a slot, then u8 count of settings and the settings

A setting that a later version adds is missing in an earlier file and takes its default, which must not change the
field. An unknown setting is an error, and so is a value outside its bounds. tests/codec/container/test_settings.py
checks that no two names in one place share a number.
"""

from __future__ import annotations

import hashlib
import math
import typing
from collections.abc import Iterable
from typing import Any, Literal, TypeVar, get_args, get_origin

from inr.codec.container.byte_fields import Reader, Writer
from inr.core.config import SAME_AS_NOW, Config, settings_of
from inr.core.errors import ConfigError, FormatError

C = TypeVar("C", bound=Config)

MAX_DEPTH = 8
"""Levels of nested configs."""
MAX_SETTINGS = 256
"""Settings of one field, in all its slots together."""
MAX_LIST = 64
LARGEST = 1e30
"""Largest magnitude of a number."""

NONE, FALSE, TRUE, WHOLE, NUMBER, WORD, LIST, CONFIG = range(8)


def variant_number(slot: str, name: str) -> int:
    """The number of a slot's variant."""
    return _digest(f"{slot}:{name}")


def setting_number(name: str) -> int:
    """The number of a setting, 13 bits."""
    return _digest(name) >> 3


def word_number(word: str) -> int:
    """The number of a word of a closed list."""
    return _digest(word)


def write_config(writer: Writer, config: Config) -> None:
    """Append a config's settings."""
    if config.slot is not None:
        writer.u16(variant_number(config.slot.stored_what, config.slot.stored_name(config.type_name)))
    settings = settings_of(type(config))
    writer.u8(len(settings))
    for setting in settings:
        value = getattr(config, setting.name)
        kind = _kind(value)
        writer.u16(setting_number(setting.stored_name) << 3 | kind)
        _write_value(writer, kind, value)


def read_config(reader: Reader, cls: type[C]) -> C:
    """The config that `write_config` wrote; `cls` is its class, or the base of its slot. Raises FormatError."""
    return _Settings(reader).config(cls, 0)


class _Settings:
    """Reads nested configs, and counts what it reads."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.n_settings = 0

    def config(self, cls: type[C], depth: int) -> C:
        if depth > MAX_DEPTH:
            raise FormatError(f"settings are nested more than {MAX_DEPTH} deep")
        if cls.slot is not None:
            cls = _named(self.reader.u16("a variant"), cls)
        known = {setting_number(s.stored_name): s for s in settings_of(cls)}
        values: dict[str, Any] = {}
        for _ in range(self.reader.u8("the number of settings")):
            self.n_settings += 1
            if self.n_settings > MAX_SETTINGS:
                raise FormatError(f"more than {MAX_SETTINGS} settings")
            head = self.reader.u16("a setting")
            setting = known.get(head >> 3)
            if setting is None or setting.name in values:
                what = "is not known" if setting is None else "occurs twice"
                raise FormatError(f"setting number {head >> 3} of {cls.__name__} {what}")
            values[setting.name] = self._value(head & 7, setting.annotation, depth)
        for setting in known.values():
            if setting.param.absent is not SAME_AS_NOW:
                values.setdefault(setting.name, setting.param.absent)
        try:
            return cls(**values)
        except ConfigError as error:
            raise FormatError(f"settings of {cls.__name__}: {error.message}") from error

    def _value(self, kind: int, annotation: Any, depth: int) -> Any:
        if kind == CONFIG:
            inner = next((o for o in _options(annotation) if isinstance(o, type) and issubclass(o, Config)), None)
            if inner is None:
                raise FormatError("a setting has a table of settings, expected a plain value")
            return self.config(inner, depth + 1)
        if kind == LIST:
            n = self.reader.u8("the length of a list", 0, MAX_LIST)
            return tuple(self._plain(self.reader.u8("a kind"), annotation) for _ in range(n))
        return self._plain(kind, annotation)

    def _plain(self, kind: int, annotation: Any) -> Any:
        if kind in (NONE, FALSE, TRUE):
            return (None, False, True)[kind]
        if kind == WHOLE:
            return self.reader.signed("a whole number")
        if kind == NUMBER:
            return self.reader.f64("a number", -LARGEST, LARGEST)
        if kind == WORD:
            number = self.reader.u16("a word")
            word = {word_number(w): w for w in _words(annotation)}.get(number)
            if word is None:
                raise FormatError(f"word number {number} is not known")
            return word
        raise FormatError(f"a value of kind {kind} where a plain one is expected")


def _write_value(writer: Writer, kind: int, value: Any) -> None:
    if kind == WHOLE:
        writer.signed(value)
    elif kind == NUMBER:
        writer.f64(value)
    elif kind == WORD:
        writer.u16(word_number(value))
    elif kind == LIST:
        writer.u8(len(value))
        for item in value:
            writer.u8(_kind(item))
            _write_value(writer, _kind(item), item)
    elif kind == CONFIG:
        write_config(writer, value)


def _kind(value: Any) -> int:
    if value is None or isinstance(value, bool):
        return NONE if value is None else TRUE if value else FALSE
    if isinstance(value, float) and not math.isfinite(value):
        raise TypeError(f"setting {value!r} has no form in a file")
    for type_, kind in ((int, WHOLE), (float, NUMBER), (str, WORD), (tuple, LIST), (Config, CONFIG)):
        if isinstance(value, type_):
            return kind
    raise TypeError(f"setting {value!r} has no form in a file")


def _named(number: int, cls: type[C]) -> type[C]:
    assert cls.slot is not None
    for name in cls.slot:
        if variant_number(cls.slot.stored_what, cls.slot.stored_name(name)) == number:
            chosen: type[C] = cls.slot[name]
            return chosen
    raise FormatError(f"{cls.slot.what} number {number} is not known", "update inr")


def _options(annotation: Any) -> Iterable[Any]:
    return get_args(annotation) if get_origin(annotation) in (typing.Union, _UNION) else (annotation,)


def _words(annotation: Any) -> Iterable[str]:
    return (word for option in _options(annotation) if get_origin(option) is Literal for word in get_args(option))


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:2], "big")


_UNION = type(int | None)
