"""Options that several commands share: one name, one help text, one completion for each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from inr._errors import UsageError

INPUT, VIEW, AIM, MODEL, TRAINING, OUTPUT, MACHINE, OTHER = GROUPS = (
    "Input",
    "What to evaluate",
    "How small, how good",
    "Model",
    "Training",
    "Output",
    "Machine",
    "Other",
)


def complete_field(incomplete: str) -> list[str]:
    """Field families, read from the files' text: importing them would import torch."""
    return _registered("fields", incomplete)


def complete_kind(incomplete: str) -> list[str]:
    return _registered("signals", incomplete)


def complete_job(incomplete: str) -> list[str]:
    return _registered("batch", incomplete)


def complete_format(incomplete: str) -> list[str]:
    return _registered("export", incomplete)


def complete_device(incomplete: str) -> list[str]:
    return [name for name in ("auto", "cpu", "cuda", "mps") if name.startswith(incomplete)]


def _registered(folder: str, incomplete: str) -> list[str]:
    import inr
    from inr._registry import names_without_import

    names = names_without_import(Path(inr.__file__).parent / folder)
    return [name for name in names if name.startswith(incomplete)]


def assignments(help: str, panel: str = MODEL) -> Any:
    """`--set KEY=VALUE`; help: which settings, and of what."""
    return typer.Option("--set", metavar="KEY=VALUE", help=f"{help}; repeatable.", rich_help_panel=panel)


def family(help: str) -> Any:
    """`--field NAME`; help: what the family is for, and the default."""
    return typer.Option(
        "--field",
        metavar="NAME",
        help=help,
        show_default=False,
        autocompletion=complete_field,
        rich_help_panel=MODEL,
    )


SignalInput = Annotated[str, typer.Argument(metavar="IN", help="A file; - reads stdin; analytic:torus is a formula.")]
Model = Annotated[str, typer.Argument(metavar="MODEL", help="A file written by inr fit; - reads stdin.")]
Settings = Annotated[list[str] | None, assignments("Any setting: field.*, fit.* or signal.*")]
SignalSettings = Annotated[list[str] | None, assignments("Setting of the signal: signal.*", INPUT)]
OutputPath = Annotated[
    str | None,
    typer.Option(
        "-o",
        "--output",
        metavar="FILE",
        help="Where to write; - is stdout. Default: a name made from the input's, in the current folder.",
        rich_help_panel=OUTPUT,
    ),
]
Force = Annotated[
    bool,
    typer.Option("-f", "--force", help="Replace files that exist; write bytes to a terminal.", rich_help_panel=OUTPUT),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.", rich_help_panel=OUTPUT)]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print only the essential value.", rich_help_panel=OUTPUT)]
Verbose = Annotated[
    int,
    typer.Option(
        "-v",
        "--verbose",
        count=True,
        show_default=False,
        help="Say more; twice: also tracebacks of internal errors.",
        rich_help_panel=OUTPUT,
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format", metavar="NAME", help="png, wav, npy, ply ... Default: by the suffix of -o.", rich_help_panel=OUTPUT
    ),
]
NoProgress = Annotated[bool, typer.Option("--no-progress", help="No progress on stderr.", rich_help_panel=OUTPUT)]
Figure = Annotated[
    str | None,
    typer.Option(
        "-o",
        "--output",
        "--figure",
        metavar="FILE",
        help="Draw a figure: .png, .svg or .pdf.",
        rich_help_panel=OUTPUT,
    ),
]
Init = Annotated[
    str | None,
    typer.Option(
        "--init",
        metavar="FILE",
        help="Start at the parameters of a model of the same family, or of inr learn.",
        rich_help_panel=MODEL,
    ),
]
Rate = Annotated[
    float | None,
    typer.Option("--lr", metavar="RATE", help="Learning rate. Default: the family's.", rich_help_panel=TRAINING),
]
BatchSize = Annotated[
    int | None,
    typer.Option("--batch", metavar="N", help="Samples per step. Default: the family's.", rich_help_panel=TRAINING),
]
Steps = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Stop after N steps. Default: the family's, or no limit with --time.",
        rich_help_panel=TRAINING,
    ),
]
Time = Annotated[
    str | None, typer.Option(metavar="T", help="Stop after a time: 30, 30s, 2m, 1h.", rich_help_panel=TRAINING)
]
Seed = Annotated[
    int | None, typer.Option(metavar="N", help="Seed of everything random. Default: 0.", rich_help_panel=TRAINING)
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="NAME",
        envvar="INR_DEVICE",
        help="auto, cpu, cuda, cuda:INDEX or mps.",
        autocompletion=complete_device,
        rich_help_panel=MACHINE,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option("--threads", metavar="N", help="CPU threads. Default: torch's choice.", rich_help_panel=MACHINE),
]
Backend = Annotated[
    str | None,
    typer.Option(
        "--backend",
        metavar="NAME",
        help="Kernel backend to insist on; see inr doctor. Default: the best that fits, or INR_BACKEND.",
        rich_help_panel=MACHINE,
    ),
]
Kind = Annotated[
    str | None,
    typer.Option(
        "--kind",
        metavar="NAME",
        help="image, audio, shape, points or array. Default: told by the suffix, or the first bytes of -.",
        autocompletion=complete_kind,
        rich_help_panel=INPUT,
    ),
]


