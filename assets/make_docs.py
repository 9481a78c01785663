"""Write the generated pages of docs/: commands, field families, parts, training, and the index of the Python reference.

They are made from help texts, docstrings and settings. Pages without the first line `MADE` are written by hand and are
left alone.

    python assets/make_docs.py

`tests/test_docs.py` fails if a committed page differs from what this makes.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import math
import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import typer
from inr_cli._app import Command
from inr_cli.fields import default_text, flat_settings, summary
from inr_cli.main import app

from inr.core.config import Config, settings_of
from inr.core.domain import Domain, Frame, Spec
from inr.core.errors import InrError
from inr.core.registry import Registry
from inr.exporters import EXPORTERS, lower
from inr.fields import FIELDS, Deviation, FieldConfig, RecipeName
from inr.fields.mlp import Mlp
from inr.fitting import Fit, FitConfig

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
RECORDS = ROOT / "benchmarks" / "records"
MADE = "<!-- made by assets/make_docs.py -->"
SPECS = {
    "picture of 768 x 512 RGB": Spec("image", 2, 3, (768, 512)),
    "10 s of sound": Spec("audio", 1, 1, (441_000,)),
    "shape": Spec("shape", 3, 1),
}
PLAIN = {type(value) for key, value in vars(Mlp()).items() if key != "encoding"}
"""Parts that need no words on every page."""
PACKAGES = ("fields", "encodings", "layers", "assemblies", "signals", "fitting", "workflows", "solving", "ntk")
PACKAGES += ("codec", "mesh", "batch", "report", "watch", "exporters", "kernels", "core", "inspection", "testing")
REFERENCE = {"README": "inr"} | {name: f"inr.{name}" for name in PACKAGES}
"""Page below docs/reference/ -> the package whose public names it lists."""
MEASURED, SCENE = "minute", "scene"
"""The records of `benchmarks/quality.py` with every family's quality, and with that of the pictures shown."""
SHOWN = "../images/fields"
LEAST_PSNR_DB, LEAST_SNR_DB = 30.0, 20.0
"""Goals of a minute: of pictures in the mean, of a sound. A page says more about those below."""
LEAST_IOU = {"bunny.obj": 0.97, "armadillo.obj": 0.95}
"""Those of shapes."""
SHORT = {
    "equal": "with at most 100,000 parameters",
    "paper": "with `--recipe paper` and its own size",
}
"""Records `quality-15s-...` of short fits, and what is said of them."""
COARSE = {
    "pictures": "With its default size this family learns a photograph only coarsely in a minute: less than "
    f"{LEAST_PSNR_DB:.0f} dB in the mean of those measured. `hash_grid`, `finer` and `siren` are for pictures.",
    "sound": f"It learns a sound only coarsely in a minute: less than {LEAST_SNR_DB:.0f} dB. `local_cosine`, "
    "`hash_grid` and `mlp` are for sound.",
    "shapes": "With its default size this family learns a shape only coarsely in a minute. `hash_grid`, `siren` and "
    "`triplane` are for shapes.",
}
EVERYWHERE = ("safetensors", "pt2")
FROM_OPS = ("onnx", "numpy")
SHADERS = ("glsl", "wgsl")


def pages() -> dict[str, str]:
    """Path below docs/ -> text."""
    group: Any = typer.main.get_command(app)
    top = group.make_context("inr", [], resilient_parsing=True)
    commands = {name: command for name, command in group.commands.items() if isinstance(command, Command)}
    made = {f"commands/{name}.md": command_page(name, command, top) for name, command in commands.items()}
    made |= {f"fields/{name}.md": field_page(name, FIELDS[name]) for name in FIELDS}
    made["commands/README.md"] = commands_index(group, commands)
    made["fields/README.md"] = fields_index()
    made["parts.md"] = parts_page()
    made["training.md"] = training_page()
    made |= {f"reference/{name}.md": reference_page(package) for name, package in REFERENCE.items()}
    return {path: f"{MADE}\n\n{text.rstrip()}\n" for path, text in made.items()}


