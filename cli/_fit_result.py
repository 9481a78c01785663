"""What commands print and write about a fit that ended: a summary line, a rendering, advice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from inr.core.errors import UsageError
from inr.core.text import count_of, printable

from ._io import PIPE, OutputTarget
from ._output import human_bytes, human_metric, human_seconds

if TYPE_CHECKING:
    from inr.fitting import Fit
    from inr.signals import Signal


def fit_summary(result: Fit, headline: str, name: str, n_bytes: int) -> str:
    """`kodim05.safetensors  40.31 dB PSNR  981,234 parameters  3.9 MB  11.2 s`."""
    quality = human_metric(headline, result.metrics.get(headline))
    size = f"{result.field.n_params:,} parameters  {human_bytes(n_bytes)}"
    return f"{printable(name)}  {quality}  {size}  {human_seconds(result.seconds)}"


def rendering_target(name: str | None, signal: Signal, *, force: bool) -> OutputTarget | None:
    """The file of --render, checked before any work is done; None if there is none."""
    if name is None:
        return None
    if name == PIPE:
        raise UsageError("--render is -, expected a file name", "write the model to stdout with -o -")
    return OutputTarget.of(name, "", force=force, suffixes=signal.formats)


def write_rendering(result: Fit, target: OutputTarget) -> tuple[str, ...]:
    """Write what a fit looks like on its signal's own lattice, in the format of the target's suffix; returns notes."""
    bands, meta = result.bands()
    with target.opened() as file:
        return result.kind.write_bands(bands, meta, file, target.suffix(result.kind.formats[0]))


def tracking_line(track: Mapping[str, Any]) -> str:
    """How often the tangent kernel was measured during a fit, and what came out last."""
    looks = track["looks"]
    if "stopped" in track:
        return f"tangent kernel: {len(looks)} measurements, then they failed: {track['stopped']}"
    if not looks:
        return "tangent kernel: not measured, the fit was too short\nhint: --set fit.track_ntk=1 allows more time"
    steps = ", ".join(str(look["step"]) for look in looks)
    last = "" if looks[-1]["cka"] is None else f", CKA with the start {looks[-1]['cka']:.3f}"
    return f"tangent kernel: measured at steps {steps}{last}; {human_seconds(track['seconds'])} in addition to the fit"


def advice(result: Fit) -> str:
    """What to know about a fit that diverged, missed its target or was stopped."""
    if result.outcome == "diverged":
        return (
            f"diverged: the loss is not finite after step {result.steps}; the last good state was written\n"
            f"hint: use a smaller --lr (it was {result.settings.lr:g}), or --set fit.clip=1"
        )
    if result.outcome == "interrupted":
        planned = "" if result.settings.steps is None else f" of {result.settings.steps}"
        return f"stopped from the page after {result.steps}{planned} steps; the file was written"
    target = result.settings.target_psnr_db
    reached, steps = result.metrics["psnr_db"], count_of(result.steps, "step")
    return f"target not reached: {reached:.2f} dB of {target:g} dB after {steps}; the file was written"
