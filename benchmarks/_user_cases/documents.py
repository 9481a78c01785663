"""Untrusted models: damaged, foreign or malicious documents give one line and exit code 3."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from ._case import Case, case

GOLDEN = Path(__file__).parent.parent.parent / "tests/fitting/golden/v1/picture-rgb8-icc.safetensors"
WRONG: list[tuple[str, Any]] = [
    ("spec.shape", [-4, 4]),
    ("spec.shape", [2**60, 2**60]),
    ("spec.d_in", 7),
    ("spec.kind", "nothing"),
    ("field.type", "nothing"),
    ("field.depth", 10**12),
    ("field.width", 2**40),
    ("frame.scale", [0, 0, 0]),
    ("frame.domain.axes", 5),
    ("meta.dtype", "object"),
    ("fit.seed", 1e400),
    ("made_by", [1]),
    ("metrics", {"psnr_db": "x"}),
    ("version", 2),
]


def joined(header: dict[str, Any], document: dict[str, Any], tensors: bytes) -> bytes:
    head = json.dumps(header | {"__metadata__": {"inr": json.dumps(document)}}).encode()
    return struct.pack("<Q", len(head)) + head + tensors


def split() -> tuple[dict[str, Any], dict[str, Any], bytes]:
    data = GOLDEN.read_bytes()
    (n,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + n])
    return header, json.loads(header.pop("__metadata__")["inr"]), data[8 + n :]


@case("cli/28-hostile-models")
def hostile_models(case: Case) -> None:
    names = []
    for i, (place, value) in enumerate(WRONG):
        header, document, tensors = split()
        *parents, last = place.split(".")
        node = document
        for key in parents:
            node = node[key]
        node[last] = value
        names.append(f"{i}.safetensors")
        case.path(names[-1]).write_bytes(joined(header, document, tensors))
    header, document, tensors = split()
    case.path("nan.safetensors").write_bytes(joined(header, document, struct.pack("<f", float("nan")) + tensors[4:]))
    for name in (*names, "nan.safetensors"):
        case.expect_refused(case.inr("render", name, "-o", "x.png"), 3, name)
    for name, (place, _) in zip(names, WRONG, strict=True):
        result = case.inr("inspect", name)
        case.expect(result.code in (0, 3), f"inspect of a wrong {place}: exit {result.code}")
    case.expect(not case.path("x.png").exists(), "something was written")
    case.path("good.safetensors").write_bytes(GOLDEN.read_bytes())
    case.expect_done(case.inr("render", "good.safetensors", "-o", "x.png"))
