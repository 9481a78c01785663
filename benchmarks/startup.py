"""Short commands on one picture, as whole processes: most of their time is what comes before the work.

    [chrt -f 1] python benchmarks/startup.py PICTURE [--runs 5] [--only COMMAND ...] [--beside FOLDER] [--record NAME]

Each command runs three times uncounted, so that kernels and byte code are in their caches. Figures are medians by the
clock, and seconds of the processor of all threads, without children. FOLDER holds another version: its folders
`inr` and `inr_cli`.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _record import save
from decode import measured

COMMANDS: dict[str, tuple[str, ...]] = {
    "fit --steps 20": ("fit", "IN", "-o", "fit.safetensors", "--steps", "20"),
    "compress --effort 1": ("compress", "IN", "-o", "packed.inrz", "--effort", "1"),
    "render": ("render", "fit.safetensors", "-o", "shown.png"),
    "eval": ("eval", "fit.safetensors", "--signal", "IN"),
    "decompress": ("decompress", "packed.inrz", "-o", "shown.png"),
}
"""Commands by what the table calls them, in an order in which each has what it reads."""


def rows(picture: Path, runs: int, beside: Path | None, only: Sequence[str]) -> list[dict[str, Any]]:
    versions = {"this": None, **({"other": beside} if beside else {})}
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for command, words in COMMANDS.items():
            if only and command not in only:
                continue
            given = [str(picture.resolve()) if word == "IN" else word for word in words]
            given += ["--quiet", *(["--force"] if "-o" in words else [])]
            for version, path in versions.items():
                environment = {**os.environ, **({"PYTHONPATH": str(path.resolve())} if path else {})}
                environment.pop("PYTHONDONTWRITEBYTECODE", None)
                measured(given, environment, folder, 1)  # may compile, and then write the file of machine code
                times = measured(given, environment, folder, runs)
                load = os.getloadavg()[0]
                found.append({"command": command, "version": version, **times, "runs": runs, "load_average": load})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        choices=COMMANDS,
        help="some of the commands; each needs the files of those before it",
    )
    parser.add_argument("--beside", type=Path, help="a folder with another version")
    parser.add_argument("--record", metavar="NAME", help="write a record")
    args = parser.parse_args()
    found = rows(args.picture, args.runs, args.beside, args.only)
    for row in found:
        print(row)
    if args.record:
        print(save(args.record, found))


if __name__ == "__main__":
    main()
