"""From the object code that numba caches to the file of `machine_code`: what a linker does, for x86-64 ELF.

numba compiles a function with all that it calls into one object. Its code refers to other places by absolute addresses
of 64 bits only. An object with anything else is left out, and its function is compiled or loaded by numba as before.
"""

from __future__ import annotations

import dataclasses
import re
import struct
import sys
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from inr.core import machine_code
from inr.core.compiled_sources import IMPORT
from inr.core.machine_code import (
    HEAD,
    LIBRARY,
    MEMORY,
    Description,
    Unit,
    axes_of,
    digest,
    key_of,
    parts_of,
    tuple_kind,
)

_ALIGNMENT = 64
_RELATIVE_64 = 1  # R_X86_64_64
_ALLOCATED, _WRITABLE = 2, 1  # flags of sections
_PROGRAM, _SYMBOLS, _ADDENDS, _ZEROS = 1, 2, 4, 8  # types of sections
_FUNCTION = 2
_UNDEFINED = 0
ENTRY = "entry"
_TARGET = "target"
_IN_REGISTERS = {"|b1": "i8", "|i1": "i8", "|u1": "i8", "<i2": "i16", "<u2": "i16", "<i4": "i32", "<u4": "i32",
                 "<i8": "i64", "<u8": "i64", "<f4": "float", "<f8": "double"}  # fmt: skip
_FOR_PYTHON = ("_ZN7cpython", "cpython.", "cfunc.", "__excinfo_unwrap_args")
"""What the names of numba's wrappers begin with, which call Python; nothing in a file does."""


_MEMORY = """
declare i8* @malloc(i64)
declare void @free(i8*)

define i8* @NRT_MemInfo_alloc_aligned(i64 %size, i32 %align) {
entry:
  %wide = zext i32 %align to i64
  %room = add i64 %wide, 64
  %all = add i64 %size, %room
  %memory = call i8* @malloc(i64 %all)
  %failed = icmp eq i8* %memory, null
  br i1 %failed, label %none, label %some
none:
  ret i8* null
some:
  %begin = ptrtoint i8* %memory to i64
  %last = add i64 %begin, %room
  %over = urem i64 %last, %wide
  %data = sub i64 %last, %over
  %words = bitcast i8* %memory to i64*
  store i64 1, i64* %words
  %destructor = getelementptr i64, i64* %words, i64 1
  store i64 0, i64* %destructor
  %closure = getelementptr i64, i64* %words, i64 2
  store i64 0, i64* %closure
  %place = getelementptr i64, i64* %words, i64 3
  store i64 %data, i64* %place
  %length = getelementptr i64, i64* %words, i64 4
  store i64 %size, i64* %length
  %allocator = getelementptr i64, i64* %words, i64 5
  store i64 0, i64* %allocator
  ret i8* %memory
}

define i8* @NRT_MemInfo_alloc(i64 %size) {
  %memory = call i8* @NRT_MemInfo_alloc_aligned(i64 %size, i32 16)
  ret i8* %memory
}

define void @NRT_MemInfo_call_dtor(i8* %memory) {
  call void @free(i8* %memory)
  ret void
}
"""
"""numba's functions for the memory of arrays: a count of references, three words of which the last is the address of
the data, the size, and a word that is not used; then the data."""


class UnsupportedCodeError(Exception):
    """An object or a function that cannot be in the file."""


@dataclasses.dataclass(frozen=True)
class Linked:
    """The code of an object with addresses relative to its beginning. starts: of its functions, by symbol."""

    code: bytes
    starts: Mapping[str, int]
    relative: list[int]
    foreign: Mapping[str, list[int]]