def commands_index(group: Any, commands: Mapping[str, Command]) -> str:
    rows = [(f"[inr {name}]({name}.md)", first_line(command.help)) for name, command in commands.items()]
    codes = group.epilog.split("Results go")[0].replace("\b\n", "").replace("Exit codes:\n", "").strip("\n")
    return "\n\n".join(
        [
            "# Commands",
            table(("command", "what it does"), rows),
            "Every command takes `-h`. Results go to stdout, everything else to stderr; `-` is stdin or stdout. No "
            "file is replaced without `--force`. Exit codes:",
            f"```\n{codes}\n```",
        ]
    )


def fields_index() -> str:
    files = list(dict.fromkeys(file for rows in measurements().values() for file in rows))
    families = [
        (
            f"[{name}]({name}.md)",
            summary(FIELDS[name]),
            FIELDS[name].paper,
            *(quality_text(measurements().get(name, {}).get(file, {})) for file in files),
        )
        for name in FIELDS
    ]
    return "\n\n".join(
        [
            "# Field families",
            "[Choosing a field](../guide/choosing-a-field.md) says which to take. A family is built from "
            "[parts](../parts.md) and has its own defaults for [training](../training.md).",
            f"{conditions()} Pictures: PSNR in dB, sound: SNR in dB, shapes: IoU.",
            table(("`--field`", "what it is", "source", *files), families),
            "## As pictures",
            f"The picture of `inr demo`, and each family's fit of it: {scene_conditions()}",
            f"![the picture itself]({SHOWN}/inr-demo.webp)",
            gallery(),
        ]
    )


