"""Targets of JSON and TOML: model files, checkpoints, manifests, settings files, tiny-cuda-nn's configurations."""

from __future__ import annotations

import contextlib
import functools
import json
import random
import struct
import tempfile
from pathlib import Path
from typing import Any

from tests.codec.damage import mutated as bytes_mutated

from ._mutation import json_mutated, json_text, mostly, text_mutated
from ._target import Target, add

ROOT = Path(__file__).parent.parent.parent
SIREN = {"type": "siren", "width": 4, "depth": 2}


@functools.cache
def place() -> Path:
    """A folder of this process, in memory if the system has such folders."""
    shm = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="inr-fuzz-", dir=shm if shm.is_dir() else None))


# -- model files


def golden_models() -> list[bytes]:
    """The golden model files, the smaller ones of families first."""
    paths = sorted((ROOT / "tests/fitting/golden").glob("v*/*.safetensors"))
    return [path.read_bytes() for path in paths if path.stat().st_size <= 8000]


def opened(data: bytes) -> None:
    """Use a model as commands do: inspect, load, render a small view, write it."""
    import io

    from inr.core.errors import InrError
    from inr.fitting import Fit
    from inr.inspection import describe
    from inr.signals import Source, View

    path = place() / "model.safetensors"
    path.write_bytes(data)
    described = None
    try:
        described = describe(path)
    except InrError:
        pass
    else:
        shown(described)
    fit = Fit.load(Source("model.safetensors", data=data))
    if described is None:
        raise AssertionError("inspect refuses a model that loads")
    values, meta = fit.render(View(size=(2,) * fit.spec.d_in))
    fit.kind.write(values, meta, io.BytesIO(), fit.kind.formats[0])
    fit.to_bytes()


def shown(described: dict[str, Any]) -> None:
    """Print it as `inr inspect` does, to nowhere."""
    import contextlib
    import io

    from inr_cli import inspect
    from inr_cli._output import Output, to_json

    with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), "utf-8", "surrogateescape")):
        inspect._print(Output(False, False, 0), {"file": "model.safetensors", **described}, is_quiet=False)
    to_json("inspect", {"files": [described]})


def split(data: bytes) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """(header without the document, document, tensors) of a model file."""
    (n,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + n])
    return header, json.loads(header["__metadata__"]["inr"]), data[8 + n :]


def joined(header: dict[str, Any], document: bytes, tensors: bytes) -> bytes:
    header = header | {"__metadata__": {"inr": document.decode("utf-8", "replace")}}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + tensors


def model_mutated(data: bytes, draw: random.Random, others: list[bytes]) -> bytes:
    """The document, the table of tensors, or their bytes changed; mostly without a checksum, as in files of earlier
    versions."""
    header, document, tensors = split(data)
    if draw.random() < 0.9:
        document.pop("sha256", None)
    what = draw.randrange(10)
    if what <= 6:
        document = json_mutated(document, draw, [split(draw.choice(others))[1]])
    elif what == 7:
        metadata = header.pop("__metadata__")
        header = json_mutated(header, draw, [header])
        header = (header if isinstance(header, dict) else {}) | {"__metadata__": metadata}
    elif what == 8:
        tensors = floats_mutated(tensors, draw)
    else:
        tensors = bytes_mutated(tensors, draw, [tensors])
    return joined(header, json_text(document, draw), tensors)


