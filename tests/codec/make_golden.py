"""`python -m tests.codec.make_golden FILE.inrz ...`: add golden files, with the values that they decode to today."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import inr

FOLDER = Path(__file__).parent / "golden"


def main(names: list[str]) -> None:
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / "manifest.json"
    manifest = json.loads(path.read_text("utf-8")) if path.exists() else {}
    for name in names:
        data = Path(name).read_bytes()
        decoded = inr.decompress(data)
        entry: dict[str, object] = {
            "profile": decoded.profile,
            "sha256": hashlib.sha256(data).hexdigest(),
            "symbols_sha256": decoded.symbols_sha256.hex(),
            "array_shape": list(decoded.header.array_shape),
        }
        if decoded.header.is_lattice:
            entry["mean_magnitude"] = float(abs(decoded.values()).mean())
        manifest[Path(name).name] = entry
        (FOLDER / Path(name).name).write_bytes(data)
    path.write_text(json.dumps(dict(sorted(manifest.items())), indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