def add(dispatchers: Iterable[Any]) -> None:
    """Add all that numba's dispatchers have compiled or loaded to the file, with what it holds already."""
    own = machine_code.key()
    if own is None or not _is_standard():
        return
    before = machine_code.read()
    description: Description = (
        before[0] if before is not None else {"key": own, "sources": {}, "refused": [], "units": {}}
    )
    code = bytearray() if before is None else bytearray(before[1])
    known = {*description["units"], *description["refused"]}
    n_before = len(known)
    for name, arguments, result, symbol, source, data in cached_objects(dispatchers, known):
        unit_key = key_of(name, arguments)
        try:
            description["sources"] |= _sources_of(source)
            linked = with_entry(link(data), symbol, arguments)
        except (UnsupportedCodeError, OSError, UnicodeDecodeError):
            description["refused"].append(unit_key)
            continue
        finally:
            known.add(unit_key)
        description["units"][unit_key] = placed(code, linked, linked.starts[ENTRY], arguments, result)
    if len(known) == n_before:
        return
    if MEMORY[0] not in description["units"]:
        memory = link(memory_object())
        for name in MEMORY:
            description["units"][name] = placed(code, memory, memory.starts[name], [], "none")
    machine_code.write(description, bytes(code))


def placed(code: bytearray, linked: Linked, start: int, arguments: list[str], result: str) -> Unit:
    """Append an object to the code of all."""
    code += bytes(-len(code) % _ALIGNMENT)
    at = len(code)
    code += linked.code
    return {
        "at": at,
        "size": len(linked.code),
        "start": start,
        "arguments": arguments,
        "result": result,
        "relative": linked.relative,
        "foreign": {name: places for name, places in linked.foreign.items() if places},
    }


def _is_standard() -> bool:
    """Whether numba compiles for this processor, and lays out memory as `_MEMORY` does."""
    from llvmlite import binding
    from numba.core.registry import cpu_target
    from numba.core.runtime import nrtdynmod

    from inr.core.processor import has_avx512

    _, name, _ = cpu_target.target_context.codegen().magic_tuple()
    words = [str(element) for element in nrtdynmod._meminfo_struct_type.elements]
    return (
        name == binding.get_host_cpu_name()
        and bool(binding.get_host_cpu_features().get("avx512f")) == has_avx512()
        and words[0] == words[4] == "i64"
        and all(word.endswith("*") or word == "ptr" for word in words[1:4])
    )


def cached_objects(
    dispatchers: Iterable[Any], known: Container[str] = ()
) -> Iterator[tuple[str, list[str], str, str, str, bytes]]:
    """(name, kinds of arguments and result, symbol, module, object) of functions that are in numba's cache.

    known: keys to leave out.
    """
    for dispatcher in dispatchers:
        function = dispatcher.py_func
        for signature, compiled in list(dispatcher.overloads.items()):
            kinds = [*map(kind_of_type, signature), kind_of_type(compiled.signature.return_type)]
            own = dispatcher._cache
            file = getattr(own, "_cache_file", None)  # numba sets it only if it found a folder for its cache
            name = f"{function.__module__}:{function.__qualname__}"
            *arguments, result = [str(kind) for kind in kinds]
            if None in kinds or result[0] == "(" or file is None or key_of(name, arguments) in known:
                continue
            key = own._index_key(signature, compiled.library.codegen)
            held = file.load(key)
            if held is None or held[0][1] != "object":
                continue
            yield name, arguments, result, compiled.fndesc.llvm_func_name, function.__module__, held[0][2][0]


def kind_of_type(kind: Any) -> str | None:
    """`machine_code.kind_of` for a type of numba's; None for types that have no kind."""
    from numba.core import types as numba_types
    from numba.core.types import containers
    from numba.np.numpy_support import as_dtype

    if kind == numba_types.none:
        return "none"
    if isinstance(kind, numba_types.Array) and kind.aligned:
        dtype = kind_of_type(kind.dtype)
        return None if dtype is None else f"{dtype}{kind.ndim}{kind.layout}{'w' if kind.mutable else 'r'}"
    if isinstance(kind, containers.UniTuple | containers.Tuple):
        return tuple_kind([kind_of_type(part) for part in kind])
    if isinstance(kind, numba_types.Boolean | numba_types.Integer | numba_types.Float) and not isinstance(
        kind, numba_types.Literal
    ):
        found: str = as_dtype(kind).str
        return found
    return None


