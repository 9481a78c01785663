"""A file of machine code, whose functions run without the compiler: how it is checked, loaded and called.

The file is in the user's cache, one for each processor, version of numba and place of inr. It states the digests of the
source files that its functions were compiled from; if one has changed, the file counts as absent. It must belong to the
user, and nobody else may write to it. `object_code` writes it.

    magic, digest of all that follows
    length of the description, the description (JSON): see `Description`
    the code of all units, which is to begin at a page

A unit is the code of one function with all that it calls. Its addresses are relative to its beginning in the file.
It starts with an entry (`object_code.entry`), which takes numpy's arrays as CPython holds them: see `HEAD`.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import importlib.machinery
import json
import mmap
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from inr.core.cache_folder import cache_folder
from inr.core.processor import processor

MAGIC = b"inr machine code, version 2\n"
FOLDER = "machine_code"
HEAD = object.__basicsize__
"""Where an array's fields begin, in bytes from the address of the object: the address of the data, the number of axes,
the address of the shape, that of the strides (numpy's `PyArrayObject_fields`, part of its binary interface)."""
RELEASE = "NRT_MemInfo_call_dtor"
MEMORY = ("NRT_MemInfo_alloc", "NRT_MemInfo_alloc_aligned", RELEASE)
"""numba's functions for the memory of arrays, of which a file has its own form."""
_LIBRARY = (
    *("malloc", "free", "memset", "memcpy", "memmove", "log10", "acos"),
    *("sin", "cos", "sincos", "sinf", "cosf", "sincosf"),
)
LIBRARY = {
    **{name: name for name in _LIBRARY},
    "NRT_Allocate": "malloc",
    "NRT_Free": "free",
}
"""Functions that code may call, and what they are in the C library."""

_FLAGS = 0x503
"""Bits of `flags.num` that determine a kind: contiguous in C's or Fortran's order, aligned, writable."""
_MOST_BYTES = 2**28
_DIGEST_BYTES = 32
_SUCCESS = (0, -2)
_SCALARS: dict[str, Any] = {
    "|b1": ctypes.c_int8, "|i1": ctypes.c_int8, "<i2": ctypes.c_int16, "<i4": ctypes.c_int32, "<i8": ctypes.c_int64,
    "|u1": ctypes.c_uint8, "<u2": ctypes.c_uint16, "<u4": ctypes.c_uint32, "<u8": ctypes.c_uint64,
    "<f4": ctypes.c_float, "<f8": ctypes.c_double,
}  # fmt: skip


class Unit(TypedDict):
    """A function. at, size: in the code of all. start: of its entry, in the unit. arguments, result: see `kind_of`.

    relative: where the addresses of the unit's own parts are. foreign: where those of other functions are, by name.
    """

    at: int
    size: int
    start: int
    arguments: list[str]
    result: str
    relative: list[int]
    foreign: dict[str, list[int]]


class Description(TypedDict):
    """sources: digests of the source files. units: by `key_of`. refused: those that cannot be in the file."""

    key: str
    sources: dict[str, str]
    refused: list[str]
    units: dict[str, Unit]


def kind_of(value: Any) -> str | None:
    """The type of an argument as numba sees it; None for types that have no kind.

    `<f42Cw` is a writable float32 array [N, M], `<f4` a number, `(<i8 <f4)` a tuple, `none` None.
    """
    if type(value) is np.ndarray:
        flags = value.flags
        if not flags.aligned:
            return None
        layout = "C" if flags.c_contiguous else "F" if flags.f_contiguous else "A"
        return f"{value.dtype.str}{value.ndim}{layout}{'w' if flags.writeable else 'r'}"
    if isinstance(value, np.generic):
        return value.dtype.str
    if type(value) is bool:
        return "|b1"
    if type(value) is int:
        return "<i8" if -(2**63) <= value < 2**63 else None
    if type(value) is tuple:
        return tuple_kind([kind_of(part) for part in value])
    return "<f8" if type(value) is float else "none" if value is None else None


def tuple_kind(parts: Sequence[str | None]) -> str | None:
    """The kind of a tuple of numbers and arrays of these kinds; None if there is another one."""
    are_known = all(part is not None and part != "none" and part[0] != "(" for part in parts)
    return f"({' '.join(map(str, parts))})" if are_known else None


def parts_of(kinds: Iterable[str]) -> list[str]:
    """The kinds with those of a tuple's parts for each tuple, and without None."""
    return [part for kind in kinds for part in (kind[1:-1].split() if kind[0] == "(" else [kind]) if part != "none"]


def signature_of(args: Sequence[Any]) -> tuple[Any, ...]:
    """Equal for arguments of equal kinds, and quickly calculated."""
    return tuple(
        [
            (value.dtype, value.ndim, value.flags.num & _FLAGS)
            if type(value) is np.ndarray
            else value.bit_length() < 64
            if type(value) is int
            else signature_of(value)
            if type(value) is tuple
            else type(value)
            for value in args
        ]
    )


def key_of(name: str, arguments: Sequence[str]) -> str:
    """The key of a function, `module:name`, for arguments of these kinds."""
    return f"{name}({', '.join(arguments)})"


def find(name: str, args: Sequence[Any]) -> Callable[..., Any] | None:
    """The function `module:name` of the file for such arguments; None if the file is absent or does not have it."""
    loaded = _loaded()
    kinds = [kind_of(value) for value in args]
    if loaded is None or None in kinds:
        return None
    return loaded.function(key_of(name, [kind for kind in kinds if kind]))


def is_there() -> bool:
    """Whether there is a file for this processor and these sources."""
    return _loaded() is not None


@functools.cache
def _loaded() -> Loaded | None:
    found = read()
    try:
        return None if found is None else Loaded(*found)
    except OSError:  # the system may refuse memory that holds code
        return None


@functools.cache
def key() -> str | None:
    """What the code of a file depends on besides its sources; None on other systems."""
    lines = processor()
    if lines is None or sys.byteorder != "little" or not has_known_arrays():
        return None
    versions = [version_of(package) for package in ("numba", "llvmlite")]
    if None in versions:
        return None
    settings = {name: value for name, value in os.environ.items() if name.startswith("NUMBA_")}
    for harmless in ("NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS"):
        settings.pop(harmless, None)
    return json.dumps([lines, versions, sorted(settings.items()), str(Path(__file__).parent), HEAD])


def has_known_arrays() -> bool:
    """Whether the fields of an array are where `HEAD` says."""
    if sys.implementation.name != "cpython":
        return False
    array = np.zeros((3, 5), np.float32)[:, ::2]
    words = (ctypes.c_int64 * 4).from_address(id(array) + HEAD)
    if words[0] != array.__array_interface__["data"][0] or words[1] & 0xFFFFFFFF != array.ndim:
        return False
    shape, strides = ((ctypes.c_int64 * 2).from_address(word) for word in words[2:])
    return (*shape, *strides) == array.shape + array.strides


def version_of(package: str) -> str | None:
    """Where a package is and which version, without importing it."""
    try:
        spec = importlib.machinery.PathFinder.find_spec(package)
        if spec is None or spec.origin is None:
            return None
        version = Path(spec.origin).with_name("_version.py").read_bytes()
    except (OSError, ValueError):
        return None
    return f"{spec.origin} {digest(version)}"


def digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).hexdigest()


