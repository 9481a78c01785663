"""Fuzz the decoder: python benchmarks/fuzz.py --runs 100000 [--seed 1] [--folder /tmp/inr-fuzz]

Coverage-guided by atheris (libFuzzer; pip install atheris) in all functions of inr.codec that are Python; those that
numba compiles can not be followed, and are reached through them. Mutations are libFuzzer's and those of
tests/codec/damage.py; of three quarters the checksums are made right again, and in half of the cases any digest of the
symbols is taken, so that what stands behind them is reached. It starts from the golden files and the corpus. A case is
decoded without the net that turns faults into format errors, and what decodes is also evaluated and written. Reported:
faults (any error but FormatError), the longest case, growth of memory.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import os
import random
import resource
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FunctionType
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import atheris  # noqa: E402

SMALL = {"samples": 2**18, "symbols": 2**18, "parameters": 2**18, "table": 2**16, "work": 2**28}
EVALUATED = 2**24
"""Multiplications up to which a decoded signal is evaluated and written."""


def instrument() -> int:
    """Follow every function of the codec that is Python; returns how many."""
    n = 0
    for path in sorted((ROOT / "inr" / "codec").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        module = importlib.import_module(name)
        for function in functions(vars(module), name):
            atheris.instrument_func(function)
            n += 1
    return n


def functions(names: Mapping[str, Any], module: str) -> Iterator[FunctionType]:
    """The functions and methods among these names that were written in the module."""
    for value in names.values():
        value = getattr(value, "__func__", None) or getattr(value, "fget", None) or value
        if getattr(value, "__module__", None) != module:
            continue
        if isinstance(value, FunctionType):
            yield value
        elif isinstance(value, type):
            yield from functions(vars(value), module)


class Fuzzer:
    """Counts cases and what came of them."""

    def __init__(self, runs: int, seeds: list[bytes], folder: Path) -> None:
        from inr.codec import Limits

        self.runs, self.seeds, self.folder = runs, seeds, folder
        self.limits = Limits(**SMALL)
        self.n = self.n_decoded = self.n_written = 0
        self.reasons: dict[str, int] = {}
        self.faults: list[str] = []
        self.longest_s, self.is_lenient = 0.0, False
        self.started = time.perf_counter()
        self.rss_mb = rss_mb()

    def mutate(self, data: bytes, max_size: int, seed: int) -> bytes:
        from tests.codec.damage import mutated, resealed

        draw = random.Random(seed)
        is_ours = draw.random() < 0.5
        data = mutated(bytes(data), draw, self.seeds) if is_ours else atheris.Mutate(bytes(data), max_size)
        return (resealed(data) if draw.random() < 0.75 else data)[:max_size]

    def case(self, data: bytes) -> None:
        from inr._errors import FormatError, UsageError
        from inr.codec import decode

        self.n += 1
        self.is_lenient = self.n % 2 == 0
        before = time.perf_counter()
        try:
            found = decode.understand(data, self.limits)
            decoded = found.profile.decode(found.header, found.payload, self.limits)
            self.n_decoded += 1
            if found.work <= EVALUATED and found.header.is_lattice:
                decode.write(decoded, io.BytesIO(), decode.formats_of(found.header)[0])
                self.n_written += 1
        except FormatError as error:
            reason = " ".join(word for word in error.message.split() if word.isalpha())[:60]
            self.reasons[reason] = self.reasons.get(reason, 0) + 1
        except UsageError:  # the format of the written file can not hold it
            pass
        except Exception as error:  # noqa: BLE001  that is what is looked for
            self._keep(data, error)
        self.longest_s = max(self.longest_s, time.perf_counter() - before)
        if self.n % 10_000 == 0 or self.n == self.runs:
            print(self.summary(), flush=True)
        if self.n == self.runs:
            self.finish()

    def take_any_digest(self) -> None:
        """In every other case, go on where the symbols are not those that the file says."""
        from inr.codec.profile import check_symbols

        def lenient(found: bytes, payload: Any) -> bytes:
            return found if self.is_lenient else check_symbols(found, payload)

        for name, module in list(sys.modules.items()):
            if name.startswith("inr.codec.") and hasattr(module, "check_symbols"):
                module.check_symbols = lenient  # type: ignore[attr-defined]

    def warm_up(self) -> None:
        """Compile what the good files need, so that it is no part of a case."""
        from inr.codec import decode

        for data in self.seeds:
            with contextlib.suppress(Exception):
                decode.write(decode.decode(data), io.BytesIO(), ".png")
        self.rss_mb, self.started = rss_mb(), time.perf_counter()

    def _keep(self, data: bytes, error: Exception) -> None:
        place = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{type(error).__name__} in {Path(place.filename).name}:{place.lineno}: {str(error)[:120]}"
        if what not in self.faults:
            self.faults.append(what)
            (self.folder / f"fault-{len(self.faults)}.inrz").write_bytes(data)
            print("FAULT", what, flush=True)

    def summary(self) -> dict[str, Any]:
        return {
            "cases": self.n,
            "decoded": self.n_decoded,
            "written": self.n_written,
            "kinds_of_refusal": len(self.reasons),
            "faults": self.faults,
            "longest_case_s": round(self.longest_s, 3),
            "rss_growth_mb": round(rss_mb() - self.rss_mb),
            "seconds": round(time.perf_counter() - self.started),
            "seeds": len(self.seeds),
        }

    def finish(self) -> None:
        import _record

        refusals = dict(sorted(self.reasons.items(), key=lambda item: -item[1])[:40])
        path = _record.save("fuzz", [self.summary() | {"guided_by": "atheris", "limits": SMALL, "refusals": refusals}])
        print(path)
        sys.stdout.flush()
        os._exit(bool(self.faults))  # libFuzzer would go on to merge its corpus


def rss_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description="Fuzz the decoder of .inrz files.")
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/inr-fuzz"))
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    print(f"{instrument()} functions are followed")
    found = sorted([*(ROOT / "tests/codec/golden").glob("*.inrz"), *(ROOT / "tests/codec/corpus").glob("*.inrz")])
    seeds = [path.read_bytes() for path in found]
    start = arguments.folder / "seeds"
    start.mkdir(exist_ok=True)
    for path in found:
        (start / path.name).write_bytes(path.read_bytes())
    fuzzer = Fuzzer(arguments.runs, seeds, arguments.folder)
    fuzzer.warm_up()
    fuzzer.take_any_digest()
    options = [f"-runs={arguments.runs + 10}", f"-seed={arguments.seed}", "-rss_limit_mb=4096", "-timeout=60"]
    options += ["-max_len=4096", "-verbosity=0", f"-artifact_prefix={arguments.folder}/", str(start)]
    atheris.Setup([sys.argv[0], *options], fuzzer.case, custom_mutator=fuzzer.mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