@functools.cache
def measurements() -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
    """Family -> file -> the row of the newest record that has it."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for path in sorted(RECORDS.glob(f"????-??-??-{MEASURED}*.json"), key=lambda path: path.stem):
        for row in json.loads(path.read_text())["rows"]:
            found.setdefault(row["field"], {})[row["file"]] = row
    return found


@functools.cache
def record(name: str) -> Mapping[str, Any]:
    """The newest one of a name."""
    paths = sorted(RECORDS.glob(f"????-??-??-{name}.json"))
    loaded: Mapping[str, Any] = json.loads(paths[-1].read_text())
    return loaded


def conditions() -> str:
    return (
        "Quality after 60 s of one processor thread, with the default recipe and size; pictures are the middle "
        f"256 x 256 pixels, sound is its first 2 s (records `{MEASURED}`, {record(MEASURED)['cpu']})."
    )


def scenes() -> Mapping[str, str]:
    """Family -> the quality of its picture, the best first; families without one are left out."""
    rows = sorted((row for row in record(SCENE)["rows"] if "quality" in row), key=lambda row: -row["quality"])
    return {row["field"]: with_unit(row) for row in rows}


def scene_conditions() -> str:
    return f"256 x 192 pixels, 20 s of one processor thread (record `{SCENE}`)."


def gallery() -> str:
    """The pictures of all families, the best first, four in a row."""
    cells = [
        f"[![{name}]({SHOWN}/{name}.webp)]({name}.md)<br>{name}, {quality.removesuffix(' PSNR')}"
        for name, quality in scenes().items()
    ]
    rows = [cells[i : i + 4] for i in range(0, len(cells), 4)]
    return table(("",) * 4, [[*row, *[""] * (4 - len(row))] for row in rows])


def quality_text(row: Mapping[str, Any]) -> str:
    if "quality" not in row:
        return "refused" if row else ""
    if math.isinf(row["quality"]):
        return "exact"
    return f"{row['quality']:.3f}" if row["metric"] == "iou" else f"{row['quality']:.1f}"


def measured(name: str, cls: type[FieldConfig]) -> Iterator[str]:
    """What fits of a family reach, and why it is no more."""
    rows = measurements().get(name, {})
    if rows:
        yield "## Measured"
        yield conditions()
        yield table(
            ("file", "quality", "parameters", "steps"),
            [
                (file, f"refused: {row['refused']}", "", "")
                if "refused" in row
                else (file, with_unit(row), f"{row['n_params']:,}", f"{row['steps']:,}" if row["steps"] else "none")
                for file, row in rows.items()
            ],
        )
    if name in scenes():
        yield f"![fit of a generated picture]({SHOWN}/{name}.webp)"
        yield f"The picture of `inr demo`: {scenes()[name]}; {scene_conditions()}"
    short = [text for text in (short_text(name, kind) for kind in SHORT) if text]
    if short:
        yield f"After 15 s of one processor thread, `kodim23.png` as above: {'; '.join(short)}."
    for what in coarse(name):
        yield f"{COARSE[what]} {getattr(cls.limits, what)}".rstrip()
    if cls.limits.purpose:
        yield cls.limits.purpose


def short_text(name: str, kind: str) -> str:
    """What the record of `SHORT` has of a family, beside `mlp`; empty if nothing."""
    rows = short_rows(kind)
    if "quality" not in rows.get(name, {}):
        return ""
    beside = "" if name == "mlp" else f", `mlp` {with_unit(rows['mlp'])}"
    return f"{SHORT[kind]} {with_unit(rows[name])}{beside} (record `quality-15s-{kind}`)"


@functools.cache
def short_rows(kind: str) -> Mapping[str, Mapping[str, Any]]:
    """Family -> its row of the newest record of `SHORT` that has it."""
    paths = sorted(RECORDS.glob(f"????-??-??-quality-15s-{kind}*.json"), key=lambda path: path.stem)
    return {row["field"]: row for path in paths for row in json.loads(path.read_text())["rows"]}


def loses(name: str) -> bool:
    """Whether `mlp` has the higher quality at equal parameters and time."""
    rows = short_rows("equal")
    least: float = rows["mlp"]["quality"]
    return bool(rows[name].get("quality", math.inf) < least)


def coarse(name: str) -> Iterator[str]:
    """Of `pictures`, `sound` and `shapes`: those whose fits are below the goal."""
    rows = measurements().get(name, {})
    found = {file: row["quality"] for file, row in rows.items() if "quality" in row}
    pictures = [found[file] for file, row in rows.items() if row["metric"] == "psnr_db" and file in found]
    if pictures and statistics.mean(pictures) < LEAST_PSNR_DB:
        yield "pictures"
    if any(found[file] < LEAST_SNR_DB for file, row in rows.items() if row["metric"] == "snr_db" and file in found):
        yield "sound"
    if any(found.get(file, math.inf) < least for file, least in LEAST_IOU.items()):
        yield "shapes"


def with_unit(row: Mapping[str, Any]) -> str:
    text = quality_text(row)
    unit = {"psnr_db": f"{text} dB PSNR", "snr_db": f"{text} dB SNR", "iou": f"IoU {text}"}[row["metric"]]
    return text if text == "exact" else unit


def reference_page(package: str) -> str:
    """Directives for the site's generator: every public name of a package."""
    module = importlib.import_module(package)
    names = [name for name in module.__all__ if not name.startswith("__")]
    names.sort(key=lambda name: kind_of(module, name))
    rows = [(f"`{name}`", summary_of(getattr(module, name))) for name in names]
    directives = (f"::: {package}.{name}" for name in names)
    return "\n\n".join(
        [f"# {package}", *prose(inspect.getdoc(module) or ""), table(("name", "what it is"), rows), *directives]
    )


def summary_of(value: Any) -> str:
    """The first sentence of the docstring of a function or class; of data, what it is."""
    if not (inspect.isclass(value) or inspect.isroutine(value)):
        if isinstance(value, Registry):
            return f"The registry of variants of the slot {value.what}."
        return "A type." if hasattr(value, "__origin__") else "A constant."
    text = " ".join((inspect.getdoc(value) or "").split("\n\n")[0].split())
    return re.split(r"(?<=\.) ", text.replace("[*", "[\\*"))[0]


def kind_of(module: Any, name: str) -> tuple[int, str]:
    """Functions first, then classes, then data."""
    value = getattr(module, name)
    return (1 if inspect.isclass(value) else 0 if inspect.isroutine(value) else 2), name