def path() -> Path | None:
    """The file's name for this processor and these versions; None on other systems."""
    folder, own = cache_folder(), key()
    if folder is None or own is None:
        return None
    return folder / FOLDER / f"{digest(own.encode())[:24]}.code"


def read() -> tuple[Description, memoryview] | None:
    """The description and the code of the file; None if it is absent, damaged, not the user's own, or out of date."""
    place = path()
    data = None if place is None else _own_file(place)
    head = len(MAGIC) + _DIGEST_BYTES
    if data is None or not data.startswith(MAGIC) or len(data) < head + 4:
        return None
    rest = memoryview(data)[head:]
    if hashlib.blake2b(rest, digest_size=_DIGEST_BYTES).digest() != data[len(MAGIC) : head]:
        return None
    length = int.from_bytes(rest[:4], "little")
    description: Description = json.loads(bytes(rest[4 : 4 + length]))
    if description["key"] != key() or not all(_is_current(*source) for source in description["sources"].items()):
        return None
    return description, rest[4 + length :]


def write(description: Description, code: bytes) -> None:
    """Replace the file as a whole. Nothing is kept where the disk is full or refuses it."""
    place = path()
    if place is None:
        return
    text = json.dumps(description, separators=(",", ":")).encode()
    rest = len(text).to_bytes(4, "little") + text + code
    whole = MAGIC + hashlib.blake2b(rest, digest_size=_DIGEST_BYTES).digest() + rest
    new = place.with_name(f".{place.name}-{os.urandom(8).hex()}")
    try:
        place.parent.mkdir(mode=0o700, exist_ok=True)
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(whole)
        os.replace(new, place)
    except OSError:
        new.unlink(missing_ok=True)


