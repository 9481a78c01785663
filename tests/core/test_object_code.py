"""What numba compiled runs without it: the same results, errors and memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

from inr.codec.entropy import range_coder
from inr.core import machine_code, object_code
from inr.core.cache_folder import cache_folder
from inr.core.jit import compiled
from inr.core.machine_code import MEMORY, Description, Loaded

pytestmark = pytest.mark.skipif(machine_code.key() is None, reason="there are such files for x86-64 Linux only")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    cache_folder.cache_clear()
    yield tmp_path
    cache_folder.cache_clear()


def _loaded(function: Any) -> Loaded:
    """The functions of a dispatcher, linked."""
    code = bytearray()
    units: dict[str, Any] = {}
    for name, arguments, result, symbol, _, data in object_code.cached_objects([function.dispatcher]):
        linked = object_code.with_entry(object_code.link(data), symbol, arguments)
        key = machine_code.key_of(name, arguments)
        units[key] = object_code.placed(code, linked, linked.starts[object_code.ENTRY], arguments, result)
    memory = object_code.link(object_code.memory_object())
    for name in MEMORY:
        units[name] = object_code.placed(code, memory, memory.starts[name], [], "none")
    description: Description = {"key": "", "sources": {}, "refused": [], "units": units}
    return Loaded(description, memoryview(bytes(code)))


def _native(function: Any, *args: Any) -> Callable[..., Any]:
    """The linked form of a function for such arguments, which numba has compiled for them."""
    name = f"{function.__wrapped__.__module__}:{function.__wrapped__.__qualname__}"
    found = _loaded(function).function(machine_code.key_of(name, [str(machine_code.kind_of(a)) for a in args]))
    assert found is not None
    return found


def _mixed(a: Any, b: Any, flag: Any, nothing: Any, pair: Any, n: int, x: float) -> float:
    total = np.zeros(n, np.float64)
    total[1] = pair[0] - 7 * pair[1] if nothing is None else 1e9
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            total[(i + j) % n] += a[i, j] * x
    total[0] += b.sum() if flag else -b.sum()
    return float(total.sum() + n)


def _scaled(a: Any, factor: int) -> Any:
    if factor < 0:
        raise ValueError("the factor is negative")
    return a[::2] * factor


def _room(n: int) -> int:
    return len(np.zeros(n))


def test_arguments_of_every_kind_arrive(folder: Path) -> None:
    function: Any = compiled(_mixed)
    a = np.arange(12, dtype=np.float32).reshape(3, 4)
    b = np.arange(5)
    b.flags.writeable = False
    for first in (a, a.T, a[:, ::2]):
        for flag in (True, False, np.bool_(True)):
            given = (first, b, flag, None, (2, np.float32(0.25)), 3, 0.5)
            assert function(*given) == _native(function, *given)(*given) == _mixed(*given)


def test_arrays_are_returned_and_errors_raised(folder: Path) -> None:
    function: Any = compiled(_scaled)
    a = np.arange(7)
    expected = function(a, 3)
    native = _native(function, a, 3)
    for _ in range(1000):
        found = native(a, 3)
    np.testing.assert_array_equal(found, expected)
    assert native(a[:0], 3).shape == (0,)
    room: Any = compiled(_room)
    assert room(3) == 3
    with pytest.raises(RuntimeError, match="_scaled raised an error"):
        native(a, -3)
    with pytest.raises(MemoryError):
        _native(room, 2**50)(2**50)


@pytest.mark.parametrize("data", [b"", b"\x7fELF\2\1\1" + bytes(60)])
def test_other_objects_are_refused(data: bytes) -> None:
    with pytest.raises(object_code.UnsupportedCodeError, match="not an object file"):
        object_code.link(data)


def test_functions_that_need_python_are_left_out(folder: Path) -> None:
    function: Any = compiled(lambda x: print(x))  # noqa: T201  the function under test
    function(1)
    [(*_, data)] = object_code.cached_objects([function.dispatcher])
    with pytest.raises(object_code.UnsupportedCodeError, match="it refers to"):
        object_code.link(data)


def test_functions_are_added_to_those_of_the_file(folder: Path) -> None:
    first: Any = compiled(range_coder.new_decoder.__wrapped__)  # type: ignore[attr-defined]  # a `Compiled`
    second: Any = compiled(range_coder.is_finished.__wrapped__)  # type: ignore[attr-defined]
    data = np.zeros(8, np.uint8)
    state = first(data)
    object_code.add([first.dispatcher])
    before = machine_code.read()
    assert before is not None
    second(state, data)
    object_code.add([first.dispatcher, second.dispatcher])
    after = machine_code.read()
    assert after is not None
    assert set(before[0]["units"]) < set(after[0]["units"])
    assert len(after[0]["units"]) == len(before[0]["units"]) + 1
    loaded = Loaded(*after)
    for name in before[0]["units"].keys() - MEMORY:
        function = loaded.function(name)
        assert function is not None
        np.testing.assert_array_equal(function(data), state)


_DECODE = """
import sys
from inr.codec import decompress
from inr.kernels.threads import use_threads
use_threads(int(sys.argv[2]))
decoded = decompress(sys.argv[1])
import hashlib
print(decoded.symbols_sha256.hex(), hashlib.sha256(decoded.values().tobytes()).hexdigest(), "numba" in sys.modules)
"""


_FIT = """
import sys
import inr
for family in sys.argv[1:]:
    inr.fit("picture.png", field=family, settings={"steps": 5}).save(f"{family}.safetensors")
print("numba" in sys.modules)
"""


@pytest.mark.slow
def test_a_second_process_fits_without_numba(tmp_path: Path) -> None:
    """The same bytes from the file of machine code and from numba."""
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 255, (32, 48, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")

    families = ("hash_grid", "siren", "mfn_gabor")

    def run(before: str = "") -> tuple[bool, dict[str, bytes]]:
        command = [sys.executable, "-c", before + _FIT, *families]
        said = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path).stdout
        return said.strip() == "True", {name: (tmp_path / f"{name}.safetensors").read_bytes() for name in families}

    run(), run()  # as below
    (is_there, fitted), (is_numba_there, by_numba) = run(), run("import numba\n")
    assert not is_there
    assert is_numba_there
    assert fitted == by_numba


def test_a_second_process_decodes_without_numba(tmp_path: Path) -> None:
    """The same symbols and pixels from the file of machine code and from numba, for one and for two threads."""
    golden = sorted((Path(__file__).parent.parent / "codec" / "golden").glob("*pyramid*.inrz"))[0]

    def run(threads: int, before: str = "") -> list[str]:
        command = [sys.executable, "-c", before + _DECODE, str(golden), str(threads)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()

    run(1)  # where numba's objects are older than a source, the first process removes them
    run(1)  # writes the file, unless another process has
    one, two, by_numba = run(1), run(2), run(1, "import numba\n")
    assert one[2] == two[2] == "False"
    assert by_numba[2] == "True"
    assert one[:2] == two[:2] == by_numba[:2]
