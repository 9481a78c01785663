"""Writes RESULTS.md and README's table of results from the newest records: `python benchmarks/table.py`."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean, median
from typing import Any

import rankings
import rehearsals
import verdict_advice
from _bd import rate_at
from _record import RECORDS
from _shape_tables import shape_parts
from fidelity import summaries
from rd_sound import LEVELS_DB, by_codec

from inr.ntk.forecast.calibration import KERNEL
from inr.ntk.kernel_readings import POINTS
from inr.ntk.ranking import SAME_SIZE
from inr.ntk.verdict import WORTH_DB

README = Path(__file__).parent.parent / "README.md"
RESULTS = Path(__file__).parent / "RESULTS.md"
KERNELS = Path(__file__).parent.parent / "inr" / "kernels"
DATE = "????-??-??"
CODECS = {
    "jpeg": "JPEG",
    "webp": "WebP",
    "avif": "AVIF",
    "jxl": "JPEG XL",
    "coolchic-5.0": "Cool-chic 5.0.1",
    "vtm-28.3": "VTM 28.3, by its published difference to Cool-chic",
}
"""Names of codecs for readers."""

PICTURES = "rd-eight"
"""The record of `rd.py` on the shared pictures at the default effort."""

SHORT = "quality-15s"
"""Records of `quality.py` with 15 s of processor time for each fit."""

SHORT_HOW = (
    "The middle 256 x 256 pixels of `kodim23.png`; 15 s of processor time, of closed forms no limit. At equal "
    "parameters: the largest width or table with at most 100,000 of them."
)

SCALED_PICTURES = ("scaling-small", "scaling-large")
"""Records of `scaling.py` on pictures, by falling number of ways."""


def newest(name: str) -> dict[str, Any]:
    paths = sorted(RECORDS.glob(f"{DATE}-{name}.json"))
    return json.loads(paths[-1].read_text()) if paths else {"rows": []}


def records_of(name: str) -> list[dict[str, Any]]:
    """All records whose names have this beginning, older ones first."""
    return [json.loads(path.read_text()) for path in sorted(RECORDS.glob(f"{DATE}-{name}*.json"), key=_age)]


def together(name: str) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows of all records whose names have this beginning, older ones first, and their conditions."""
    records = records_of(name)
    return [row for record in records for row in record["rows"]], [conditions_line(record) for record in records]


def _age(path: Path) -> str:
    return path.stem  # of one date, `name` before `name-2`


def default_fits() -> tuple[list[dict[str, Any]], list[str]]:
    """The rows of default fits, those of shapes from a separate record, and their conditions."""
    records = [record for record in (newest("fit"), newest("fit-shapes")) if record["rows"]]
    rows = {row["file"]: row for record in records for row in record["rows"]}
    return list(rows.values()), [conditions_line(record) for record in records]


def fit_table() -> str:
    rows, conditions = default_fits()
    lines = ["| file | quality | fitting | parameters | mesh at 512³ |", "|---|---|---|---|---|"]
    for row in rows:
        if "iou" in row:
            quality = f"IoU {row['iou']:.4f}"
            closed = "closed" if row["mesh_is_closed"] else "open"
            mesh = f"{closed}, {100 * row['mesh_fraction_evaluated']:.1f} % evaluated, {row['mesh_s']:.0f} s"
        else:
            value = row.get("snr_db", row["psnr_db"])
            quality, mesh = f"{value:.2f} dB {'SNR' if 'snr_db' in row else 'PSNR'}", ""
        lines.append(f"| {row['file']} | {quality} | {row['fit_s']:.1f} s | {row['n_params']:,} | {mesh} |")
    return "\n".join([*conditions, "", *lines])


def of_record(record: dict[str, Any], columns: list[str], cells: Callable[[dict[str, Any]], list[str]]) -> str:
    """A table with a line for each row of a record, below its conditions."""
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    lines += [f"| {' | '.join(cells(row))} |" for row in record["rows"]]
    return "\n".join([conditions_line(record), "", *lines])


def steps_table() -> str:
    return of_record(
        newest("steps"),
        ["a training step", "fast kernels", "torch reference", "ratio"],
        lambda row: [
            f"{row['configuration']} ({row['file']})",
            f"{row['cpu_ms']:.1f} ms",
            f"{row['reference_ms']:.1f} ms",
            f"{row['ratio']:.1f}",
        ],
    )


def dense_table() -> str:
    record = newest("dense")
    units = record["rows"][0]["units"]
    lines = [f"| family | parameters | plain torch | float32 | bfloat16 ({units}) |", "|---|---|---|---|---|"]
    for row in record["rows"]:
        cells = [
            f"{row[f'{name}_ms']:.1f} ms ({row[f'{name}_ratio']:.1f}x)" if f"{name}_ms" in row else "no such form"
            for name in ("float32", "bfloat16")
        ]
        lines.append(f"| {row['family']} | {row['n_params']:,} | {row['torch_ms']:.1f} ms | {' | '.join(cells)} |")
    return "\n".join([conditions_line(record), "", *lines])


def time_to_quality_table() -> str:
    found, conditions = together("time-to-quality")
    rows = {(row["file"], tuple(arm for arm in ("ours", "siren") if arm in row)): row for row in found}
    lines = ["| file | target | fast kernels | torch reference | ratio | SIREN 3x256 |", "|---|---|---|---|---|---|"]
    for row in rows.values():
        cells = [_time(row, "ours"), _time(row, "reference"), f"{row['ratio']:.1f}" if "ratio" in row else ""]
        target = _with_unit(row["target"], row["metric"])
        lines.append(f"| {row['file']} | {target} | {' | '.join(cells)} | {_time(row, 'siren')} |")
    return "\n".join([*conditions, "", *lines])


def scaling_table(*names: str) -> str:
    lines = [
        "| signal | samples | way | time to the target | start | all steps | PSNR | parameters per value | memory |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in (row for name in names for row in newest(name)["rows"]):
        reached = row["seconds_to_target"]
        to_target = f"{row['target_db']:g} dB not reached" if reached is None else f"{reached:.2f} s"
        start = f"{row['start_db']:.1f} dB after {row['start_s']:.2f} s"
        lines.append(
            f"| {row['size']} | {row['samples']:,} | {row['way']} | {to_target} | {start} | {row['seconds']:.1f} s "
            f"| {row['psnr_db']:.1f} dB | {row['parameters_per_value']:.2f} | {row['peak_gb']:.2f} GB |"
        )
    return "\n".join([*(conditions_line(newest(name)) for name in names), "", *lines])


def _time(row: dict[str, Any], arm: str) -> str:
    """`3.2 s`, or the quality that it reached."""
    if arm not in row:
        return ""
    found = row[arm]
    if found["seconds_to_target"] is not None:
        return f"{found['seconds_to_target']:.1f} s"
    return f"{_with_unit(found['quality'], row['metric'])} after {found['seconds']:.0f} s"


def _with_unit(value: float, metric: str) -> str:
    return f"IoU {value:.4g}" if metric == "iou" else f"{value:.1f} dB"


def kernels_summary() -> str:
    """Per op and pass: the ratio to the reference over the sizes; the nearest ceiling at the largest."""
    rows, made_by = _kernel_rows()
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["op"], row["pass"]), []).append(row)
    lines = ["| op | pass | reference / ours | at the largest size | of its ceiling |", "|---|---|---|---|---|"]
    for (op, name), group in groups.items():
        ratios = [row["ratio"] for row in group]
        largest = max(group, key=lambda row: row["ms"]["reference"])
        lines.append(
            f"| {op} | {name} | {min(ratios):.1f} to {max(ratios):.1f} | {largest['size']}: "
            f"{largest['ms']['chosen']:.1f} ms | {_ceiling(largest)} |"
        )
    return "\n".join([*made_by, "", *lines])