def _sources_of(module: str) -> dict[str, str]:
    """The digests of a module's source and of those that it imports from the same package, at its top level."""
    package = module.partition(".")[0]
    found: dict[str, str] = {}
    waiting, seen = [module], set()
    while waiting:
        name = waiting.pop()
        loaded = sys.modules.get(name)
        if name in seen or loaded is None or not getattr(loaded, "__file__", None):
            continue
        seen.add(name)
        source = Path(str(loaded.__file__)).read_bytes()
        found[str(loaded.__file__)] = digest(source)
        for where, names in IMPORT.findall(source.decode()):
            if where.partition(".")[0] == package:
                waiting += [where, *(f"{where}.{each}" for each in re.findall(r"\w+", names))]
    return found


def memory_object() -> bytes:
    """The object of numba's functions for the memory of arrays."""
    return _object_of(_MEMORY)


def with_entry(linked: Linked, symbol: str, arguments: Sequence[str]) -> Linked:
    """The code with an entry behind it, which calls the function `symbol` for arguments of these kinds."""
    entry = link(_object_of(entry_for(arguments)), also=(_TARGET,))
    code = bytearray(linked.code)
    code += bytes(-len(code) % _ALIGNMENT)
    at = len(code)
    code += entry.code
    calls = [at + place for place in entry.foreign[_TARGET]]
    for place in calls:
        code[place : place + 8] = struct.pack("<q", linked.starts[symbol])
    relative = [*linked.relative, *(at + place for place in entry.relative), *calls]
    return Linked(bytes(code), {**linked.starts, ENTRY: at + entry.starts[ENTRY]}, relative, linked.foreign)


def entry_for(arguments: Sequence[str]) -> str:
    """An entry in LLVM's language: from the address of words, arrays as objects of Python and scalars to numba's call.

    words: the address of an error, then the result. numba's call takes the addresses of the result and of the error; an
    array is its owner, its object, the numbers of items and of bytes per item, the data, the shape, and the strides.
    """
    given, taken, lines = ["ptr %words"], ["ptr %result", "ptr %words"], []

    def loaded(kind: str, name: str, base: str, at: int) -> str:
        lines.append(f"%{name}.at = getelementptr i8, ptr %{base}, i64 {at}")
        lines.append(f"%{name} = load {kind}, ptr %{name}.at")
        return f"{kind} %{name}"

    for k, kind in enumerate(part for each in arguments for part in (parts_of([each]) or ["none"])):
        if kind == "none":
            taken.append("ptr null")
            continue
        n_axes, name = axes_of(kind), f"a{k}"
        if n_axes is None:
            given.append(f"{_IN_REGISTERS[kind]} %{name}")
            taken.append(given[-1])
            continue
        given.append(f"ptr %{name}")
        data = loaded("ptr", f"{name}.data", name, HEAD)
        loaded("ptr", f"{name}.lengths", name, HEAD + 16)
        loaded("ptr", f"{name}.steps", name, HEAD + 24)
        shape = [loaded("i64", f"{name}.n{j}", f"{name}.lengths", 8 * j) for j in range(n_axes)]
        strides = [loaded("i64", f"{name}.s{j}", f"{name}.steps", 8 * j) for j in range(n_axes)]
        lines.append(f"%{name}.items.0 = add i64 1, 0")
        lines += [f"%{name}.items.{j + 1} = mul i64 %{name}.items.{j}, %{name}.n{j}" for j in range(n_axes)]
        item = np.dtype(kind[:3]).itemsize
        taken += ["ptr null", "ptr null", f"i64 %{name}.items.{n_axes}", f"i64 {item}", data, *shape, *strides]
    return "\n".join(
        [
            f"declare i32 @{_TARGET}({', '.join(each.split()[0] for each in taken)})",
            f"define i32 @{ENTRY}({', '.join(given)}) {{",
            "%result = getelementptr i8, ptr %words, i64 8",
            *lines,
            f"%code = call i32 @{_TARGET}({', '.join(taken)})",
            "ret i32 %code",
            "}",
        ]
    )