Jobs = Annotated[
    int,
    typer.Option(
        "-j",
        "--jobs",
        metavar="N",
        help="Inputs at a time, each in a process of its own. Default: 1.",
        show_default=False,
        rich_help_panel=MACHINE,
    ),
]


def complete_profile(incomplete: str) -> list[str]:
    return [name for name in ("grids", "pyramid", "weights") if name.startswith(incomplete)]


Bpp = Annotated[
    float | None,
    typer.Option(
        metavar="BITS",
        help="As good as can be within so many bits per pixel, sample or element.",
        rich_help_panel=AIM,
    ),
]
Size = Annotated[
    str | None,
    typer.Option(metavar="BYTES", help="As good as can be within a size: 20000, 20k, 1.5M.", rich_help_panel=AIM),
]
Quality = Annotated[
    float | None,
    typer.Option(metavar="0..100", help="A point between small and good. Default: 50.", rich_help_panel=AIM),
]
Effort = Annotated[
    int | None,
    typer.Option(metavar="1..9", help="How much time is spent to make it smaller. Default: 5.", rich_help_panel=AIM),
]
Profile = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="pyramid (pictures), grids or weights. Default: what suits the input.",
        autocompletion=complete_profile,
        rich_help_panel=MODEL,
    ),
]
NoVerify = Annotated[
    bool,
    typer.Option(
        "--no-verify",
        help="Do not decode the file in a fresh process before it is written.",
        rich_help_panel=OUTPUT,
    ),
]


def size_bytes(text: str, option: str) -> int:
    """`20000`, `20k`, `1.5M` in bytes, powers of 1000."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kKmM]?)[bB]?", text.strip())
    if match is None or float(match[1]) <= 0:
        raise UsageError(f"{option} is {text!r}, expected a size such as 20000, 20k or 1.5M")
    return round(float(match[1]) * {"": 1, "k": 1000, "m": 1_000_000}[match[2].lower()])


def seconds(text: str, option: str) -> float:
    """`30`, `30s`, `2m` or `1h` in seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if match is None or float(match[1]) <= 0:
        raise UsageError(f"{option} is {text!r}, expected a time such as 30, 30s, 2m or 1h")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def numbers(text: str, option: str, form: str) -> tuple[float, ...]:
    """Numbers separated by commas or x: `640x480`, `10,20,100,50`."""
    try:
        return tuple(float(part) for part in re.split(r"[x,]", text))
    except ValueError as error:
        raise UsageError(f"{option} is {text!r}, expected {form}") from error


def whole_numbers(text: str, option: str, form: str) -> tuple[int, ...]:
    values = numbers(text, option, form)
    if not all(value.is_integer() for value in values):
        raise UsageError(f"{option} is {text!r}, expected {form}")
    return tuple(int(value) for value in values)