def command_page(name: str, command: Command, top: Any) -> str:
    context = command.make_context(name, [], parent=top, resilient_parsing=True)
    parts = [f"# inr {name}", *prose(command.help or "")]
    parts.append(f"```\ninr {name} {' '.join(command.collect_usage_pieces(context))}\n```")
    for group, rows in command.options_by_group(context).items():
        parts += [f"## {group}", table(("option", "meaning"), [(f"`{names}`", text) for names, text in rows])]
    return "\n\n".join([*parts, "[All commands](README.md)"])


def field_page(name: str, cls: type[FieldConfig]) -> str:
    config = cls()
    shared = [base for base in cls.__bases__ if base not in (Mlp, FieldConfig)]
    said = [text for each in (cls, *shared) for text in prose(inspect.getdoc(each) or "")]
    parts = [f"# {name}", *said, f"Source: {cls.paper}."]
    parts += [f"```sh\ninr fit photo.png --field {name}\ninr fit photo.png --field {name} --print-config\n```"]
    parts += ["## Settings", "`--set KEY=VALUE`. What is `none` is decided for the signal, or as its meaning says."]
    parts += [settings_table(cls, "field.", "../parts.md")]
    for setting in settings_of(cls):
        part = getattr(config, setting.name)
        if isinstance(part, Config) and part.slot is not None and type(part) not in PLAIN:
            parts += [f"### {setting.name}: `{part.type_name}`", *prose(inspect.getdoc(type(part)) or "")]
    if cls.deviations:
        parts += ["## Differences from the source", "\n".join(f"- {sentence(d)}" for d in cls.deviations)]
    parts += ["## Recipes", "Settings of a fit where none are given; [all settings](../training.md)."]
    parts += [*searched(cls), table(("signal", "settings"), list(recipes(config, "best")))]
    if cls.paper_recipe is not FieldConfig.paper_recipe:
        parts += ["`--recipe paper`, of the source:"]
        parts += [table(("signal", "settings"), list(recipes(config, "paper")))]
    parts += measured(name, cls)
    parts += ["## Export", table(("format", "this field"), list(exports(config)))]
    return "\n\n".join([*parts, "[All fields](README.md)"])


def sentence(deviation: Deviation) -> str:
    subject = deviation.subject
    number = deviation.for_pictures if deviation.for_distances is None else deviation.for_distances
    said = f"`{subject}`. The paper: {deviation.paper}. Here: {deviation.here}, because {deviation.because}."
    if number is None:
        return said
    return f"{said} The paper's number: `--set {subject}={number:g}`; `--recipe paper` changes only the training."


def searched(cls: type[FieldConfig]) -> Iterator[str]:
    """Where the best recipe comes from."""
    best = cls.searched_recipe()
    if best is not None and best.record:
        of = f" for `{best.searched}`, and confirmed by a fit of this family" if best.searched else ""
        yield f"`--recipe best`, the default, found by a search{of} (record `{best.record}`):"


def recipes(config: FieldConfig, name: RecipeName) -> Iterator[tuple[str, str]]:
    for what, spec in SPECS.items():
        try:
            recipe = config.resolve(spec).named_recipe(name, spec)
        except InrError as error:
            yield what, f"not for it: {error.message}"
            continue
        yield what, ", ".join(f"`fit.{key}={value}`" for key, value in flat(recipe)) or "the defaults"


