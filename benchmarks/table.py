"""Writes README's tables from the newest records: `python benchmarks/table.py`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from _record import RECORDS

README = Path(__file__).parent.parent / "README.md"


def newest(name: str) -> dict[str, Any]:
    paths = sorted(RECORDS.glob(f"*-{name}.json"))
    return json.loads(paths[-1].read_text()) if paths else {"rows": []}


def fit_table() -> str:
    record = newest("fit")
    lines = ["| file | quality | fitting | parameters | mesh at 512³ |", "|---|---|---|---|---|"]
    for row in record["rows"]:
        if "iou" in row:
            quality = f"IoU {row['iou']:.4f}"
            closed = "closed" if row["mesh_is_closed"] else "open"
            mesh = f"{closed}, {100 * row['mesh_fraction_evaluated']:.1f} % evaluated, {row['mesh_s']:.0f} s"
        else:
            value = row.get("snr_db", row["psnr_db"])
            quality, mesh = f"{value:.2f} dB {'SNR' if 'snr_db' in row else 'PSNR'}", ""
        lines.append(f"| {row['file']} | {quality} | {row['fit_s']:.1f} s | {row['n_params']:,} | {mesh} |")
    return "\n".join([conditions_line(record), "", *lines])


def steps_table() -> str:
    record = newest("steps")
    lines = ["| a training step | fast kernels | torch reference | ratio |", "|---|---|---|---|"]
    lines += [
        f"| {row['configuration']} ({row['file']}) | {row['cpu_ms']:.1f} ms | {row['reference_ms']:.1f} ms "
        f"| {row['ratio']:.1f} |"
        for row in record["rows"]
    ]
    return "\n".join([conditions_line(record), "", *lines])


def conditions_line(record: dict[str, Any]) -> str:
    if not record["rows"]:
        return "(no record yet)"
    return (
        f"`{record['command']}` at {record['commit']}: {record['cpu']}, {record['threads']} threads, "
        f"torch {record['versions']['torch']}."
    )


def main() -> None:
    text = README.read_text("utf-8")
    body = f"{fit_table()}\n\n{steps_table()}"
    between = re.compile(r"(<!-- records:begin -->\n).*?(<!-- records:end -->)", re.DOTALL)
    README.write_text(between.sub(lambda m: f"{m[1]}{body}\n{m[2]}", text), "utf-8")


if __name__ == "__main__":
    main()
