"""`inr inspect`: what a file is, read from its header only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from inr.core.errors import InrError
from inr.core.text import count_of, printable

from . import _options as options
from ._machine import without_linear_algebra
from ._output import Output, human_bytes, human_metric, say


def inspect(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Models, checkpoints, or signals.")],
    as_json: options.Json = False,
    is_quiet: options.Quiet = False,
    verbosity: options.Verbose = 0,
) -> None:
    """Show what files are, from their headers only.

    Knows models, checkpoints, compressed files (.inrz; where their bytes go), pictures, sounds, arrays and meshes.

    \b
    inr inspect photo.safetensors
    inr inspect *.safetensors --json
    """
    out = Output(as_json, is_quiet, verbosity)
    without_linear_algebra()
    from inr.inspection import describe

    worst = 0
    found: list[dict[str, Any]] = []
    for path in map(Path, files):
        try:
            found.append({"file": str(path), **describe(path)})
        except InrError as error:
            out.error(error)
            worst = max(worst, error.exit_code)
            continue
        if not as_json:
            if len(found) > 1 and not is_quiet:
                say()
            _print(out, found[-1], is_quiet=is_quiet)
    if as_json:
        out.result("inspect", {"files": found}, "", "")
    if worst:
        raise typer.Exit(worst)


def _print(out: Output, entry: dict[str, Any], *, is_quiet: bool) -> None:
    what = entry["what"]
    if is_quiet:
        say(what)
        return
    if what == "compressed":
        _print_compressed(out, entry)
        return
    if what == "encoding":
        aim = ", ".join(f"{key} {value}" for key, value in entry["target"].items())
        text = (
            f"encoding of {entry['source']}, effort {entry['effort']}, {aim}, {entry['step']} steps, {entry['outcome']}"
        )
        say(f"{printable(entry['file'])}: checkpoint, {human_bytes(entry['bytes'])}\n  {printable(text)}")
        return
    if "tensors" not in entry:
        say(f"{printable(entry['file'])}: {_signal_line(entry)}, {human_bytes(entry['bytes'])}")
        return
    field, signal, fit = entry["field"], entry["signal"], entry["fit"]
    say(f"{printable(entry['file'])}: {what}, {human_bytes(entry['bytes'])}")
    shape = "" if signal["shape"] is None else " " + "x".join(map(str, signal["shape"]))
    domain = signal["domain"]
    box = ", ".join(
        f"{axis} {low:.9g} to {high:.9g}"
        for axis, low, high in zip(domain["axes"], domain["low"], domain["high"], strict=True)
    )
    rows = [
        ("field", f"{field['type']}, {entry['n_params']:,} parameters"),
        (
            "signal",
            f"{signal['kind']}{shape}, {count_of(signal['d_out'], 'channel')}, from {entry['source'] or 'memory'}",
        ),
        ("domain", f"{box} {domain['unit']}"),
        (
            "fit",
            f"{count_of(entry['steps'], 'step')}, {entry['outcome']}, seed {fit['seed']}, lr {fit['lr']:g}, "
            f"batch {fit['batch']}",
        ),
    ]
    if entry["metrics"]:
        label = "fidelity" if "distilled_from" in entry["provenance"] else "quality"
        rows.append(
            (label, ", ".join(human_metric(k, v) for k, v in sorted(entry["metrics"].items(), key=_by_headline)))
        )
    rows += [("origin", text) for text in _origins(entry["provenance"])]
    rows.append(("made by", ", ".join(f"{k} {v}" for k, v in entry["made_by"].items())))
    for label, text in rows:
        say(f"  {label:<8} {printable(text)}")
    say()
    out.table(
        ("tensor", "type", "shape"),
        [(printable(row["name"]), row["dtype"], "x".join(map(str, row["shape"])) or "1") for row in entry["tensors"]],
    )


def _print_compressed(out: Output, entry: dict[str, Any]) -> None:
    """The signal, and the bytes of a compressed file chunk by chunk and tensor by tensor."""
    n_bytes = entry["bytes"]
    shape = "" if entry["shape"] is None else " " + "x".join(map(str, entry["shape"]))
    rate = "" if entry["bits_per_sample"] is None else f", {entry['bits_per_sample']:.4f} bits per sample"
    say(f"{printable(entry['file'])}: compressed {entry['kind']}{shape}, {human_bytes(n_bytes)}{rate}")
    channels = count_of(entry["channels"], "channel")
    say(f"  profile  {entry['profile']}, {channels}, format {entry['version']}, {entry['layout']}")
    say(f"  decoding {entry['n_symbols']:,} symbols, {entry['work']:,} multiplications")
    say()
    rows = [
        (chunk["name"], f"{chunk['bytes']:,}", f"{100 * chunk['bytes'] / n_bytes:.1f}") for chunk in entry["chunks"]
    ]
    out.table(("chunk", "bytes", "%"), rows, right=("bytes", "%"))
    say()
    columns = ("tensor", "shape", "model", "step", "symbols", "bits/symbol", "bytes", "%")
    out.table(
        columns,
        [
            (
                row["name"],
                "x".join(map(str, row["shape"])) or "1",
                row["model"],
                "" if row["step"] is None else f"{row['step']:.4g}",
                f"{row['symbols']:,}",
                f"{row['bits_per_symbol']:.3f}",
                f"{row['bytes']:,.1f}",
                f"{100 * row['bytes'] / n_bytes:.1f}",
            )
            for row in entry["tensors"]
        ],
        right=columns[3:],
    )


def _origins(provenance: Mapping[str, Any]) -> Iterator[str]:
    """`distilled from a.safetensors (siren, of photo.png)`, and where that came from."""
    for key, text in (("distilled_from", "distilled from"), ("init", "started at")):
        if key in provenance:
            origin = provenance[key]
            yield f"{text} {origin['file'] or 'memory'} ({origin['field']}, of {origin['source'] or 'memory'})"
            yield from _origins(origin.get("provenance", {}))
    if "learned" in provenance:
        learned = provenance["learned"]
        yield f"an initialisation, learned by {learned['method']} from {learned['n_signals']} signals"


def _by_headline(metric: tuple[str, float | None]) -> bool:
    """Decibels and overlaps, which people know, come before errors."""
    return not metric[0].endswith(("_db", "iou"))


def _signal_line(entry: dict[str, Any]) -> str:
    """`picture 768x512 RGB (png)`."""
    from inr.inspection import summary_of

    return " ".join(part for part in (entry["what"], summary_of(entry), f"({entry['format']})") if part)