def _object_of(text: str) -> bytes:
    from llvmlite import binding

    target = binding.Target.from_default_triple()
    machine = target.create_target_machine(opt=2, reloc="static", codemodel="jitdefault", jit=True)
    found: bytes = machine.emit_object(binding.parse_assembly(text))
    return found


# -- object files: the ELF specification, and System V's for x86-64


@dataclasses.dataclass(frozen=True)
class _Section:
    kind: int
    flags: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int


@dataclasses.dataclass(frozen=True)
class _Symbol:
    name: str
    kind: int
    section: int
    value: int
    size: int


def link(data: bytes, also: Sequence[str] = ()) -> Linked:
    """Put the sections of an object one after the other. also: names that it may refer to besides those of the library.

    Raises UnsupportedCodeError.
    """
    sections = _sections(data)
    symbols = next((list(_symbols(data, sections, each)) for each in sections if each.kind == _SYMBOLS), [])
    places: dict[int, int] = {}
    code = bytearray()
    for index, section in enumerate(sections):
        if not section.flags & _ALLOCATED or section.kind not in (_PROGRAM, _ZEROS):
            continue
        if section.flags & _WRITABLE:
            raise UnsupportedCodeError("it has data that change")
        code += bytes(-len(code) % max(1, section.alignment))
        places[index] = len(code)
        code += data[section.offset : section.offset + section.size] if section.kind == _PROGRAM else b""
    relative: list[int] = []
    foreign: dict[str, list[int]] = {}
    for section in sections:
        if section.kind != _ADDENDS or section.info not in places:
            continue
        wrappers = [s for s in symbols if s.section == section.info and s.name.startswith(_FOR_PYTHON)]
        for offset, number, kind, addend in _relocations(data, section):
            if any(each.value <= offset < each.value + each.size for each in wrappers):
                continue
            symbol = symbols[number]
            if kind != _RELATIVE_64:
                raise UnsupportedCodeError(f"it has a relocation of type {kind}")
            at = places[section.info] + offset
            if symbol.section in places:
                relative.append(at)
                addend += places[symbol.section] + symbol.value
            elif symbol.section == _UNDEFINED and symbol.name in (*LIBRARY, *MEMORY, *also):
                foreign.setdefault(symbol.name, []).append(at)
            else:
                raise UnsupportedCodeError(f"it refers to {symbol.name}")
            code[at : at + 8] = struct.pack("<q", addend)
    starts = {s.name: places[s.section] + s.value for s in symbols if s.kind == _FUNCTION and s.section in places}
    return Linked(bytes(code), starts, relative, foreign)


def _sections(data: bytes) -> list[_Section]:
    if data[:7] != b"\x7fELF\2\1\1" or struct.unpack_from("<HH", data, 16) != (1, 62):
        raise UnsupportedCodeError("it is not an object file for x86-64")
    (start,) = struct.unpack_from("<Q", data, 40)
    size, count = struct.unpack_from("<HH", data, 58)
    found = []
    for index in range(count):
        _, kind, flags, _, offset, n_bytes, linked, info, alignment, _ = struct.unpack_from(
            "<IIQQQQIIQQ", data, start + index * size
        )
        found.append(_Section(kind, flags, offset, n_bytes, linked, info, alignment))
    return found


def _symbols(data: bytes, sections: list[_Section], table: _Section) -> Iterator[_Symbol]:
    names = sections[table.link]
    text = data[names.offset : names.offset + names.size]
    for at in range(table.offset, table.offset + table.size, 24):
        name, info, _, section, value, size = struct.unpack_from("<IBBHQQ", data, at)
        yield _Symbol(text[name : text.index(b"\0", name)].decode(), info & 15, section, value, size)


def _relocations(data: bytes, section: _Section) -> Iterator[tuple[int, int, int, int]]:
    """(offset, symbol, type, addend)."""
    for at in range(section.offset, section.offset + section.size, 24):
        offset, info, addend = struct.unpack_from("<QQq", data, at)
        yield offset, info >> 32, info & 0xFFFFFFFF, addend
