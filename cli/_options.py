"""Options that several commands share: one name, one help text, one completion for each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inr.core.errors import UsageError
from inr.core.files import descriptor_of

if TYPE_CHECKING:
    from inr.fields import RecipeName

INPUT, VIEW, RATE, MODEL, TRAINING, OUTPUT, MACHINE, OTHER = GROUPS = (
    "Input",
    "What to evaluate",
    "Rate and quality",
    "Model",
    "Training",
    "Output",
    "Machine",
    "Other",
)
MOST = 2**53 - 1
"""The largest whole number of an option, as of a setting: JSON readers keep it exactly."""
LARGEST = 3.4e38
"""The same for other numbers: the largest float32."""


def complete_field(incomplete: str) -> list[str]:
    """Field families, read from the files' text: importing them would import torch."""
    return _registered("fields", incomplete)


def complete_kind(incomplete: str) -> list[str]:
    return _registered("signals", incomplete)


def complete_job(incomplete: str) -> list[str]:
    return _registered("batch", incomplete)


def complete_format(incomplete: str) -> list[str]:
    return _registered("exporters", incomplete)


def complete_recipe(incomplete: str) -> list[str]:
    return [name for name in ("best", "paper") if name.startswith(incomplete)]


def complete_device(incomplete: str) -> list[str]:
    return [name for name in ("auto", "cpu", "cuda", "mps") if name.startswith(incomplete)]


def _registered(folder: str, incomplete: str) -> list[str]:
    import inr
    from inr.core.registry import names_without_import

    names = names_without_import(Path(inr.__file__).parent / folder)
    return [name for name in names if name.startswith(incomplete)]


TRACK_SHARE = 0.1
"""Seconds that measurements of the tangent kernel may take per second of a fit, if --track-ntk is given."""


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


ANY_PORT = "any"
OPTIONAL_VALUES = {"--watch": ANY_PORT}
"""Options whose value may be left out, and the value that they then have."""

Watch = Annotated[
    str | None,
    typer.Option(
        "--watch",
        metavar="[=PORT]",
        help="Serve a page on this machine that shows the run. Without PORT: any that is free.",
        rich_help_panel=VIEW,
    ),
]
OpenPage = Annotated[bool, typer.Option("--open", help="Open that page in a browser.", rich_help_panel=VIEW)]
Linger = Annotated[
    str | None,
    typer.Option(
        "--linger",
        metavar="T",
        help="Serve it for a time after the end: 30s, 10m. Default: until Ctrl-C.",
        rich_help_panel=VIEW,
    ),
]
SignalInput = Annotated[str, typer.Argument(metavar="IN", help="A file; - reads stdin; analytic:torus is a formula.")]
Model = Annotated[str, typer.Argument(metavar="MODEL", help="A file written by inr fit; - reads stdin.")]
SolidModel = Annotated[str, typer.Argument(metavar="MODEL", help="A fitted shape or point cloud; - reads stdin.")]
Settings = Annotated[list[str] | None, assignments("Any setting: field.*, fit.* or signal.*")]
SignalSettings = Annotated[list[str] | None, assignments("Setting of the signal: signal.*", INPUT)]


def output_name(name: str | None) -> str | None:
    """`-o`, in which /dev/stdout and similar names are `-`: messages must not get into the result."""
    return "-" if name is not None and descriptor_of(Path(name)) == 1 else name


OutputPath = Annotated[
    str | None,
    typer.Option(
        "-o",
        "--output",
        metavar="FILE",
        help="Where to write; - is stdout. Default: a name made from the input's, in the current folder.",
        callback=output_name,
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
        help="Print more; twice: also tracebacks of internal errors.",
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
ConfigFile = Annotated[
    str | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Settings as TOML, or a tiny-cuda-nn configuration (.json); options and --set win over it.",
        rich_help_panel=MODEL,
    ),
]
Fresh = Annotated[
    str | None,
    typer.Option(
        "--fresh",
        metavar="WHAT",
        help="Choose a frequency setting by the signal's spectrum: auto, or activation.omega=30,60,90.",
        rich_help_panel=MODEL,
    ),
]
TrackNtk = Annotated[
    bool,
    typer.Option(
        "--track-ntk",
        help="Measure the tangent kernel during the fit, within 10 % of its time, and store that in the model file.",
        rich_help_panel=TRAINING,
    ),
]
Dtype = Annotated[
    str | None,
    typer.Option(
        "--dtype",
        metavar="TYPE",
        help="Type of the stored numbers: float16, float32 or auto (float16 if it loses at most 0.05 dB; default).",
        rich_help_panel=OUTPUT,
    ),
]
Params = Annotated[
    int | None,
    typer.Option(
        "--params",
        metavar="N",
        help="Parameters of the field, at most. Its size settings follow.",
        rich_help_panel=MODEL,
    ),
]
ModelSize = Annotated[
    str | None,
    typer.Option(
        "--size",
        metavar="BYTES",
        help="Bytes of the model file, at most: 20000, 20k, 1.5M. In 16 bits unless --dtype is float32.",
        rich_help_panel=MODEL,
    ),
]
Recipe = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Settings where no other option gives them: best, found by a search, or paper, those of the source.",
        autocompletion=complete_recipe,
        rich_help_panel=TRAINING,
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
CheckpointFolder = Annotated[
    Path | None,
    typer.Option(
        "--checkpoint",
        metavar="DIR",
        help="Folder for checkpoints. Default: OUT.checkpoint.",
        rich_help_panel=TRAINING,
    ),
]
SaveEvery = Annotated[
    int | None,
    typer.Option(metavar="N", help="Write a checkpoint every N steps.", rich_help_panel=TRAINING),
]
Resume = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Resume from a checkpoint, with its settings.", rich_help_panel=TRAINING),
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
        help="Force a kernel backend; see inr doctor. Default: the best that fits, or INR_BACKEND.",
        rich_help_panel=MACHINE,
    ),
]
Kind = Annotated[
    str | None,
    typer.Option(
        "--kind",
        metavar="NAME",
        help=f"{', '.join(complete_kind(''))}. Default: by the suffix, or by the first bytes of -.",
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
        help="Inputs at a time, each in its own process. Default: 1.",
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
        help="Best quality within this many bits per pixel, sample or element.",
        rich_help_panel=RATE,
    ),
]
Size = Annotated[
    str | None,
    typer.Option(metavar="BYTES", help="Best quality within a file size: 20000, 20k, 1.5M.", rich_help_panel=RATE),
]
Quality = Annotated[
    float | None,
    typer.Option(metavar="0..100", help="From 0 (small) to 100 (good). Default: 50.", rich_help_panel=RATE),
]
Effort = Annotated[
    int | None,
    typer.Option(
        metavar="1..9",
        help="Time to spend. On a picture of 768 x 512 with two cores: 1 a preview in seconds, 3 about a minute, "
        "5 two to three minutes, 7 a quarter of an hour, 9 smallest file. For equal PSNR 5 takes about 7 % more bytes "
        "than 6 and 15 % more than 7. Default: 5.",
        rich_help_panel=RATE,
    ),
]