def large_table() -> str:
    records = newest("large-commands"), newest("large-compress")
    lines = ["| signal | command | time | CPU time | peak memory |", "|---|---|---|---|---|"]
    lines += [
        f"| {row['signal']} | `inr {row['command']}` | {row['seconds']:.1f} s | {row['cpu_s']:.1f} s "
        f"| {row['peak_bytes'] / 1e9:.2f} GB |"
        for record in records
        for row in record["rows"]
    ]
    return "\n".join([*map(conditions_line, records), "", *lines])


def kernels_table() -> str:
    rows, made_by = _kernel_rows()
    lines = ["| op | size | pass | ours | reference | ratio | memory | compute |", "|---|---|---|---|---|---|---|---|"]
    lines += [
        f"| {row['op']} | {row['size']} | {row['pass']} | {row['ms']['chosen']:.2f} ms "
        f"| {row['ms']['reference']:.2f} ms | {row['ratio']:.1f} | {row['memory_share']:.0%} "
        f"| {row['compute_share']:.0%} |"
        for row in rows
    ]
    return "\n".join([*made_by, "", *lines])


def _kernel_rows() -> tuple[list[dict[str, Any]], list[str]]:
    """The newest row of every op that there is, by size and pass, and the conditions, with the ceilings of each run."""
    every, made_by = together("kernels")
    here = {folder.name for folder in KERNELS.iterdir()}
    ceilings = [
        f"Ceilings, measured in the same run: {row['bytes_per_s'] / 1e9:.1f} GB/s (triad), "
        f"{row['flops_per_s'] / 1e9:.0f} Gflop/s (float32 matrix product)."
        for row in every
        if row["op"] == "machine"
    ]
    rows = {(row["op"], row["size"], row["pass"]): row for row in every if row["op"] in here}
    return list(rows.values()), [line for pair in zip(made_by, ceilings, strict=True) for line in pair]


def _ceiling(row: dict[str, Any]) -> str:
    which = max(("memory", "compute"), key=lambda name: row[f"{name}_share"])
    return f"{row[f'{which}_share']:.0%} ({which})"


def peers_table() -> str:
    found, conditions = together("peers")
    rows = {
        (row["peer"], row.get("file", "a step")): row for row in found if "peer" in row and "not_available" not in row
    }
    lines = ["| against | what | ours | theirs | ratio |", "|---|---|---|---|---|"]
    for (peer, what), row in rows.items():
        if row["what"] == "step":
            cells = [f"{row['ours_ms']:.1f} ms", f"{row['theirs_ms']:.1f} ms", f"{row['ratio']:.1f}"]
        else:
            cells = [*(f"{row[k][-1][2]:.1f} dB after {row[k][-1][1]:.0f} s" for k in ("ours", "theirs")), ""]
        lines.append(f"| {peer} | {what} | {' | '.join(cells)} |")
    return "\n".join([*conditions, "", *lines])


def rd_table() -> str:
    """Bits per pixel against PSNR of compressed pictures, as measured."""
    lines = ["| picture | effort | quality | size | bits per pixel | PSNR |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {row['file']} | {row['effort']} | {row['quality']:g} | {row['size_bytes']:,} B | {row['bpp']:.3f} "
        f"| {row['psnr_db']:.2f} dB |"
        for name in _efforts()
        for row in sorted(newest(name)["rows"], key=lambda row: (row["file"], row["quality"]))
    ]
    others = [conditions_line(newest(name)) for name in _efforts() if not newest(f"{name}-bd")["rows"]]
    return "\n\n".join(["\n".join(_differences()).rstrip(), *others, "\n".join(lines)])


