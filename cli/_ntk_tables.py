"""The tables of `inr ntk`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from inr.core.text import printable, rough_percent

from ._output import Output, human_seconds, say

if TYPE_CHECKING:
    from inr.ntk import Report
    from inr.ntk.problem_kernel import ProblemKernel
    from inr.ntk.track_log import Track


def say_report(out: Output, report: Report) -> None:
    """The numbers of one report, its bands, and the verdict."""
    r = report
    state = "trained" if r.state == "trained" else f"after {r.rehearsed} steps" if r.rehearsed else "at its start"
    say(f"{r.field} on {printable(r.signal)}, {state}: {r.n_params:,} parameters, {r.steps} steps to come\n")
    out.table(["number", "value", "what it is"], _numbers(r), right=["value"])
    if r.bands:
        say("")
        columns = ["cycles/sample", "target", "kernel", "now left", "left by GD", "left", "half at step", ""]
        has_intervals = any(math.isfinite(b.left_high) for b in r.bands)
        if has_intervals:
            columns.insert(6, "9 of 10 within")
        out.table(columns, _bands(r, has_intervals=has_intervals), right=columns[:-1])
    say("")
    for finding in r.verdict.findings:
        say(f"- {finding.text}")
    out.note(f"measured in {human_seconds(sum(r.seconds.values()))}")


def say_problem(out: Output, kernel: ProblemKernel) -> None:
    """Blocks, bands and findings of a boundary-value problem."""
    rows = [[title, f"{trace:.3g}", f"{kernel.weights[title]:.3g}"] for title, trace in kernel.traces.items()]
    out.table(["rows", "mean diagonal", "weight to balance"], rows, right=["mean diagonal", "weight to balance"])
    say("")
    columns = ["cycles", "|p|", "rate of residual", "rate of solution", "half at step"]
    bands = [
        [f"{b.cycles:g}", f"{b.symbol:.3g}", f"{b.residual:.2e}", f"{b.solution:.2e}", f"{b.steps:,.0f}"]
        for b in kernel.bands
    ]
    out.table(columns, bands, right=columns)
    modes = ", ".join(f"{n} of {kernel.size} above the rounding of {name}" for name, n in kernel.modes.items())
    say(f"\ncondition {kernel.condition:.3g}; modes: {modes}")
    for finding in kernel.findings:
        say(f"- {finding}")


def say_reports(out: Output, reports: Sequence[Report]) -> None:
    """One row for each of several fields, least unlearned first."""
    from inr.ntk.verdict import percent

    columns = ["field", "parameters", "rank", "KTA", "roll-off", "unlearned", "from", "PSNR near", "kernel change"]
    rows = [
        [
            r.field,
            f"{r.n_params:,}",
            f"{r.modes.ranks.entropy:.3g}",
            f"{r.modes.kta:.2f}",
            "none" if r.roll_off is None else f"{r.roll_off:.3g}",
            percent(r.verdict.unlearned),
            "" if math.isnan(r.verdict.from_rho) else f"{r.verdict.from_rho:.3g}",
            f"{r.verdict.psnr_limit:.1f} dB" if math.isfinite(r.verdict.psnr_limit) else "",
            "" if r.drift is None else f"{1 - r.cka_init:.2f}",
        ]
        for r in sorted(reports, key=lambda r: r.verdict.unlearned)
    ]
    out.table(columns, rows, right=columns[1:])


def say_track(out: Output, track: Track) -> None:
    """The log of a tracked fit, by step."""
    columns = ["step", "seconds", "loss", "CKA with start", "lowest band left", "highest band left"]
    rows = [
        [f"{e.step}", f"{e.seconds:.1f}", f"{e.loss:.4g}", f"{e.cka:.3f}", *(f"{100 * v:.3g} %" for v in track.ends(e))]
        for e in track.entries
    ]
    out.table(columns, rows, right=columns)


def _numbers(r: Report) -> list[tuple[str, str, str]]:
    m = r.modes
    rows = [
        ("effective rank", f"{m.ranks.entropy:.4g} of {m.size}", "modes that make up the kernel"),
        ("stable rank", f"{m.ranks.stable:.4g}", "trace over the largest eigenvalue"),
        ("condition", f"{m.condition_target:.3g}", "to learn 99 % of the target"),
        ("90 % of the target", f"{m.energy90} modes", f"the first ten hold {100 * m.top10:.3g} %"),
        ("alignment", f"{m.kta:.3f}", f"KTA; centred {m.cka_target:.3f}, label-gradient {m.lga:.3f}"),
        ("largest stable rate", f"{2 * r.stable_lr:.3g}", f"of gradient descent; sharpness {r.sharpness:.3g}"),
    ]
    if math.isfinite(m.dimension):
        about = f"modes that gradient descent follows in {r.steps} steps"
        rows.insert(1, ("effective dimension", f"{m.dimension:.4g} of {m.size}", about))
    if m.laws is not None and m.laws.holds:
        about = f"p of loss ~ steps^-p under gradient descent: source exponent {m.laws.source:.2f}"
        rows.append(("loss exponent", f"{m.laws.loss:.2f}", f"{about}, eigenvalues ~ k^-{m.laws.capacity:.2f}"))
    if r.roll_off is not None:
        about = f"cycles per sample, -20 dB; target's centroid {r.centroid:.3g}"
        rows.append(("roll-off", f"{r.roll_off:.3g}", about))
    elif r.bands:
        rows.append(("roll-off", "none", f"within 20 dB to the corner; target's centroid {r.centroid:.3g}"))
    if r.drift is not None:
        about = f"CKA; trace {r.drift.trace_ratio:.3g} times, overlap of 10 modes {r.drift.overlap:.2f}"
        rows.append(("kernel since start", f"{r.cka_init:.3f}", about))
    if not r.wide.why:
        rows.append(("infinite width", f"{r.wide.cka:.3f}", f"CKA at the start; trace {r.wide.trace_ratio:.3g} times"))
    if math.isfinite(r.wide.nngp_left):
        about = f"left at other samples by NNGP from {r.wide.points}; NTK {_percent(r.wide.ntk_left)}; the field is "
        rows.append(("wide posterior", _percent(r.wide.nngp_left), f"{about}{_percent(r.wide.gap)} away from NNGP"))
    if r.rehearsal is not None:
        cost, about = r.rehearsal, f"on {rough_percent(r.rehearsal.share)} % of the fit's samples"
        if math.isfinite(cost.fit_seconds) and cost.fit_seconds > 0:
            about += (
                f"; {cost.seconds / cost.fit_seconds:.2g} of the fit's time, about {human_seconds(cost.fit_seconds)}"
            )
        rows.append(("rehearsal", human_seconds(cost.seconds), about))
    most = sorted(r.layers.items(), key=lambda item: -item[1])[:4]
    rows.append(("trace by layer", "", ", ".join(f"{name} {100 * share:.2g} %" for name, share in most)))
    rows += [
        (f"predicted {c.optimizer}", f"{100 * c.error:.2g} %", f"largest error over {c.steps[-1]} steps")
        for c in r.convergence
    ]
    if r.training_jacobian:
        s = r.training_jacobian
        unchanged, above = sum(0.99 < v < 1.01 for v in s), sum(v >= 1.01 for v in s)
        about = f"largest; {above} of {len(s)} above 1, {unchanged} unchanged"
        rows.append(("training Jacobian", f"{s[0]:.3g}", about))
    return rows


def _bands(r: Report, *, has_intervals: bool) -> list[list[str]]:
    total = sum(b.target_energy for b in r.bands) or 1.0
    top = max(b.kappa for b in r.bands)
    beyond = "never" if r.rehearsal is None else "later"  # a rehearsal says nothing of the steps after the run
    return [
        [
            "constant" if b.rho == 0 else f"{b.low:.3g} - {b.high:.3g}",
            _percent(b.target_energy / total),
            f"{10 * math.log10(b.kappa / top) if b.kappa > 0 else -math.inf:.1f} dB",
            _percent(b.residual_energy),
            _percent(b.left_gd),
            _percent(b.left_adam),
            *([f"{rough_percent(b.left_low)} - {rough_percent(b.left_high)} %"] if has_intervals else []),
            beyond if math.isinf(b.half_step) else f"{b.half_step:,.0f}",
            "" if b.is_learned else "not learned",
        ]
        for b in r.bands
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %" if share >= 5e-5 or share == 0 else "< 0.01 %"