def flat(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """`optimizer=adam`, then `optimizer.beta2=0.99`."""
    for key, value in document.items():
        if isinstance(value, Config):
            value = value.to_json()
        if not isinstance(value, Mapping):
            yield prefix + key, value if isinstance(value, str) else json.dumps(value)
            continue
        yield prefix + key, str(value["type"])
        yield from flat({k: v for k, v in value.items() if k != "type"}, f"{prefix}{key}.")


def exports(config: FieldConfig) -> Iterator[tuple[str, str]]:
    """Formats, and yes or why not, with the default settings and a picture of 24 x 24."""
    spec = Spec("image", 2, 3, (24, 24))
    field = config.resolve(spec).build(spec, torch.Generator().manual_seed(0))
    frame = Frame(Domain((0.0, 0.0), (24.0, 24.0), ("x", "y"), "pixels"), (0.0,) * 3, (1.0,) * 3)
    fit = Fit(field=field, spec=spec, frame=frame, meta={}, settings=FitConfig())
    yield ", ".join(EVERYWHERE), "yes"
    try:
        lower(fit)
        yield ", ".join(FROM_OPS), "yes"
    except InrError as error:
        yield ", ".join(FROM_OPS), f"no: {error.message}"
    for names in (SHADERS, ("tcnn",)):
        exporter = EXPORTERS[names[0]]()
        try:
            exporter.encode(fit, exporter.suffixes[0])
            yield ", ".join(names), "yes"
        except InrError as error:
            hint = f" ({error.hint})" if error.hint else ""
            yield ", ".join(names), f"no: {error.message}{hint}"


def training_page() -> str:
    parts = ["# Training", *prose(inspect.getdoc(FitConfig) or "")]
    parts += [
        "`--set KEY=VALUE`. A family's recipe comes before the defaults here.",
        settings_table(FitConfig, "fit.", ""),
    ]
    for slot in slots_of(FitConfig):
        parts += [f"## {slot.what}", *(text for name in slot for text in variant(name, slot[name]))]
    return "\n\n".join(parts)


def parts_page() -> str:
    found = {slot.what: slot for name in FIELDS for slot in slots_of(FIELDS[name])}
    parts = ["# Parts of fields", "In `mlp` and the families built on it: `--set field.encoding=random_fourier`, then"]
    parts[-1] += " `--set field.encoding.sigma=10`."
    for slot in found.values():
        parts += [f"## {slot.what}", *(text for name in slot for text in variant(name, slot[name]))]
    return "\n\n".join(parts)


def variant(name: str, cls: type[Config]) -> Iterator[str]:
    yield f"### `{name}`"
    yield from prose(inspect.getdoc(cls) or "")
    if settings_of(cls):
        yield settings_table(cls, "", "")


def slots_of(cls: type[Config]) -> Iterator[Any]:
    """The registries of the slots among the settings of a class."""
    for setting in settings_of(cls):
        yield from slots_of_annotation(setting.annotation)


def slots_of_annotation(annotation: Any) -> Iterator[Any]:
    options = getattr(annotation, "__args__", (annotation,))
    yield from (o.slot for o in options if isinstance(o, type) and issubclass(o, Config) and o.slot is not None)


def settings_table(cls: type[Config], prefix: str, parts: str) -> str:
    """parts: the page that lists the variants of the slots."""
    rows = []
    for key, setting in flat_settings(cls, prefix):
        label = setting.type_label
        if slot := next(slots_of_annotation(setting.annotation), None):
            label = label.replace(slot.what, f"[{slot.what}]({parts}#{slot.what.replace(' ', '-')})")
        rows.append((f"`{key}`", label, f"`{default_text(setting)}`", setting.param.bounds(), setting.param.help))
    return table(("setting", "type", "default", "range", "meaning"), rows)


def prose(text: str) -> list[str]:
    """Paragraphs of a docstring or of a command's help, in which examples stand behind a backspace."""
    blocks = [block for block in re.split(r"\n\s*\n", inspect.cleandoc(text)) if block.strip()]
    return [
        f"```sh\n{block.strip(chr(8)).strip(chr(10))}\n```"
        if block.lstrip().startswith("\b")
        else block.replace("[*", "[\\*")  # a shape, not emphasis
        for block in blocks
    ]


def first_line(text: str | None) -> str:
    return (text or "").strip().splitlines()[0]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"

    return "\n".join([line(head), "|" + "---|" * len(head), *map(line, rows)])


def write() -> None:
    """Write every page, and remove generated ones that are not made any more."""
    made = pages()
    for path in DOCS.rglob("*.md"):
        if path.read_text("utf-8").startswith(MADE) and path.relative_to(DOCS).as_posix() not in made:
            path.unlink()
    for name, text in made.items():
        path = DOCS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    write()