def quick_table() -> str:
    record = newest("quick")
    lines = [
        conditions_line(record),
        "",
        "| pixels | PSNR, dB | bits per pixel | JPEG of that PSNR | compress: s, CPU s, GB | "
        "decompress: s, CPU s, GB | load average |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in record["rows"]:
        times = [
            f"{row[command]['seconds']:.0f}, {row[command]['cpu_seconds']:.0f}, {row[command]['peak_bytes'] / 1e9:.1f}"
            for command in ("compress", "decompress")
        ]
        lines.append(
            f"| {row['pixels']:,} | {row['psnr_db']:.2f} | {row['bpp']:.3f} | {row['jpeg_bpp']:.3f} | "
            f"{' | '.join(times)} | {row['load_average']:.0f} |"
        )
    return "\n".join(lines)


def decode_table() -> str:
    parts = []
    for name in ("decode", "decode-before"):
        record = newest(name)
        lines = [
            conditions_line(record),
            "",
            "| version | picture | bytes | threads | process, s | its CPU s | once loaded: symbols, s | with PNG, s |",
            "|---|---|---|---|---|---|---|---|",
        ]
        versions = {"this": "this", "other": "before"}
        for row in record["rows"]:
            version = versions[row["version"]]
            for command, words in (("inspect", "`inr inspect`"), ("help", "`inr --help`")):
                if command in row:
                    found = row[command]
                    lines.append(
                        f"| {version} | {words} | | | {found['seconds']:.2f} | {found['cpu_seconds']:.2f} | | |"
                    )
            if "process" in row:
                process, loaded = row["process"], row["loaded"]
                lines.append(
                    f"| {version} | {row['file']} | {row['bytes']:,} | {row['threads']} | {process['seconds']:.2f} | "
                    f"{process['cpu_seconds']:.2f} | {loaded['symbols_seconds']:.3f} | {loaded['seconds']:.3f} |"
                )
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _efforts() -> list[str]:
    """The records of pictures: of the default effort, and of others."""
    return [PICTURES, *sorted({path.stem[len(DATE) + 1 :] for path in RECORDS.glob(f"{DATE}-rd-effort?.json")})]


def _differences() -> list[str]:
    """The rate relative to other codecs at equal PSNR (Bjontegaard), by effort and picture."""
    return [line for name in _efforts() for line in _differences_of(name)]


def _rate_changes(row: dict[str, Any]) -> tuple[dict[str, float], bool]:
    """The change in rate by picture; whether these are Bjontegaard's. If pictures have too few points for that, all
    count by the points that they have."""
    at_points = row.get("rate_at_points", {})
    is_bd = len(row["bd_rate"]) >= len(at_points)
    return (row["bd_rate"] if is_bd else at_points), is_bd


def _differences_of(record: str) -> list[str]:
    rows = newest(f"{record}-bd")["rows"]
    if not rows:
        return []
    found = [_rate_changes(row) for row in rows]
    names = sorted({name for each, _ in found for name in each})
    means = {"of_mean_psnr": "of mean PSNR", "of_mean_mse": "of mean error"}
    means = {key: title for key, title in means.items() if any(row.get(key) is not None for row in rows)}
    lines = [
        f"| rate against | {' | '.join(['mean', *means.values(), *names])} |",
        "|---" * (2 + len(means) + len(names)) + "|",
    ]
    for row, (each, _) in zip(rows, found, strict=True):
        mean = fmean(each.values()) if each else row["mean"]
        if mean is None:
            continue
        cells = [f"{100 * each[name]:+.0f} %" if name in each else "" for name in names]
        shares = [mean, *(row.get(key) for key in means)]
        cells = ["" if share is None else f"{100 * share:+.1f} %" for share in shares] + cells
        lines.append(f"| {row['anchor']} | {' | '.join(cells)} |")
    if not all(is_bd for _, is_bd in found):
        lines += ["", "At the measured points, which are too few for a Bjontegaard difference."]
    return [conditions_line(newest(record)), "", *lines, ""]


def sound_rates_table() -> str:
    """The rate of each codec at some qualities of a sound."""
    levels = " | ".join(f"{level:g} dB SNR" for level in LEVELS_DB)
    lines = [f"| kbit/s for | {levels} |", "|---" * (len(LEVELS_DB) + 1) + "|"]
    for name, rows in sorted(by_codec(newest("rd-sound")["rows"])):
        curve = [(row["kbit_per_s"], row["snr_db"]) for row in rows]
        found = [rate_at(curve, level) for level in LEVELS_DB]
        lines.append(f"| {name} | {' | '.join('' if kbit is None else f'{kbit:.1f}' for kbit in found)} |")
    return "\n".join(lines)


def web_table() -> str:
    record = newest("web")
    lines = [
        "| picture | pixels | bytes | time | CPU time | first CPU time | in Node, CPU | load average | long tasks |"
    ]
    lines.append("|---|---|---|---|---|---|---|---|---|")
    sizes = []
    for row in record["rows"]:
        if "file" in row:
            sizes.append(f"`{row['file']}`: {row['bytes']:,} bytes, {row['gzip_bytes']:,} after gzip.")
            continue
        if "loops" in row:
            sizes.append(
                f"Evaluation of {row['loops']}, by WebAssembly: {row['cpu_s']:.2f} CPU s, by JavaScript alone "
                f"{row['plain_cpu_s']:.2f}, {row['ratio']:.1f} times as long."
            )
            continue
        if "field" in row:
            sizes.append(
                f"A field ({row['field']}) on the processor: {row['cpu_s']:.2f} CPU s, by a shader on simulated "
                f"graphics {row['shader_cpu_s']:.2f}, {row['ratio']:.1f} times as long."
            )
            continue
        size = " x ".join(map(str, row["size"]))
        times = " | ".join(f"{row[key]:.2f} s" for key in ("seconds", "cpu_s", "first_cpu_s", "node_cpu_s"))
        lines.append(
            f"| {row['picture']} | {size} | {row['bytes']:,} | {times} | {row['load']:.0f} | {row['long_tasks']} |"
        )
    return "\n".join([conditions_line(record), "", *lines, "", " ".join(sizes)])


def rd_weights_table() -> str:
    """The weights profile: by target rate, pictures and their mean."""
    found, conditions = together("rd-weights")
    groups: dict[tuple[float, int], list[dict[str, Any]]] = {}
    for row in sorted(found, key=lambda row: row["file"]):
        groups.setdefault((row["bpp_aim"], row["effort"]), []).append(row)
    lines = ["| aim | effort | picture | bits per pixel | PSNR |", "|---|---|---|---|---|"]
    for (aim, effort), rows in sorted(groups.items()):
        mean = {key: sum(row[key] for row in rows) / len(rows) for key in ("bpp", "psnr_db")}
        for name, row in [*((row["file"], row) for row in rows), (f"mean of {len(rows)}", mean)]:
            lines.append(f"| {aim:g} | {effort} | {name} | {row['bpp']:.3f} | {row['psnr_db']:.2f} dB |")
    return "\n".join([*conditions, "", *lines])


def rd_sound_table() -> str:
    """SNR of a sound by codec and rate."""
    record = newest("rd-sound")
    lines = ["| codec | setting | size | kbit/s | SNR |", "|---|---|---|---|---|"]
    lines += [
        f"| {row['codec']} | {_setting(row)} | {row['size_bytes']:,} B | {row['kbit_per_s']:.1f} "
        f"| {row['snr_db']:.1f} dB |"
        for row in sorted(record["rows"], key=lambda row: (row["codec"], row["kbit_per_s"]))
    ]
    return "\n".join([conditions_line(record), "", sound_rates_table(), "", *lines])


def scans_table() -> str:
    """Meshes from points without normals."""
    record = newest("scans-winding")
    lines = [
        "| shape | points | case | seed | IoU of the field | IoU of the mesh "
        "| distance to the surface, against Poisson's | parts | fit | CPU |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['shape']} | {row['points']:,} | {row['case']} | {row['seed']} | {row['iou']:.4f} "
        f"| {row['iou_of_mesh']:.4f} | {row['peer_ratio']:.2f} x | {row['n_parts']} | {row['fit_s']:.0f} s "
        f"| {row['cpu_s']:.0f} s |"
        for row in record["rows"]
    ]
    return "\n".join([conditions_line(record), "", *lines])


def rd_shape_table() -> str:
    """Chamfer distance and IoU of a shape by codec and size."""
    record = newest("rd-shape")
    lines = ["| codec | setting | size | Chamfer / diagonal | IoU | faces |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {row['codec']} | {_setting(row)} | {row['size_bytes']:,} B | {row['chamfer']:.2e} | {row['iou']:.4f} "
        f"| {row['n_faces']:,} |"
        for row in sorted(record["rows"], key=lambda row: (row["codec"], row["size_bytes"]))
    ]
    return "\n".join([conditions_line(record), "", *lines])


def _setting(row: dict[str, Any]) -> str:
    return f"{row['setting']}, effort {row['effort']}" if "effort" in row else str(row["setting"])


def minute_table() -> str:
    """Every family by file, in dB or IoU, best on the first file first; families that could not be fitted, and why."""
    records = records_of("minute")
    found = {(row["field"], row["file"]): row for record in records for row in record["rows"]}
    rows = list(found.values())
    files = list(dict.fromkeys(row["file"] for row in rows))
    families = sorted(
        dict.fromkeys(row["field"] for row in rows),
        key=lambda name: -found.get((name, files[0]), {}).get("quality", float("-inf")),
    )
    lines = [f"| family | {' | '.join(files)} | parameters | steps |", "|---|" + "---|" * (len(files) + 2)]
    for name in families:
        cells = [_quality(found.get((name, file), {})) for file in files]
        measured = (found[name, file] for file in files if "quality" in found.get((name, file), {}))
        first: dict[str, Any] = next(measured, {})
        lines.append(f"| {name} | {' | '.join(cells)} | {first.get('n_params', 0):,} | {first.get('steps', '')} |")
    reasons = {row["refused"]: row["field"] for row in reversed(rows) if "refused" in row}
    notes = [f"`{name}`: {reason}." for reason, name in reasons.items()]
    said = [f"{conditions_line(r)} {r.get('remark', '')}".strip() for r in records]
    return "\n".join(["\n\n".join(said), "", *lines, "", *notes]).strip()


def short_table() -> str:
    """Every family after 15 s by budget and recipe, best in the first column first."""
    every, conditions = together(SHORT)
    found = {(row["field"], row["budget"], row["recipe"]): row for row in every}
    columns = list(dict.fromkeys((row["budget"], row["recipe"]) for row in every))
    families = sorted(
        dict.fromkeys(row["field"] for row in every),
        key=lambda name: -found.get((name, *columns[0]), {}).get("quality", float("-inf")),
    )
    heads = (f"{budget}, {recipe} | parameters | steps" for budget, recipe in columns)
    lines = [f"| family | {' | '.join(heads)} |", "|---|" + "---|" * (3 * len(columns))]
    for name in families:
        rows = [found.get((name, *column), {}) for column in columns]
        cells = (f"{_quality(row)} | {row.get('n_params', 0):,} | {row.get('steps', '')}" for row in rows)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    reasons = {row["refused"]: row["field"] for row in reversed(every) if "refused" in row}
    return "\n".join([*conditions, "", *lines, "", *(f"`{name}`: {reason}." for reason, name in reasons.items())])


def families_table() -> str:
    """Families by file, recipe and precision, best in the first column first."""
    every, conditions = together("families")
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for row in every:
        column = f"{row['file']}, {row['recipe']}, {row['precision']}"
        found.setdefault(row["field"], {})[column] = row
    columns = list(dict.fromkeys(column for rows in found.values() for column in rows))
    order = sorted(found, key=lambda name: -found[name].get(columns[0], {}).get("quality", float("-inf")))
    lines = [f"| family | parameters | {' | '.join(columns)} |", "|---|---|" + "---|" * len(columns)]
    for name in order:
        n_params = next((row["n_params"] for row in found[name].values() if "n_params" in row), 0)
        cells = [_quality(found[name].get(column, {})) for column in columns]
        lines.append(f"| {name} | {n_params:,} | {' | '.join(cells)} |")
    return "\n".join([*conditions, "", *lines])


def _quality(row: dict[str, Any]) -> str:
    if "quality" not in row:
        return "refused" if row else ""
    if row["quality"] == float("inf"):
        return "exact"
    return f"{row['quality']:.4f}" if row["metric"] == "iou" else f"{row['quality']:.1f}"


def recipes_table() -> str:
    """Per family and signal: the best and the second of the longest fits that several settings had."""
    record = newest("recipes")
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in record["rows"]:
        groups.setdefault((row["field"], row["kind"], row["file"]), []).append(row)
    lines = ["| family | signal | seconds | best | quality | next | quality |", "|---|---|---|---|---|---|---|"]
    for (field, _, file), rows in sorted(groups.items()):
        budgets: dict[tuple[str, float], list[dict[str, Any]]] = {}
        for row in rows:
            budgets.setdefault(_budget(row), []).append(row)
        several = [equal for equal in budgets.values() if len(equal) > 1]
        if not several:
            continue
        equal = max(several, key=lambda equal: equal[0]["seconds"])
        found = sorted(equal, key=lambda row: -row["quality"])
        longest = max(row["seconds"] for row in found[:2])
        cells = [cell for row in found[:2] for cell in (_recipe_text(row), _with_unit(row["quality"], row["metric"]))]
        lines.append(f"| {field} | {file} | {longest:.2g} | {' | '.join(cells)} |")
    return "\n".join([conditions_line(record), "", *lines])


def _budget(row: dict[str, Any]) -> tuple[str, float]:
    """What fits that are compared have in common: a number of steps, or a time."""
    is_counted = row["stage"] == "steps"
    return ("steps", row["steps"]) if is_counted else ("seconds", row["seconds"])


def _recipe_text(row: dict[str, Any]) -> str:
    """`soap 0.001 (grids 0.01), cosine, 333 steps of 4096`."""
    settings = row["settings"]
    optimizer, schedule = (
        part if isinstance(part, str) else str(part["type"]) for part in (settings["optimizer"], settings["schedule"])
    )
    of_grids = settings.get("lr_encoding")
    rate = f" {settings['lr']:g}" if "lr" in settings else ""  # a line search has no rate
    rate += f" (grids {of_grids:g})" if of_grids else ""
    loss = f", {settings['loss']}" if "loss" in settings else ""
    return f"{optimizer}{rate}, {schedule}{loss}, {row['steps']} steps of {settings['batch']}"


def claims_table() -> str:
    every, conditions = together("claims")
    rows = {row["claim"]: row for row in every}
    lines = ["| claim | on | holds here | dB by seed |", "|---|---|---|---|"]
    for row in rows.values():
        arms = "; ".join(f"{arm['arm']} {', '.join(f'{v:.1f}' for v in arm['db'])}" for arm in row["arms"])
        holds = {True: "yes", False: "no", None: "(a curve)"}[row.get("holds")]
        lines.append(f"| {row['says']} | {row['signal']} | {holds} | {arms} |")
    return "\n".join([*conditions, "", *lines])


LEARNED, WORTH = 0.5, 1e-3
"""A band is not learned where more than so much is left; only those count that have this share of the energy."""


def forecasts_table() -> str:
    """The forecasts of `inr ntk` before a run against the residual after it."""
    every, conditions = together("forecasts")
    rows = list({(row["signal"], row["field"], row["steps"]): row for row in every}.values())
    lines = [
        "| signal | family | steps | left, dB: forecast | fitted | unlearned energy: forecast | fitted "
        "| bands not learned: forecast | fitted | both | kernel's similarity to its start |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        forecast, fitted, both = (len(found) for found in _unlearned_bands(row))
        (left_ahead, left), (share_ahead, share) = row["left_db"], row["unlearned"]
        lines.append(
            f"| {row['signal']} | {row['field']} | {row['steps']} | {left_ahead:.1f} | {left:.1f} | {share_ahead:.0%} "
            f"| {share:.0%} | {forecast} | {fitted} | {both} | {row['cka'] or 1:.2f} |"
        )
    return "\n".join([*conditions, "", *lines, "", *map(_forecasts_summary, _by_similarity(rows))])


def _unlearned_bands(row: dict[str, Any]) -> tuple[set[int], set[int], set[int]]:
    """The numbers of bands that were forecast as unlearned, that were unlearned, and of both."""
    bands = [band for band in row["bands"][1:] if band[1] > WORTH]
    forecast = {i for i, (_, _, left, _) in enumerate(bands) if left > LEARNED}
    fitted = {i for i, (_, _, _, left) in enumerate(bands) if left > LEARNED}
    return forecast, fitted, forecast & fitted


def _by_similarity(rows: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    def is_lazy(row: dict[str, Any]) -> bool:
        return (row["cka"] or 1) >= 0.9

    return [
        ("Similarity 0.9 or more", [row for row in rows if is_lazy(row)]),
        ("Similarity below 0.9", [row for row in rows if not is_lazy(row)]),
    ]


def _forecasts_summary(group: tuple[str, list[dict[str, Any]]]) -> str:
    """Over all bands of some rows: the precision and recall of "not learned"."""
    name, rows = group
    if not rows:
        return f"{name}: no runs."
    counts = [[len(found) for found in _unlearned_bands(row)] for row in rows]
    forecast, fitted, both = (sum(column) for column in zip(*counts, strict=True))
    off = sorted(abs(row["left_db"][0] - row["left_db"][1]) for row in rows)
    n_bands = sum(sum(band[1] > WORTH for band in row["bands"][1:]) for row in rows)
    right = n_bands - (forecast - both) - (fitted - both)
    return (
        f"{name} ({len(rows)} runs): of {forecast} bands forecast as unlearned {both} were (precision "
        f"{both / max(forecast, 1):.0%}), of {fitted} that were {both} were forecast (recall "
        f"{both / max(fitted, 1):.0%}); {right / max(n_bands, 1):.0%} of {n_bands} bands right; energy left off by "
        f"{off[len(off) // 2]:.1f} dB in the median, {off[-1]:.1f} at most.\n"
    )


def rehearsals_table() -> str:
    """Forecasts by the kernel and by rehearsals, over all runs and those whose kernel changes."""
    _, conditions = together("rehearsals")
    rows = rehearsals.records()
    document = rehearsals.calibrated()
    moved = [row for row in rows if row["cka"] is not None and row["cka"] < 0.9]
    apart = [row for row in rows if row["signal"] in rehearsals.APART]
    large = [row for row in moved if row["side"] == 192]
    lines = [
        "| forecast | runs | said to be lost: right | lost: found | energy left off by, median | worst "
        "| intervals that held, other runs |",
        "|---|---|---|---|---|---|---|",
    ]
    for way in rehearsals.WAYS:
        held, total = rehearsals.coverage(document, way)
        name = "the kernel" if way == KERNEL else f"rehearsal, {float(way):.0%} of the samples"
        for what, group in (("", rows), (", kernel changes", moved), (", apart runs", apart),
                            (", 192 pixels, kernel changes", large)):  # fmt: skip
            s = rehearsals.summary(group, way)
            kept = f"{held / total:.1%} of {total}" if total and not what else ""
            right, found = (f"{s['both'] / max(s[k], 1):.0%} of {s[k]}" for k in ("said", "was"))
            errors = f"{s['median']:.1f} dB | {s['worst']:.1f} dB"
            lines.append(f"| {name}{what} | {s['runs']} | {right} | {found} | {errors} | {kept} |")
    return "\n".join([*conditions, "", *lines])


def flows_table() -> str:
    """Of runs whose flow along the kernels of a rehearsal was recorded: with it, without it, and it alone."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rehearsals.records():
        for way in row["flows"]:
            is_whole = rehearsals.points_of(row) <= POINTS
            kind = f"{row['class']}s, {row['optimizer']}" if is_whole else "192 pixels"
            groups[f"{float(way):.0%}, {kind}"].append(row)
    lines = [
        "| rehearsal, runs | number | energy left off by, without the flow: median, worst | with it | the flow alone |",
        "|---|---|---|---|---|",
    ]
    for name, rows in sorted(groups.items()):
        way = f"{float(name.partition('%')[0]) / 100:g}"
        found = [rehearsals.summary(rows, way, forecast) for forecast in ("without", "left", "flow")]
        errors = " | ".join(f"{s['median']:.1f}, {s['worst']:.1f} dB" for s in found)
        lines.append(f"| {name} | {len(rows)} | {errors} |")
    return "\n".join([*together("flows")[1], "", *lines])


def rehearsed_trials_table() -> str:
    """The gains that the trials of rehearsed reports said, and those of fits."""
    record = newest("rehearsed-trials")
    tried = [trial for row in record["rows"] for trial in row["trials"]]
    lines = ["| settings | fits | gain in the mean | worst | best |", "|---|---|---|---|---|"]

    def line(name: str, gains: list[float]) -> None:
        if gains:
            lines.append(
                f"| {name} | {len(gains)} | {fmean(gains):+.1f} dB | {min(gains):+.1f} dB | {max(gains):+.1f} dB |"
            )

    worth = [t for t in tried if t["said"] >= WORTH_DB]
    line("said to gain 1 dB or more", [t["gain"] for t in worth])
    for rule in sorted({t["setting"].partition("=")[0] for t in worth}):
        line(f"of these: {rule}", [t["gain"] for t in worth if t["setting"].partition("=")[0] == rule])
    line("others", [t["gain"] for t in tried if t["said"] < WORTH_DB])
    return "\n".join([conditions_line(record), "", *lines])


def verdict_advice_table() -> str:
    """The settings that verdicts name, fitted: by way, by rule, and where the kernel changes."""
    _, conditions = together("verdict-advice")
    rows, replaced = verdict_advice.known_rows(), verdict_advice.known_rows(are_newest=False)
    lines = [
        "| settings | fits | gain in the mean | worst | best | losing more than 1 dB |",
        "|---|---|---|---|---|---|",
    ]

    def line(name: str, found: list[dict[str, Any]]) -> None:
        gains = [row["gain"] for row in found]
        if gains:
            lines.append(
                f"| {name} | {len(gains)} | {fmean(gains):+.1f} dB | {min(gains):+.1f} dB | {max(gains):+.1f} dB "
                f"| {sum(g < -1 for g in gains)} |"
            )

    for way, title in (("kernel", "quick report"), ("rehearsal", "rehearsal of 10 %")):
        own = [row for row in rows if row["way"] == way and row["setting"] is not None]
        line(f"{title}: all", own)
        dropped = "omega" if way == "kernel" else "lower rates and frequencies"
        line(f"{title}: {dropped}, no longer advised", [r for r in own if not verdict_advice.is_advised(r)])
        line(f"{title}: the others", [r for r in own if verdict_advice.is_advised(r)])
        earlier = [row for row in replaced if row["way"] == way and row["setting"] is not None]
        line(
            f"{title}: earlier reports, replaced by those above",
            [row for row in earlier if verdict_advice.is_advised(row)],
        )
        line(f"{title}: named first", [row for row in own if row["place"] == 1])
        for rule in sorted({row["setting"].partition("=")[0] for row in own}):
            line(f"{title}: {rule}", [row for row in own if row["setting"].partition("=")[0] == rule])
    n = len({(row["signal"], row["field"]) for row in rows})
    return "\n".join([*conditions, "", *lines, "", f"{n} runs."])


def rankings_table() -> str:
    """The settings that `inr suggest --field` ranks, fitted: those that it advises, by rule, and the others."""
    record = newest("rankings")
    rows = record["rows"]
    advised = rankings.advised(rows)
    lines = ["| settings | fits | gain in the mean | worst | best |", "|---|---|---|---|---|"]

    def line(name: str, gains: list[float]) -> None:
        if gains:
            mean = sum(gains) / len(gains)
            lines.append(f"| {name} | {len(gains)} | {mean:+.1f} dB | {min(gains):+.1f} dB | {max(gains):+.1f} dB |")

    for which, names in (("that chose the weight", rankings.CHOSE), ("others", rankings.CHECKS)):
        line(f"advised, runs {which}", [r["gain"] for r in advised if r["case"] in names])
        best = {name: [r for r in advised if r["case"] == name] for name in names}
        line(f"the first advice, runs {which}", [found[0]["gain"] for found in best.values() if found])
    for rule in sorted({r["rule"] for r in advised}):
        line(f"advised: {rule}", [r["gain"] for r in advised if r["rule"] == rule])
    same = [r for r in rows if r not in advised and r["size"] <= SAME_SIZE]
    line("not advised", [r["gain"] for r in same])
    line("not advised, more parameters", [r["gain"] for r in rows if r["size"] > SAME_SIZE])
    cases = {r["case"]: (r["cost"], r["share"]) for r in rows}
    cost = max(cost for cost, _ in cases.values())
    text = f"Runs: {', '.join(cases)}. A ranking took at most {cost:.2g} times the samples of a fit."
    return "\n".join([conditions_line(record), "", *lines, "", text])


def advice_table() -> str:
    """The gains of fits with the settings that `inr ntk` tried."""
    every, conditions = together("advice")
    lines = ["| setting | advised | fits | gain in the mean | worst |", "|---|---|---|---|---|"]
    found: dict[tuple[str, bool], list[float]] = {}
    for row in every:
        for tried in row["advice"]:
            name = re.sub(r"=[\d.,]+$", "", tried["setting"])
            found.setdefault((f"{row['field']}: {name}", tried["advised"]), []).append(tried["db"])
    for (name, is_advised), gains in sorted(found.items()):
        mean = sum(gains) / len(gains)
        lines.append(
            f"| {name} | {'yes' if is_advised else 'no'} | {len(gains)} | {mean:+.2f} dB | {min(gains):+.2f} dB |"
        )
    return "\n".join([*conditions, "", *lines])


def transfer_table() -> str:
    """The best learning rate by width, plain and with `base_width`."""
    record = newest("transfer")
    lines = [
        "| family | `base_width` | width | best rate | PSNR there | at the base width's best | sharpness | of Adam |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in record["rows"]:
        best = max(row["psnr_db"], key=lambda name: row["psnr_db"][name])
        lines.append(
            f"| {row['family']} | {row['base_width'] or ''} | {row['width']} | {best} "
            f"| {row['psnr_db'][best]:.1f} dB | {row['kept_db']:+.1f} dB | {row['sharpness']:.0f} "
            f"| {row['adam_sharpness']:.0f} |"
        )
    return "\n".join([conditions_line(record), "", *lines])


def fidelity_table() -> str:
    """Comparisons with published forms, by family and method."""
    record = newest("fidelity")
    lines = [
        "| family or method | compared with | comparisons | exact | told | largest difference |",
        "|---|---|---|---|---|---|",
    ]
    for row in summaries(record["rows"]):
        error = "" if row["error"] is None else f"{row['error']:.1e}"
        n = row["exact"] + row["told"] + row["WRONG"]
        lines.append(f"| {row['subject']} | {row['source']} | {n} | {row['exact']} | {row['told']} | {error} |")
    return "\n".join([conditions_line(record), "", *lines])


def ntk_speed_table() -> str:
    record = newest("ntk-speed")
    lines = ["| what | N | seconds | against |", "|---|---|---|---|"]
    for row in record["rows"]:
        if row["what"] == "kernel":
            ours, theirs = row["seconds"]["layerwise"], row["seconds"]["contraction"]
            lines.append(
                f"| exact kernel | {row['n']} | {ours:.3f} s | vmap(jacrev) {theirs:.2f} s: {row['ratio']:.0f} x |"
            )
        else:
            points = f"{row['n']} in the matrix, bands of {row['band_points']:,}"
            lines.append(f"| report, mode {row['what']} | {points} | {row['seconds']:.0f} s | |")
    return "\n".join([conditions_line(record), "", *lines])


def headline_table() -> str:
    """README's table: measurements and comparisons, at most ten lines."""
    lines = ["| task | inr | compared with |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in _headlines())])


def _headlines() -> Iterator[tuple[str, str, str]]:
    fits, _ = default_fits()
    photographs = [row for row in fits if row["file"].startswith("kodim")]
    if photographs:
        yield (
            f"Fit a photograph of 768 × 512, default: 0.77 parameters per value (median of {len(photographs)})",
            f"{_middle(photographs, 'psnr_db'):.1f} dB PSNR in {_middle(photographs, 'fit_s'):.0f} s",
            "",
        )
    scaled = {(row["size"], row["way"]): row for name in SCALED_PICTURES for row in newest(name)["rows"]}
    for size in ("0.4M", "24M"):
        ours, before = scaled.get((size, "default")), scaled.get((size, "hashed"))
        if ours and before:
            reached, end = before["seconds_to_target"], f"{before['psnr_db']:.1f} dB after {before['seconds']:.0f} s"
            yield (
                f"Reach {ours['target_db']:g} dB on {ours['samples'] / 1e6:.1f} million pixels",
                f"{ours['seconds_to_target']:.2g} s",
                f"10 hashed levels from a random table: {end if reached is None else f'{reached:.1f} s'}",
            )
    for row in fits:
        if "snr_db" in row:
            after = f"{row['fit_s']:.0f} s of fitting" if row["steps"] else "solved at once"
            yield "Fit 7 s of cello", f"{row['snr_db']:.1f} dB SNR, {after}", ""
        if "iou" in row and row["mesh_is_closed"]:
            found = f"IoU {row['iou']:.4f} in {row['fit_s']:.0f} s; closed mesh at 512³ in {row['mesh_s']:.0f} s"
            yield f"Fit a shape ({row['file']})", found, ""
    rates = [row["bpp"] for row in newest(PICTURES)["rows"]]
    for row in newest(f"{PICTURES}-bd")["rows"]:
        each, _ = _rate_changes(row)
        if each:
            span = f"{min(rates):.1f} to {max(rates):.1f} bits/pixel"
            what = f"{len(each)} photographs at {span}: bytes at equal PSNR"
            yield what, f"{100 * fmean(each.values()):+.0f} %", CODECS.get(row["anchor"], row["anchor"])
    sound = newest("rd-sound")["rows"]
    if sound:
        curves = {n: [(r["kbit_per_s"], r["snr_db"]) for r in rows] for n, rows in by_codec(sound)}
        at_40 = {name: rate_at(curve, 40.0) for name, curve in curves.items()}
        others = ", ".join(f"{name} {rate:.0f}" for name, rate in at_40.items() if rate is not None and name != "inr")
        yield "Compress the cello to 40 dB SNR, kbit/s", f"{at_40['inr']:.0f}", others
    kernels = [row for row in newest("ntk-speed")["rows"] if row["what"] == "kernel"]
    if kernels:
        row = max(kernels, key=lambda row: row["n"])
        against = f"`vmap(jacrev)`: {row['seconds']['contraction']:.0f} s"
        yield f"Exact tangent kernel of {row['n']} points", f"{row['seconds']['layerwise']:.2f} s", against


def _middle(rows: list[dict[str, Any]], key: str) -> float:
    middle: float = median(row[key] for row in rows)
    return middle


def solve_table() -> str:
    """Boundary-value problems with closed forms, and DeepXDE's example."""
    record = newest("solve")
    lines = ["| problem | error | residual | seconds | load |", "|---|---|---|---|---|"]
    waves = newest("solve-waves")
    for row in (*record["rows"], *waves["rows"]):
        errors = ", ".join(f"{key} {value:.1e}" for key, value in row["exact"].items())
        shown = errors or f"centre {row['centre_error']:.1e}"
        lines.append(
            f"| {row['problem']} | {shown} | {row['residual']:.1e} | {row['seconds']:.0f} | {row['load']:.0f} |"
        )
    about_waves = f"Rows with wavelengths: {conditions_line(waves)}" if waves["rows"] else ""
    parts = [conditions_line(record), about_waves, "", *lines]
    for row in newest("solve-peer")["rows"]:
        if "curve" in row:
            least, last = min(row["curve"], key=lambda point: point["error"]), row["curve"][-1]
            parts += [
                "",
                f"DeepXDE {row['version']} on the last problem ({row.get('method', 'Adam, float32')}): least error "
                f"{least['error']:.1e} after {least['seconds']:.0f} s, {last['error']:.1e} at the end after "
                f"{last['seconds']:.0f} s, at a load of {row['load']:.0f}.",
            ]
        elif row["problem"].startswith("step, "):
            parts += [
                "",
                f"A step of training for the same network and points, {row['problem'][6:]}: {row['inr_ms']:.1f} ms, "
                f"DeepXDE {row['deepxde_ms']:.1f} ms, {row['ratio']:.1f} times as long (median of neighbours in time; "
                "the goal was 5 times).",
            ]
        elif row["problem"] == "time to 1e-3":
            sign = "" if row["is_reached"] else " at least"
            parts += [
                "",
                f"Time to a relative error of 1e-3: {row['inr_s']:.2f} s, DeepXDE{sign} {row['deepxde_s']:.0f} s "
                "(the goal was 10 times as long). After a minute DeepXDE's error is "
                f"{row['deepxde_error_after_60_s']:.1e}.",
            ]
    steps = newest("solve-steps")
    if steps["rows"]:
        parts += ["", f"A gradient through second derivatives ({conditions_line(steps)[:-1]}):", ""]
        parts += ["| type | `sine_jet` | plain torch | autograd within autograd | ratios |", "|---|---|---|---|---|"]
    for row in steps["rows"]:
        times = " | ".join(f"{row[f'{name}_ms']:.0f} ms" for name in ("compiled", "torch", "nested"))
        kind = row["dtype"].removeprefix("torch.")
        parts.append(f"| {kind} | {times} | {row['torch_ratio']:.1f}x, {row['nested_ratio']:.1f}x |")
    peers = [row["ratio"] for row in newest("solve-peer")["rows"] if row["problem"] == "step, Poisson"]
    for row in steps["rows"][:1]:
        if "products_ms" in row and peers:
            goal = row["compiled_ms"] * peers[0] / 5
            parts += [
                "",
                f"The products of matrices alone take {row['products_ms']:.0f} ms of torch's library in float32. A "
                f"step 5 times as fast as DeepXDE's would leave about {goal:.0f} ms for all of this gradient, which is "
                "why that goal is missed.",
            ]
    waves = newest("solve-per-mode")
    if waves["rows"]:
        parts += ["", f"Plane waves across a square by features per mode of a box ({conditions_line(waves)[:-1]}):", ""]
        parts += ["| wavelengths | features per mode | features | residual | error |", "|---|---|---|---|---|"]
    for row in waves["rows"]:
        shares = f"{row['waves']:.0f} | {row['per_mode']} | {row['features']}"
        parts.append(f"| {shares} | {row['residual']:.1e} | {row['exact']:.1e} |")
    return "\n".join(parts)


def siren_table() -> str:
    """The newest row of each experiment and size."""
    rows, conditions = together("siren-")
    latest = {(row["experiment"], row.get("side")): row for row in rows}
    lines = ["| experiment | pixels along a side | result | seconds | load |", "|---|---|---|---|---|"]
    for (name, side), row in latest.items():
        shown = f"{row['psnr_db']:.1f} dB" if "psnr_db" in row else f"{row['off']:.1e} relative L2"
        lines.append(f"| {name} | {side or '-'} | {shown} | {row['seconds']:.0f} | {row['load']:.0f} |")
    return "\n".join([*conditions, "", *lines])


def pictures_table() -> str:
    """Tasks on pictures by fields, against the direct solution."""
    return of_record(
        newest("pictures"),
        ["task", "pixels", "off the direct solution", "at most", "seconds", "load"],
        lambda row: [
            row["task"],
            f"{row['pixels']:,}",
            f"{row['off']:.4f} {row['unit']}",
            f"{row['off_max']:.3f}",
            f"{row['seconds']:.0f}",
            f"{row['load']:.0f}",
        ],
    )


def results() -> str:
    parts = [
        "# Results",
        "Made by `python benchmarks/table.py` from the newest records in `benchmarks/records/`. The script of a record "
        "says how it was made. No GPU has been measured yet.",
    ]
    fitting = {
        "fit": ("Default fits", "`fit.py` says how.", fit_table),
        SCALED_PICTURES[0]: (
            "Time to 40 dB against the number of pixels",
            "`scaling.py` says how. Memory is the peak of the whole process.",
            lambda: scaling_table(*SCALED_PICTURES),
        ),
        "scaling-volumes": (
            "Time to 40 dB against the size of a volume",
            "`scaling.py` says how. 200 dB stand for values without an error.",
            lambda: scaling_table("scaling-volumes"),
        ),
        "scaling-sound": (
            "Time to 40 dB PSNR against the length of a sound",
            "`scaling.py` says how.",
            lambda: scaling_table("scaling-sound"),
        ),
        "large-commands": (
            "Time and memory of commands on large signals",
            "`large.py` says how. Fits have few steps. Memory is the peak of the process; the first rows show that of "
            "the imports. An hour of sound is read tile by tile. Other processes shared the machine.",
            large_table,
        ),
        "time-to-quality": ("Time to a quality", "`time_to_quality.py` says how.", time_to_quality_table),
        "steps": ("A training step", "`steps.py` says how.", steps_table),
        "dense": (
            "A training step of dense networks",
            "`dense.py` says how: the published network, 16384 pixels, Adam; ratios are to plain torch.",
            dense_table,
        ),
        "peers": ("Other implementations", "`peers.py` says how.", peers_table),
    }
    for name, (title, how, table) in fitting.items():
        if newest(name)["rows"]:
            parts += [f"## {title}", how, table()]
    parts += [
        "## Families and claims",
        "`quality.py` and `claims.py` say how. Quality is PSNR in dB (sound: SNR), or IoU.",
        *(["### SIREN by its recipe, in equal time", families_table()] if newest("families")["rows"] else []),
        "### Every family after a minute of one thread",
        "Seconds of processor time, the default recipe and size; closed forms have no time limit. Pictures are the "
        "middle 256 x 256 pixels, sound is its first 2 s. Parameters and steps are those on the first file.",
        minute_table(),
        *(
            ["### Every family after 15 s of one thread", SHORT_HOW, short_table()]
            if newest(f"{SHORT}-equal")["rows"]
            else []
        ),
        "### Recipes, in equal time",
        "`recipes.py` says how; seconds are those of one thread of a quiet machine.",
        recipes_table(),
        "### What papers claim, at a scale that fits a laptop",
        claims_table(),
    ]
    parts += shape_parts(newest, conditions_line)
    if newest("transfer")["rows"]:
        parts += [
            "## Learning rates over the width",
            "`transfer.py` says how. Sharpness is that of a fit at the rate that is best at width 64. That of Adam is "
            "of parameters as Adam moves them; it is stable below 38.",
            transfer_table(),
        ]
    if newest("fidelity")["rows"]:
        parts += [
            "## Families and methods against their published forms",
            "`fidelity.py` says how. Compared are formulas, initial values and settings. What is told differs on "
            "purpose, and the page of the family or method says so. The largest difference is that of results with "
            "equal parameters.",
            fidelity_table(),
        ]
    if newest("solve")["rows"]:
        parts += [
            "## Differential equations",
            "`solve.py` says how. Errors are relative L2 against the exact solution, at points that were not trained "
            "on. Seconds were measured beside other work on two cores, as the load tells, and say little.",
            solve_table(),
            "### SIREN's experiments",
            "`siren_experiments.py` says how: a picture from its gradients or its Laplacian only, and equations. The "
            "paper's pictures have 256 pixels along a side.",
            siren_table(),
        ]
    if newest("pictures")["rows"]:
        parts += [
            "### Pictures from their differences",
            "`pictures.py` says how: fields by the loss `edge`, compared with the direct solution, root mean square. "
            "The goal was 0.5 grey levels in 30 seconds at 512 pixels along a side.",
            pictures_table(),
        ]
    if newest("forecasts")["rows"]:
        parts += [
            "## What `inr ntk` says will not be learned, and what was not",
            "`forecasts.py` says how; counted are bands with at least 0.1 % of the signal's energy.",
            forecasts_table(),
        ]
    if together("rehearsals")[0]:
        parts += [
            "## Rehearsals of a whole run, and what was left",
            "`rehearsals.py` says how; counted are bands with at least 0.1 % of the signal's energy. A rehearsal's "
            "forecast is put together with the kernel's. The factor with which the effect of the batch is carried on "
            "(`inr/ntk/forecast/batch_noise.py`) and the weights of both (`blend.py`) were chosen over the runs of "
            "2026-11-30; the rows of apart runs are of signals that chose nothing. Intervals are checked on families "
            "and signals that did not calibrate. All of it ran beside other work, so it has no times.",
            rehearsals_table(),
            "The flow along kernels that are read in a rehearsal (`rehearsals.py --flows`, on fits that the records "
            "above hold) is part of the forecast for grids on at most 4096 samples from 10 % on, and left out "
            "elsewhere. Its weights were chosen over the runs of 2026-11-30 at 10 %.",
            flows_table(),
        ]
    if newest("rankings")["rows"]:
        parts += [
            "## The settings that `inr suggest --field` ranks, fitted",
            "`rankings.py` says how; equal steps; gains are of what is left of all bands. In this record shapes were "
            "ranked by the energy left of their distances, and the recipe came with its batch, which made the worst "
            "advice (torus); now shapes are ranked by their loss, and the batch is kept. Settings are advised if they "
            "are said to gain 1 dB or more with as many parameters.",
            rankings_table(),
        ]
    if newest("rehearsed-trials")["rows"]:
        parts += [
            "## An earlier way to rehearse settings",
            "Trials of rehearsed reports before settings were ranked as now, with 48 x 48 pixels and 100 steps (the "
            "option of `rehearsals.py` at the commit below). Few samples per step alone said too little gain, so "
            "pieces of the signal were added; the tables above and below are of that.",
            rehearsed_trials_table(),
        ]
    if together("verdict-advice")[0]:
        parts += [
            "## The advice of the verdict of `inr ntk`, fitted",
            "`verdict_advice.py` says how; equal steps; gains are of what is left of all bands. "
            "The runs chose nothing but one number: how many more samples settings of grids are rehearsed on again "
            "(`AGAIN` in `inr/ntk/ranking.py`), which was chosen on those of grids; the newest record has them again.",
            verdict_advice_table(),
        ]
    if newest("advice")["rows"]:
        parts += [
            "## The settings that `inr ntk` tries, fitted",
            "`forecasts.py --advice`; equal steps.",
            advice_table(),
        ]
    if newest("ntk-speed")["rows"]:
        parts += ["## The tangent kernel's speed", "`ntk_speed.py` says how.", ntk_speed_table()]
    compressed = {
        "rd": ("Pictures against other codecs", "`rd.py` says how.", rd_table),
        "quick": (
            "Pictures at effort 1, by size",
            "`quick.py` says how. Other programs ran on the two cores, as the load average tells: on two idle cores a "
            "command takes at least half of its CPU seconds.",
            quick_table,
        ),
        "decode": (
            "Time to decode a picture of 768 x 512",
            "`decode.py` says how. Processes are by the clock, start included; medians of ten runs, with real-time "
            "priority because other programs ran. The first run on a machine, which compiles, takes longer.",
            decode_table,
        ),
        "scans-winding": (
            "Shapes from points without normals",
            "`scans.py` says how. Poisson: screened Poisson reconstruction of the same points with the true normals.",
            scans_table,
        ),
        "web": (
            "Pictures in a browser",
            "`web.py` says how. CPU time is that of all of Chromium's processes.",
            web_table,
        ),
        "rd-weights": ("Pictures as the weights of a network", "`rd.py --profile weights` says how.", rd_weights_table),
        "rd-sound": ("A sound against other codecs", "`rd_sound.py` says how; SNR is of the waveform.", rd_sound_table),
        "rd-shape": ("A shape against other codecs", "`rd_shape.py` says how.", rd_shape_table),
    }
    for name, (title, how, table) in compressed.items():
        if newest(name)["rows"]:
            parts += [f"## {title}", how, table()]
    if newest("kernels")["rows"]:
        parts += ["## Every kernel op, over its sizes", "`kernels.py` says how.", kernels_summary()]
    if newest("kernels")["rows"]:
        parts += [
            "## Every kernel op and size, against its reference and the machine",
            "`kernels.py` says how; shares are of bytes and operations that any implementation needs.",
            kernels_table(),
        ]
    return "\n\n".join(parts) + "\n"


def conditions_line(record: dict[str, Any]) -> str:
    return (
        f"`{record['command']}` at {record['commit']}: {record['cpu']}, {record['threads']} threads, "
        f"torch {record['versions']['torch']}."
    )


def main() -> None:
    text = README.read_text("utf-8")
    between = re.compile(r"(<!-- records:begin -->\n).*?(<!-- records:end -->)", re.DOTALL)
    README.write_text(between.sub(lambda m: f"{m[1]}{headline_table()}\n{m[2]}", text), "utf-8")
    RESULTS.write_text(results(), "utf-8")


if __name__ == "__main__":
    main()