def complete_tune(incomplete: str) -> list[str]:
    return [name for name in ("psnr", "perceptual") if name.startswith(incomplete)]


Tune = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="psnr, or perceptual: also for multi-scale structural similarity (MS-SSIM). Pictures only.",
        autocompletion=complete_tune,
        rich_help_panel=RATE,
    ),
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
        help="Do not verify the file by decoding it in a separate process.",
        rich_help_panel=OUTPUT,
    ),
]


def check_count(option: str, value: int | None, least: int = 1) -> None:
    """UsageError for a number that is too small; None is allowed."""
    if value is not None and value < least:
        raise UsageError(f"{option} is {value}, expected a whole number >= {least}")


def fit_flags(
    steps: int | None,
    time: str | None,
    target_psnr: float | None,
    lr: float | None = None,
    batch: int | None = None,
    seed: int | None = None,
    *,
    track_ntk: bool = False,
    dtype: str | None = None,
) -> dict[str, Any]:
    """The settings of a fit that have separate options, if they are given."""
    flags = {
        "steps": steps,
        "time_s": None if time is None else seconds(time, "--time"),
        "target_psnr_db": target_psnr,
        "lr": lr,
        "batch": batch,
        "seed": seed,
        "track_ntk": TRACK_SHARE if track_ntk else None,
        "dtype": dtype,
    }
    return {key: value for key, value in flags.items() if value is not None}


def recipe(name: str) -> RecipeName:
    """The name of a recipe. UsageError for any other."""
    if name not in ("best", "paper"):
        raise UsageError(f"--recipe is {name!r}, expected best or paper")
    return "best" if name == "best" else "paper"


def signal_options(settings: list[str] | None) -> dict[str, str]:
    """`signal.KEY=VALUE` of a command whose --set has nothing else."""
    found = {}
    for text in settings or []:
        key, sep, value = text.partition("=")
        if not sep or not key.startswith("signal."):
            raise UsageError(f"--set is {text!r}, expected signal.KEY=VALUE")
        found[key.removeprefix("signal.")] = value
    return found


def names(text: str, option: str) -> list[str]:
    """Names separated by commas, each once."""
    found = [name.strip() for name in text.split(",") if name.strip()]
    if len(set(found)) != len(found) or not found:
        raise UsageError(f"{option} is {text!r}, expected different families, separated by commas")
    return found


def size_bytes(text: str, option: str) -> int:
    """`20000`, `20k`, `1.5M` in bytes, powers of 1000."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kKmM]?)[bB]?", text.strip(), re.ASCII)
    n_bytes = 0.0 if match is None else float(match[1]) * {"": 1, "k": 1000, "m": 1_000_000}[match[2].lower()]
    if not 0 < n_bytes <= MOST:
        raise UsageError(f"{option} is {text!r}, expected a size such as 20000, 20k or 1.5M")
    return max(1, round(n_bytes))


def seconds(text: str, option: str) -> float:
    """`30`, `30s`, `2m` or `1h` in seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip(), re.ASCII)
    found = 0.0 if match is None else float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]
    if not 0 < found <= MOST:
        raise UsageError(f"{option} is {text!r}, expected a time such as 30, 30s, 2m or 1h")
    return found


def numbers(text: str, option: str, form: str) -> tuple[float, ...]:
    """Numbers separated by commas or x: `640x480`, `10,20,100,50`."""
    try:
        values = tuple(float(part) for part in re.split(r"[x,]", text))
    except ValueError as error:
        raise UsageError(f"{option} is {text!r}, expected {form}") from error
    if not all(abs(value) <= MOST for value in values):
        raise UsageError(f"{option} is {text!r}, expected {form}")
    return values


def whole_numbers(text: str, option: str, form: str) -> tuple[int, ...]:
    values = numbers(text, option, form)
    if not all(value.is_integer() for value in values):
        raise UsageError(f"{option} is {text!r}, expected {form}")
    return tuple(int(value) for value in values)
