"""`python -m tests.codec.make_corpus`: make harmful files from the golden ones, into tests/codec/corpus.

It keeps files that the decoder refuses, and every eighth of those that differ in one byte of architecture or table.
"""

from __future__ import annotations

from pathlib import Path

from inr.codec.decode import decode
from inr.core.errors import FormatError
from tests.codec.damage import crafted

HERE = Path(__file__).parent
MAX_BYTES = 150_000


def main() -> None:
    folder = HERE / "corpus"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.inrz"):
        old.unlink()
    seeds = sorted((HERE / "golden").glob("*.inrz"), key=lambda path: path.stat().st_size)
    for seed in seeds:
        total = 0
        for i, (name, data) in enumerate(crafted(seed.read_bytes())):
            is_one_byte = name.count("-") == 2 and name.split("-")[1].isdigit()
            if (is_one_byte and i % 8) or total + len(data) > MAX_BYTES // len(seeds):
                continue
            try:
                decode(data)
            except FormatError:
                (folder / f"{seed.stem}-{name}.inrz").write_bytes(data)
                total += len(data)


if __name__ == "__main__":
    main()
