"""Target of .inrz files: they are decoded, and decoded signals are evaluated and written.

In half of the cases any digest of the symbols is accepted, so that the code behind the check is reached. Decoding runs
without the guard that turns other exceptions into format errors.
"""

from __future__ import annotations

import functools
import io
import sys
from pathlib import Path
from typing import Any

from tests.codec.damage import mutated, resealed

from ._target import Target, add

ROOT = Path(__file__).parent.parent.parent
SMALL = {"samples": 2**18, "symbols": 2**18, "parameters": 2**18, "table": 2**16, "work": 2**28}
EVALUATED = 2**24
"""Multiplications up to which a decoded signal is evaluated and written."""


def golden_and_corpus() -> list[bytes]:
    found = sorted([*(ROOT / "tests/codec/golden").glob("*.inrz"), *(ROOT / "tests/codec/corpus").glob("*.inrz")])
    return [path.read_bytes() for path in found]


class Lenient:
    """Accepts any digest of the symbols, in every other case."""

    is_on = False

    @classmethod
    @functools.cache
    def install(cls) -> None:
        from inr.codec.profile import check_symbols

        def lenient(found: bytes, payload: Any) -> bytes:
            return found if cls.is_on else check_symbols(found, payload)

        for name, module in list(sys.modules.items()):
            if name.startswith("inr.codec.") and hasattr(module, "check_symbols"):
                module.check_symbols = lenient  # type: ignore[attr-defined]


def decoded(data: bytes) -> None:
    from inr.codec import Limits, decode
    from inr.codec.decoded import formats_of, write
    from inr.core.errors import UsageError

    limits = Limits(**SMALL)
    if all(name in sys.modules for name in ("inr.codec.profiles.weights", "inr.codec.profiles.grids")):
        Lenient.install()
    Lenient.is_on = not Lenient.is_on
    found = decode.understand(data, limits)
    result = found.profile.decode(found.header, found.payload, limits)
    if found.work <= EVALUATED and found.header.is_lattice:
        try:
            write(result, io.BytesIO(), formats_of(found.header)[0])
        except UsageError:  # the format of the written file cannot hold it
            return


add(
    Target(
        "inrz",
        golden_and_corpus,
        decoded,
        mutated,
        cost_ms=0.8,
        repair=resealed,
        may_raise=("FormatError",),
        follows=("inr.codec",),
        max_bytes=4096,
    )
)
