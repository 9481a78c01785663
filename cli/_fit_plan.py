"""What `inr fit` prints before it begins: the plan in one line, as a document and as settings for --config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from inr.core.text import count_of, printable

from ._machine import check_memory
from ._output import Output, human_bytes, human_seconds, say_bytes

if TYPE_CHECKING:
    from inr.workflows.fit import FitPlan
    from inr.workflows.forecast import Forecast
    from inr.workflows.fresh import FrequencyChoice


def check_training_memory(n_params: int) -> None:
    """Raises UnavailableError when that many parameters cannot be trained on this machine."""
    from inr.workflows.fit import BYTES_PER_PARAMETER

    check_memory(
        n_params * BYTES_PER_PARAMETER, f"training {n_params:,} parameters", "use a smaller field: inr fields NAME"
    )


def plan_line(plan: FitPlan) -> str:
    """`hash_grid for 768x512x3 image: 1,000,000 parameters, 2000 steps, seed 0, cpu`."""
    spec = plan.signal.spec
    size = "" if spec.shape is None else "x".join(map(str, spec.shape)) + f"x{spec.d_out} "
    return (
        f"{plan.field.type_name} for {size}{spec.kind}: {plan.n_params:,} parameters, {_end_of(plan)}, "
        f"seed {plan.settings.seed}, {plan.device}"
    )


def forecast_line(forecast: Forecast, plan: FitPlan) -> str:
    """`expected: 12.3 s, more than 44.9 dB PSNR, 640 MB of memory, a file of 1.8 MB`."""
    settings = plan.settings
    by_time = f"{human_seconds(forecast.seconds)} with {count_of(forecast.steps, 'step')}"
    is_by_time = settings.steps is None or forecast.steps < settings.steps
    time = by_time if is_by_time else human_seconds(forecast.seconds)
    if settings.rounds > 1 and settings.steps is not None:
        time = f"{time} for the first {count_of(settings.steps, 'step')}"
    half, full = (human_bytes(n) for n in forecast.file_bytes)
    size = {"float16": half, "float32": full}.get(settings.dtype, f"{half} ({full} if 16 bits cost quality)")
    parts = [time]
    if forecast.least_psnr_db is not None:
        parts.append(f"more than {forecast.least_psnr_db:.1f} dB PSNR")
    if forecast.memory_bytes is not None:
        parts.append(f"{human_bytes(forecast.memory_bytes)} of memory")
    return f"expected: {', '.join(parts)}, a file of {size}"


def narrowed_line(whole: FitPlan, narrow: FitPlan) -> str:
    """What `within_time` changed."""
    widths = [getattr(plan.field, "width", 0) for plan in (whole, narrow)]
    return (
        f"--time {narrow.settings.time_s:g} s is too short for {widths[0]} units per layer on this machine: "
        f"fitting {widths[1]} (--set field.width={widths[0]} keeps them)"
    )


def plan_text(plan: FitPlan, output: str, forecast: Forecast | None) -> str:
    """The lines of --dry-run. output: name of the model file."""
    settings = plan.settings
    rest = f"batch {settings.batch}, learning rate {settings.lr:g}, {settings.optimizer.type_name}"
    rest += f", {settings.schedule.type_name}"
    lines = [plan_line(plan), f"would write {printable(output)}; {rest}"]
    return "\n".join(lines if forecast is None else [*lines, forecast_line(forecast, plan)])


def plan_document(plan: FitPlan, output: str) -> dict[str, Any]:
    """The plan as JSON; also the first part of the document of a fit."""
    return {
        "output": output,
        "kind": plan.signal.spec.kind,
        "shape": plan.signal.spec.shape,
        "channels": plan.signal.spec.d_out,
        "n_params": plan.n_params,
        "device": str(plan.device),
        "seed": plan.settings.seed,
        "field": plan.field.to_json(),
        "fit": plan.settings.to_json(),
    }


def print_settings(out: Output, plan: FitPlan, signal_options: Mapping[str, str]) -> None:
    """All settings as TOML, or as JSON."""
    from inr.core.config import to_toml

    sections = {"field": plan.field.to_json(), "fit": plan.settings.to_json(), "signal": dict(signal_options)}
    if out.as_json:
        out.result("config", sections, "", "")
    else:
        say_bytes(to_toml(sections).encode())  # TOML is in UTF-8 whatever the locale


def frequency_line(choice: FrequencyChoice) -> str:
    """What FreSh chose, and the distances of all candidates."""
    tried = "  ".join(f"{v:g}: {d:.3g}" for v, d in choice.distances.items())
    return f"fresh: field.{choice.setting}={choice.value:g} is nearest to the signal's spectrum; distances {tried}"


def _end_of(plan: FitPlan) -> str:
    from inr.fitting.rounds import Rounds

    settings = plan.settings
    if settings.steps == 0:
        return "solved without steps"
    if settings.rounds > 1 and settings.steps is not None:
        total = Rounds(settings.steps, settings.rounds).total
        return f"until {settings.target_psnr_db:g} dB, at most {total} steps"
    parts = []
    if settings.steps is not None:
        parts.append(count_of(settings.steps, "step"))
    if settings.time_s is not None:
        parts.append(human_seconds(settings.time_s))
    if settings.target_psnr_db is not None:
        parts.append(f"{settings.target_psnr_db:g} dB")
    return " or ".join(parts)