def _own_file(place: Path) -> bytes | None:
    """The bytes of a regular file of the user's own that nobody else may write to."""
    try:
        with open(os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            found = os.fstat(file.fileno())
            is_own = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022
            return file.read() if is_own and found.st_size <= _MOST_BYTES else None
    except OSError:
        return None


def _is_current(source: str, stated: str) -> bool:
    try:
        return digest(Path(source).read_bytes()) == stated
    except OSError:
        return False


class Loaded:
    """The functions of a file in memory. Raises OSError if the system does not let memory hold code."""

    def __init__(self, description: Description, code: memoryview) -> None:
        self._units = description["units"]
        self._memory = mmap.mmap(-1, max(1, len(code)))  # never closed: threads may run in it
        self._memory[: len(code)] = code
        held = np.frombuffer(self._memory, np.uint8)
        self._base = held.ctypes.data
        self._library = ctypes.CDLL(None, use_errno=True)
        foreign = {name: _address(getattr(self._library, own)) for name, own in LIBRARY.items()}
        foreign |= {name: self._start(self._units[name]) for name in MEMORY}
        self._release = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(foreign[RELEASE])
        for unit in self._units.values():
            _relocate(held, self._base, unit, foreign)
        if self._library.mprotect(ctypes.c_void_p(self._base), ctypes.c_size_t(len(held)), 1 | 4):  # read and run
            raise OSError(ctypes.get_errno(), "memory cannot hold code")
        self._functions: dict[str, Callable[..., Any]] = {}

    def _start(self, unit: Unit) -> int:
        return self._base + unit["at"] + unit["start"]

    def function(self, name: str) -> Callable[..., Any] | None:
        found = self._functions.get(name)
        if found is None and name in self._units:
            found = self._functions[name] = self._callable(name, self._units[name])
        return found

    def _callable(self, name: str, unit: Unit) -> Callable[..., Any]:
        """The function for arguments of Python. Its entry takes the address of words for the error and the result."""
        kinds = parts_of(unit["arguments"])
        are_parts = kinds != unit["arguments"]
        types = [ctypes.py_object if axes_of(kind) is not None else _SCALARS[kind] for kind in kinds]
        native = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, *types)(self._start(unit))
        result, result_axes = unit["result"], axes_of(unit["result"]) if unit["result"] != "none" else None
        new_words = ctypes.c_int64 * (6 + 2 * (result_axes or 0))

        def call(*args: Any) -> Any:
            words = new_words()
            if are_parts:
                args = tuple(_parts(args))
            try:
                code = native(words, *args)
            except ctypes.ArgumentError:  # numpy's scalars
                code = native(words, *(value.item() if isinstance(value, np.generic) else value for value in args))
            if code not in _SUCCESS:
                raise _error(name.partition("(")[0], words[0])
            if result == "none":
                return None
            if result_axes is None:
                value = _SCALARS[result].from_buffer(words, 8).value
                return bool(value) if result == "|b1" else value
            return self._array(result, words[1:])

        return call

    def _array(self, kind: str, words: Any) -> Any:
        """A copy of an array that a function returned, whose memory is then given back."""
        n_axes, owner, address = axes_of(kind) or 0, words[0], words[4]
        dtype = np.dtype(kind[:3])
        shape, strides = words[5 : 5 + n_axes], words[5 + n_axes : 5 + 2 * n_axes]
        n_bytes = sum((n - 1) * step for n, step in zip(shape, strides, strict=True)) + dtype.itemsize
        held = (ctypes.c_char * n_bytes).from_address(address) if all(shape) else b""
        found = np.ndarray(shape, dtype, held, 0, strides).copy() if all(shape) else np.empty(shape, dtype)
        if owner:
            self._release(owner)
        return found


def _parts(args: Iterable[Any]) -> Iterator[Any]:
    for value in args:
        if type(value) is tuple:
            yield from value
        elif value is not None:
            yield value


def axes_of(kind: str) -> int | None:
    """The number of axes of an array's kind; None for a scalar's."""
    return None if kind in _SCALARS else int(kind[3:-2])


def _error(name: str, address: int) -> Exception:
    """The exception that a function raised: the address and the length of (class, arguments, place), pickled. It is
    not unpickled: nothing of a file runs but its functions."""
    if not address:
        return MemoryError(name)
    data, length = ctypes.c_void_p.from_address(address).value, ctypes.c_int32.from_address(address + 8).value
    is_memory = b"MemoryError" in ctypes.string_at(data or 0, length)
    return MemoryError(name) if is_memory else RuntimeError(f"{name} raised an error")


def _address(function: Any) -> int:
    address = ctypes.cast(function, ctypes.c_void_p).value
    assert address is not None
    return address


def _relocate(held: Any, base: int, unit: Unit, foreign: dict[str, int]) -> None:
    """Turn a unit's addresses, which are relative to their target, into those of the loaded code."""
    at = unit["at"]
    for places, target in [(unit["relative"], base + at), *((p, foreign[n]) for n, p in unit["foreign"].items())]:
        if places:
            index = np.array(places)[:, None] + at + np.arange(8)
            values = held[index].view("<i8") + target
            held[index] = values.view(np.uint8)