def floats_mutated(tensors: bytes, draw: random.Random) -> bytes:
    out = bytearray(tensors)
    for _ in range(draw.choice((1, 2, 8))):
        if len(out) >= 4:
            value = draw.choice((float("nan"), float("inf"), 1e38, -1e38, 1e-40, 0.0, 1e6))
            struct.pack_into("<f", out, draw.randrange(len(out) // 4) * 4, value)
    return bytes(out)


add(
    Target(
        "model",
        golden_models,
        opened,
        mostly(model_mutated, share=0.9),
        cost_ms=4.0,
        may_raise=("UnreadableError",),
        follows=(
            "inr.core.document",
            "inr.core.rules",
            "inr.core.header",
            "inr.core.config",
            "inr.fitting.result",
            "inr.fitting.model_file",
        ),
        max_bytes=16384,
    )
)


# -- checkpoints


@functools.cache
def waves() -> Any:
    """The signal of all checkpoints: an array [4, 3]."""
    import numpy as np

    from inr.signals.array import Array

    return Array.of_array(np.sin(np.arange(12, dtype=np.float32)).reshape(4, 3))


def checkpoints() -> list[bytes]:
    """Checkpoints of runs with several optimizers, samplers, transforms, an average, and a log of the kernel."""
    from inr.fitting import Run, resolve, save_checkpoint
    from inr.ntk import observers_of

    parts: list[dict[str, Any]] = [
        {},
        {"ema": 0.9, "sampler": {"type": "error_weighted", "interval": 2}},
        {"optimizer": {"type": "lbfgs", "iterations": 2, "history": 2}, "batch": 12},
        {"optimizer": {"type": "muon"}},
        {"sampler": {"type": "int"}},
        {"residual_transform": {"type": "iga", "k": 2, "groups": 2, "every": 2}},
        {"track_ntk": 0.5},
    ]
    made = []
    for part in parts:
        run = Run(waves(), *resolve(waves(), SIREN, {"steps": 8, "batch": 6, **part}), observers=observers_of)
        left = iter(range(100))
        run.advance(should_stop=lambda left=left: next(left) >= 4)  # type: ignore[misc]  # a default binds the loop's value
        save_checkpoint(run, place())
        made.append((place() / "checkpoint.safetensors").read_bytes())
    return made


def resumed(data: bytes) -> None:
    """Use a checkpoint as commands do: inspect it, open it as a fit, continue for two steps."""
    from inr.core.errors import InrError
    from inr.fitting import resume, unfinished_fit
    from inr.ntk import observers_of

    (place() / "checkpoint.safetensors").write_bytes(data)
    with contextlib.suppress(InrError):
        unfinished_fit(place())
    run = resume(place(), waves(), observers=observers_of)
    left = iter(range(100))
    run.advance(should_stop=lambda: next(left) >= 2)


add(
    Target(
        "checkpoint",
        checkpoints,
        resumed,
        mostly(model_mutated, share=0.9),
        cost_ms=12.0,
        may_raise=("UnreadableError", "UsageError"),
        follows=(
            "inr.core.document",
            "inr.core.rules",
            "inr.core.header",
            "inr.fitting.checkpoint",
            "inr.fitting.run",
            "inr.fitting.model_file",
            "inr.fitting.optimizers.adam",
        ),
        max_bytes=65536,
    )
)


# -- manifests of batches


def manifests() -> list[bytes]:
    """The manifest of a finished batch of two inputs, and one of two epochs."""
    sha = "0" * 64

    def done(name: str, output: str) -> dict[str, Any]:
        seen = {"bytes": 3, "changed_ns": 5, "sha256": sha}
        summary = {"metrics": {"psnr_db": 20.5}, "seconds": 1.5, "outcome": "done"}
        return {"done": name, "input": seen, "output": output, "bytes": 3, "sha256": sha, "summary": summary}

    start = {"start": "fit", "settings": {"flags": {"steps": 5}}}
    first = {"format": "inr-batch", "version": 1}
    rows = [first, start, done("a.png", "a.safetensors"), done("sub/b.png", "sub/b.safetensors")]
    again = [*rows, {"start": "compress", "settings": {"flags": {}}}, done("a.png", "a.inrz")]
    return [b"".join(json.dumps(row).encode() + b"\n" for row in each) for each in (rows, again, rows[:2])]


def manifest_mutated(data: bytes, draw: random.Random, others: list[bytes]) -> bytes:
    lines = data.split(b"\n")
    at = draw.randrange(len(lines))
    if lines[at] and draw.random() < 0.8:
        lines[at] = json_text(json_mutated(json.loads(lines[at]), draw, [json.loads(lines[0])]), draw)
        return b"\n".join(lines)
    return text_mutated(data, draw, others)


def read_as_batch(data: bytes) -> None:
    """Open a folder with this manifest twice, as `inr batch` and `inr report` do; nothing outside may change."""
    import shutil

    from inr.batch._inputs import Item
    from inr.batch._manifest import MANIFEST_NAME, Manifest
    from inr.batch._run import BatchRun
    from inr.core.errors import InrError

    top = place() / "batch"
    shutil.rmtree(top, ignore_errors=True)
    folder = top / "deep" / "out"
    folder.mkdir(parents=True)
    (top / "a.png").write_bytes(b"abc")
    (folder / "other.partial").write_bytes(b"of another program")
    (folder / MANIFEST_NAME).write_bytes(data)
    items = [Item("a.png", top / "a.png")]
    with contextlib.suppress(InrError):
        Manifest.read(folder)
    try:
        with Manifest.opened(folder) as manifest:
            batch = BatchRun(manifest, items, "fit", {"flags": {"steps": 5}})
            assert all(row.name for row in batch.rows.values())
    finally:
        files = sorted(path.relative_to(top).as_posix() for path in top.rglob("*") if path.is_file())
        expected = ["a.png", f"deep/out/{MANIFEST_NAME}", "deep/out/other.partial"]
        if files != expected:
            raise AssertionError(f"opening a manifest changed files: {files}")


add(
    Target(
        "manifest",
        manifests,
        read_as_batch,
        manifest_mutated,
        cost_ms=1.0,
        follows=("inr.batch._manifest", "inr.batch._run"),
        max_bytes=16384,
    )
)


# -- settings files


def settings_files() -> list[bytes]:
    """Settings files that --print-config writes for a few families, and hand-written ones."""
    from inr.core.config import parse, to_toml
    from inr.core.domain import Spec
    from inr.fields import FieldConfig
    from inr.fitting import FitConfig

    spec = Spec("image", 2, 3, (24, 24))
    names = ("siren", "hash_grid", "neurbf", "subspace")
    made = [
        to_toml(
            {"field": parse(FieldConfig, {"type": name}).resolve(spec).to_json(), "fit": FitConfig().to_json()}
        ).encode()
        for name in names
    ]
    short = b'[field]\ntype = "siren"\nwidth = 64\n\n[fit]\nsteps = 100\nlr = 1e-3\n[signal]\nkind = "image"\n'
    return [*made, short, b'field.type = "mlp"\nfield.encoding = "frequency"\nfit = {steps = 5, seed = 3}\n']


def read_as_settings(data: bytes) -> None:
    """Read a settings file as `inr fit --config` does, up to the resolved settings of a small picture."""
    from inr_cli._io import read_settings

    from inr.workflows.fit import FitPlan
    from inr.workflows.request import FitRequest

    path = place() / "settings.toml"
    path.write_bytes(data)
    found = read_settings(str(path))
    request = FitRequest.of(lambda kind, options: "siren", found, None, [], {}, "array", None)
    FitPlan.of(waves(), request.field, request)


add(
    Target(
        "settings",
        settings_files,
        read_as_settings,
        mostly(text_mutated, share=0.85),
        cost_ms=1.0,
        follows=("inr.core.config", "inr.workflows.request", "inr_cli._io"),
    )
)


# -- tiny-cuda-nn


@functools.cache
def exported() -> tuple[bytes, bytes]:
    """The two files of a small hash grid, as `inr export` writes them."""
    import numpy as np

    from inr.exporters.tcnn import Tcnn
    from inr.signals.array import Array
    from inr.workflows.fit import fit

    square = Array.of_array(np.arange(16, dtype=np.float32).reshape(4, 4))
    field = {
        "type": "hash_grid",
        "encoding": {"type": "hash_grid", "levels": 2, "log2_table": 4, "base": 2, "growth": 1.5, "features": 2},
        "width": 16,
        "depth": 1,
        "has_bias": False,
    }
    files = Tcnn().encode(fit(square, field, {"steps": 1}), ".json").files
    return files[".json"], files[".npy"]


def tcnn_files() -> list[bytes]:
    theirs = [path.read_bytes() for path in sorted((ROOT / "tests/exporters").glob("instant_ngp_*.json"))]
    return [exported()[0], *theirs]


def tcnn_mutated(data: bytes, draw: random.Random, others: list[bytes]) -> bytes:
    if draw.random() < 0.8:
        document = json_mutated(json.loads(data), draw, [{"parent": "config.json", "otype": "Adam"}])
        return json_text(document, draw)
    return bytes_mutated(data, draw, others)


def read_as_tcnn(data: bytes) -> None:
    """Read the file as `inr fit --config FILE.json` and `load_fit` do."""
    from inr.core.errors import InrError
    from inr.exporters.tcnn import load_fit, settings
    from inr.workflows.fit import FitPlan
    from inr.workflows.request import FitRequest

    path = place() / "config.json"
    path.write_bytes(data)
    path.with_suffix(".npy").write_bytes(exported()[1])
    with contextlib.suppress(InrError):
        request = FitRequest.of(lambda kind, options: "siren", settings(path), None, [], {}, "array", None)
        FitPlan.of(waves(), request.field, request)
    load_fit(path)


add(
    Target(
        "tcnn",
        tcnn_files,
        read_as_tcnn,
        mostly(tcnn_mutated),
        cost_ms=4.0,
        follows=("inr.exporters.tcnn", "inr.core.config"),
    )
)
