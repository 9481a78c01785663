"""The process that fuzzes one target: runs cases under limits and reports outcomes.

Before each case its input is written to a memory-mapped file, so that the parent has it when the process crashes.
Anything that a library writes to stderr during a case is also a fault.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import json
import mmap
import os
import pkgutil
import random
import resource
import shutil
import signal
import struct
import sys
import time
import traceback
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType, FunctionType
from typing import Any, NoReturn

from tests.codec.damage import mutated as bytes_mutated

from ._target import TARGETS, Target
from .documents import place

STATE = struct.Struct("<QI")
STATE_BYTES = 1 << 20
MAX_POOL = 500
SAVE_EVERY_S = 5.0
ROOT = Path(__file__).parent.parent.parent


class TooLong(BaseException):
    """A case took more time than allowed."""


class State:
    """The current case of a process: its number and input, readable after the process has ended."""

    def __init__(self, path: Path) -> None:
        if not path.exists() or path.stat().st_size != STATE_BYTES:
            path.write_bytes(bytes(STATE_BYTES))
        self._file = path.open("r+b")
        self._map = mmap.mmap(self._file.fileno(), STATE_BYTES)

    def write(self, n: int, data: bytes) -> None:
        self._map[STATE.size : STATE.size + len(data)] = data
        self._map[: STATE.size] = STATE.pack(n, len(data))

    def read(self) -> tuple[int, bytes]:
        n, size = STATE.unpack(self._map[: STATE.size])
        return n, self._map[STATE.size : STATE.size + size]


class Fuzzer:
    """Counts cases and outcomes. before: results of an earlier process for the same target."""

    def __init__(self, target: Target, runs: int, seed: int, folder: Path, before: Mapping[str, Any]) -> None:
        self.target, self.runs, self.seed, self.folder = target, runs, seed, folder
        self.n = int(before.get("cases", 0))
        self.accepted = int(before.get("accepted", 0))
        self.reasons: dict[str, int] = dict(before.get("refusals", {}))
        self.faults: list[dict[str, str]] = list(before.get("faults", []))
        self.longest_s = float(before.get("longest_case_s", 0.0))
        self.growth_mb = float(before.get("rss_growth_mb", 0.0))
        self.cpu_s = float(before.get("cpu_s", 0.0))
        self.n_started = int(before.get("processes", 0)) + 1
        self.guided_by = "new ways to refuse"
        self.state = State(folder / f"{target.name}.state")
        self.seeds = target.seeds()
        assert max(map(len, self.seeds)) <= target.max_bytes, f"a seed of {target.name} is too large"
        self.pool = list(self.seeds)
        self._saved_at = time.monotonic()
        self._started = time.process_time()
        self._stderr = (folder / f"{target.name}.stderr").open("w+b", buffering=0)

    def warm_up(self) -> None:
        """Run all valid inputs once, so that imports and compilation are not part of a case. All must be accepted."""
        for data in self.seeds:
            self._warm(data)
        os.dup2(self._stderr.fileno(), 2)
        trace = (self.folder / f"{self.target.name}.trace").open("w")
        faulthandler.enable(trace)
        faulthandler.register(signal.SIGUSR1, trace)
        self._started = time.process_time()
        self._rss_mb = rss_mb()
        limit = vm_bytes() + self.target.memory_mb * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        signal.signal(signal.SIGVTALRM, _too_long)

    def _warm(self, data: bytes) -> None:
        try:
            self.target.call(data)
        except Exception as error:  # noqa: BLE001  reported below, by kind
            if type(error).__name__ not in self.target.may_raise or type(error).__name__ == "InspectRefusesError":
                self._keep(data, error)

    def mutate(self, data: bytes, draw: random.Random) -> bytes:
        try:
            changed = self.target.mutate(data, draw, self.seeds)
        except Exception:  # noqa: BLE001  whatever says that the input has no structure left
            changed = bytes_mutated(data, draw, self.seeds)
        repair = self.target.repair
        return (repair(changed) if repair is not None and draw.random() < 0.75 else changed)[: self.target.max_bytes]

    def case(self, data: bytes) -> None:
        """Try one input."""
        self.n += 1
        self.state.write(self.n, data)
        stderr_size = os.fstat(2).st_size
        before_mb, before = rss_mb(), time.process_time()
        signal.setitimer(signal.ITIMER_VIRTUAL, self.target.cpu_s)
        try:
            self.target.call(data)
            self.accepted += 1
            self._note("accepted", data)
        except TooLong:
            self._fault("too long", f"more than {self.target.cpu_s:g} s of CPU time", data)
        except Exception as error:  # noqa: BLE001  such exceptions are the faults
            self._outcome(data, error)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            self._keep(data, error)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        self.longest_s = max(self.longest_s, time.process_time() - before)
        grown = rss_mb() - before_mb
        if grown > self.target.memory_mb:
            self._fault("memory", f"a case of {len(data)} bytes took {grown:.0f} MB", data)
        if os.fstat(2).st_size > stderr_size:
            os.lseek(self._stderr.fileno(), stderr_size, os.SEEK_SET)
            line = self._stderr.read(2000).decode(errors="replace").strip().splitlines()
            self._fault("written to stderr", _skeleton(line[0] if line else ""), data)
        if self.n >= self.runs or time.monotonic() - self._saved_at > SAVE_EVERY_S:
            self.save()

    def _outcome(self, data: bytes, error: Exception) -> None:
        if cause := memory_error_in(error):
            self._fault("memory", f"{type(cause).__name__} in {place_of(cause)}: {str(cause)[:80]}", data)
        elif type(error).__name__ in self.target.may_raise:
            message = getattr(error, "message", str(error))
            if "\n" in message or len(message) > 2000:
                self._fault("message", f"not one line: {_skeleton(message)}", data)
            self._note(f"{type(error).__name__}: {_skeleton(message)}", data)
        else:
            self._keep(data, error)

    def _note(self, reason: str, data: bytes) -> None:
        if reason not in self.reasons and len(self.pool) < MAX_POOL:
            self.pool.append(data)
        self.reasons[reason] = self.reasons.get(reason, 0) + 1

    def _keep(self, data: bytes, error: BaseException) -> None:
        self._fault(type(error).__name__, f"{place_of(error)}: {str(error)[:120]}", data, error)

    def _fault(self, kind: str, what: str, data: bytes, error: BaseException | None = None) -> None:
        key = f"{kind} in {what}" if error is None else f"{kind} in {place_of(error)}"
        known = next((fault for fault in self.faults if fault["key"] == key), None)
        if known is not None:
            known["times"] = str(int(known["times"]) + 1)
            return
        name = f"{self.target.name}-fault-{len(self.faults) + 1}"
        self.faults.append({"key": key, "what": what, "input": name, "times": "1"})
        (self.folder / name).write_bytes(data)
        if error is not None:
            (self.folder / f"{name}.txt").write_text("".join(traceback.format_exception(error)), "utf-8", "replace")
        print(f"FAULT {self.target.name}: {kind} in {what} ({name})", flush=True)

    def summary(self) -> dict[str, Any]:
        return {
            "target": self.target.name,
            "cases": self.n,
            "accepted": self.accepted,
            "kinds_of_refusal": len([reason for reason in self.reasons if reason != "accepted"]),
            "faults": self.faults,
            "longest_case_s": round(self.longest_s, 3),
            "rss_growth_mb": round(max(self.growth_mb, rss_mb() - self._rss_mb)),
            "cpu_s": round(self.cpu_s + time.process_time() - self._started, 1),
            "processes": self.n_started,
            "seeds": len(self.seeds),
            "guided_by": self.guided_by,
            "refusals": dict(sorted(self.reasons.items(), key=lambda item: -item[1])),
        }

    def save(self) -> None:
        """Write the results so far; after the last case, end the process."""
        self._saved_at = time.monotonic()
        path = self.folder / f"{self.target.name}.json"
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(self.summary()), "utf-8")
        partial.replace(path)
        if self.n >= self.runs:
            sys.stdout.flush()
            shutil.rmtree(place(), ignore_errors=True)
            os._exit(0)  # libFuzzer would then merge its corpus

    # -- the two ways to choose cases

    def guided(self) -> NoReturn:
        """Choose cases by coverage of the followed functions."""
        import atheris

        n = 0
        for name, module in sorted(sys.modules.items()):
            if name.startswith(self.target.follows) and module is not None:
                for function in _functions(vars(module), name):
                    atheris.instrument_func(function)
                    n += 1
        self.guided_by = f"atheris, {n} functions"
        start = self.folder / f"{self.target.name}.seeds"
        start.mkdir(exist_ok=True)
        for i, data in enumerate(self.seeds):
            (start / f"{i:04d}").write_bytes(data[: self.target.max_bytes])

        def mutate(data: bytes, max_size: int, seed: int) -> bytes:
            draw = random.Random(seed)
            if draw.random() < 0.4:  # from valid inputs: libFuzzer's corpus has often lost its structure
                return self.mutate(draw.choice(self.seeds), draw)[:max_size]
            if draw.random() < 0.4:
                return self.mutate(bytes(data) or draw.choice(self.seeds), draw)[:max_size]
            changed = atheris.Mutate(bytes(data), max_size)
            repair = self.target.repair
            return (repair(changed) if repair is not None and draw.random() < 0.75 else changed)[:max_size]

        options = [
            f"-runs={self.runs + 10}",
            f"-seed={self.seed + self.n_started}",
            "-rss_limit_mb=0",
            "-timeout=86400",
        ]
        options += [
            f"-max_len={self.target.max_bytes}",
            "-verbosity=0",
            "-handle_usr1=0",
            f"-artifact_prefix={self.folder}/",
            str(start),
        ]
        atheris.Setup([sys.argv[0], *options], self.case, custom_mutator=mutate)
        atheris.Fuzz()
        os._exit(1)

    def plain(self) -> NoReturn:
        """Choose cases at random, from the seeds and from inputs with a new kind of refusal."""
        while True:
            draw = random.Random(f"{self.target.name} {self.seed} {self.n_started} {self.n}")
            data = draw.choice(self.pool if draw.random() < 0.6 else self.seeds)
            for _ in range(draw.choice((1, 1, 1, 2))):
                data = self.mutate(data, draw)
            self.case(data)


def run(name: str, runs: int, seed: int, folder: Path, *, is_guided: bool) -> None:
    """Fuzz a target until `runs` cases are done, counting those of earlier processes. Ends the process."""
    warnings.simplefilter("ignore")  # as in the command line
    found = folder / f"{name}.json"
    before = json.loads(found.read_text("utf-8")) if found.exists() else {}
    fuzzer = Fuzzer(TARGETS[name], runs, seed, folder, before)
    fuzzer.warm_up()
    if is_guided and TARGETS[name].follows:
        with contextlib.suppress(ImportError):
            fuzzer.guided()
    fuzzer.plain()


def load_targets() -> None:
    """Import every file of targets."""
    import _fuzz

    for module in pkgutil.iter_modules(_fuzz.__path__):
        if not module.name.startswith("_"):
            importlib.import_module(f"_fuzz.{module.name}")


def place_of(error: BaseException) -> str:
    """The last line of this project in a traceback, or else the last line."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith((str(ROOT / "inr"), str(ROOT / "cli")))]
    frame = (own or frames or [None])[-1]  # type: ignore[list-item]
    return "?" if frame is None else f"{Path(frame.filename).name}:{frame.lineno}"


def memory_error_in(error: BaseException | None) -> BaseException | None:
    """A memory error among the causes of an error."""
    while error is not None:
        if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "allocate" in str(error)):
            return error
        error = error.__cause__ or error.__context__
    return None


def rss_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def vm_bytes() -> int:
    """The address space of this process."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _too_long(number: int, frame: FrameType | None) -> NoReturn:
    raise TooLong


def _skeleton(message: str) -> str:
    """The words of a message without the parts that differ from case to case."""
    return " ".join(word for word in message.split() if word.strip(".,:;").isalpha())[:80]


def _functions(names: Mapping[str, Any], module: str) -> Iterator[FunctionType]:
    """The functions and methods among these names that were written in the module."""
    for value in list(names.values()):
        value = getattr(value, "__func__", None) or getattr(value, "fget", None) or value
        if getattr(value, "__module__", None) != module:
            continue
        if isinstance(value, FunctionType):
            yield value
        elif isinstance(value, type):
            yield from _functions(vars(value), module)
