"""The verdict of a report in sentences: one rule each, with the number behind it and its source.

How accurate forecasts are was measured on fits of small networks (`inr/ntk/forecast/accuracy.py`). Where the kernel
hardly changed (alignment with the start of RICH or more) the kernel's own forecast holds; where it changed it often
does not: the verdict then says "at most", and `is_reliable` is False. A rehearsal of the whole run on a tenth of the
samples is right more often. This holds for runs that can be followed (`Report.is_followed`). For large networks on
large pictures each band has one rate, which in long runs of small networks was wrong by tens of dB, mostly too
optimistic.

Advice to change a setting is given only if a trial of that setting left less unlearned.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

from inr.ntk.advice_gains import gains_of
from inr.ntk.forecast.accuracy import accuracy_of
from inr.ntk.report import UNCHANGED, Finding, Rehearsal, Report, Trial

NEGLIGIBLE = 1e-3
"""Share of the target's energy below which bands do not matter: 30 dB below the signal."""
BETTER = 0.9
"""A setting is advised if its trial leaves at most this share of what was unlearned."""
WORTH_DB = 1.0
"""A setting that was rehearsed is advised if it leaves so much less."""
NAMED = 4
"""Settings that are advised at once, at most."""
REHEARSED, RANKED = "benchmarks/rehearsals.py", "benchmarks/rankings.py"
RICH, LAZY = 0.9, 0.99
"""Alignment with the kernel at the start. Below RICH, predictions from the start are rough; above LAZY, they hold."""
WHITE = 0.01
FLAT_DB, LOW_ALIGNMENT = 10.0, 0.1
STEPS_WORTH_SAYING = 10.0
FOLLOWED = 0.1
"""Share of the samples of the rehearsal that is recommended where the kernel changes."""
FEW = 30
"""Forecasts; of fewer the verdict says how many there were, and not a share of ten."""

Rule = Callable[[Report], Finding | None]


def judge(report: Report) -> Report:
    """The report with the sentences of its verdict."""
    found = [finding for rule in RULES if (finding := rule(report)) is not None]
    verdict = dataclasses.replace(report.verdict, is_reliable=is_reliable(report), findings=tuple(found))
    return dataclasses.replace(report, verdict=verdict)


def is_reliable(r: Report) -> bool:
    """Whether the kernel that was read is still close to that of the start, and so represents the whole run, or the
    whole run was rehearsed."""
    return r.is_linear or not r.steps or r.cka_init >= RICH or r.rehearsal is not None


def exact(r: Report) -> Finding | None:
    """The kernel of a linear model is constant."""
    if not r.is_linear:
        return None
    return Finding(
        "exact",
        "The field is linear in its parameters, so its kernel is constant and these predictions are exact for gradient "
        "descent.",
        "f(theta + d) + f(theta - d) = 2 f(theta) to rounding",
        "Jacot et al. 2018, arXiv:1806.07572",
    )


def unlearned(r: Report) -> Finding | None:
    """How much of the target the run will not learn."""
    v = r.verdict
    if not math.isfinite(v.unlearned):
        return None
    if not r.bands and r.rehearsal is not None:
        return Finding(
            "unlearned",
            f"{percent(v.unlearned)} of the target's energy will be left after {r.steps + r.rehearsed} steps.",
            f"rehearsals on {percent(r.rehearsal.share)} of the run's samples, and the effect of the batch",
            REHEARSED,
        )
    if not r.bands:
        return Finding(
            "unlearned",
            f"{percent(v.unlearned)} of the target's energy lies in modes that {r.steps} steps of gradient descent at "
            "half its largest stable rate do not learn.",
            "residual in the kernel's eigenbasis",
            "Arora et al. 2019, arXiv:1901.08584",
        )
    if not r.steps:
        return Finding(
            "unlearned",
            f"{percent(v.unlearned)} of the target's energy lies in bands that the closed form does not learn.",
            "more than half of those bands' energy is left",
            "Xu et al. 2019, arXiv:1901.06523",
        )
    if v.unlearned <= NEGLIGIBLE:
        return Finding(
            "unlearned",
            f"All important bands are learned within {r.steps} steps; {percent(v.unlearned)} of the target's energy is "
            "not.",
            "forecast of Adam by band",
            "Xu et al. 2019, arXiv:1901.06523",
        )
    if r.rehearsal is not None:
        return _rehearsed(r, r.rehearsal)
    if not is_reliable(r):
        return Finding(
            "unlearned",
            f"At most {percent(v.unlearned)} of the target's energy is not learned in {r.steps} steps, in bands from "
            f"{v.from_rho:.3g} cycles per sample upwards. How much is uncertain because the kernel is still changing.",
            f"more than half of those bands' energy is left in the forecast of {r.optimizer} with the kernel as it is",
            "Xu et al. 2019, arXiv:1901.06523; Adam's kernel after Cohen et al. 2022, arXiv:2207.14484",
        )
    limit = f"; they alone limit PSNR to about {v.psnr_limit:.1f} dB" if math.isfinite(v.psnr_limit) else ""
    return Finding(
        "unlearned",
        f"{percent(v.unlearned)} of the target's energy lies in bands that {r.steps} steps will not learn, from "
        f"{v.from_rho:.3g} cycles per sample upwards{limit}.",
        f"more than half of those bands' energy is left in the forecast of {r.optimizer}",
        "Xu et al. 2019, arXiv:1901.06523; Adam's kernel after Cohen et al. 2022, arXiv:2207.14484",
    )


def _rehearsed(r: Report, rehearsal: Rehearsal) -> Finding:
    """Which bands a rehearsal of the whole run leaves, and how often such forecasts were right."""
    v, total = r.verdict, r.steps + r.rehearsed
    right = f" ({how_often(rehearsal.right, rehearsal.said)} such forecasts were right)" if rehearsal.said else ""
    return Finding(
        "unlearned",
        f"Bands from {v.from_rho:.3g} cycles per sample upwards stay unlearned after {total} steps{right}: "
        f"{percent(v.unlearned)} of the target's energy.",
        f"more than half of those bands' energy is left, from rehearsals on {percent(rehearsal.share)} of the run's "
        "samples and the effect of the batch",
        REHEARSED,
    )


def follow_it(r: Report) -> Finding | None:
    """If the forecast does not hold because the kernel changes: what does."""
    if is_reliable(r) or r.state != "start":
        return None
    quick, followed = (percent(accuracy_of(share).right) for share in (None, FOLLOWED))
    return Finding(
        "follow_it",
        f"This is the quick forecast: where the kernel changes, {quick} of the bands that it calls unlearned are. With "
        f"--rehearse {100 * FOLLOWED:g}% it is {followed}, and rates, optimizers and schedules are tried: it takes a "
        "tenth of the fit's samples, and each trial at most a thirtieth. Fits of a few seconds are done sooner than "
        "this report.",
        f"debiased CKA {r.cka_init:.3f} below {RICH}",
        REHEARSED,
    )


def more_steps(r: Report) -> Finding | None:
    """How many steps would learn the missing bands, if that is at most ten times as many."""
    missing = [b for b in r.bands if not b.is_learned]
    reachable = [b for b in missing if b.half_step <= STEPS_WORTH_SAYING * r.steps]
    gained = sum(b.target_energy for b in reachable)
    total = sum(b.target_energy for b in r.bands)
    if not reachable or gained < 0.05 * sum(b.target_energy for b in missing) or gained < NEGLIGIBLE * total:
        return None
    need = max(b.half_step for b in reachable)
    return Finding(
        "more_steps",
        f"About {rounded(need)} steps would learn the bands up to {max(b.high for b in reachable):.3g} cycles per "
        f"sample, {percent(gained / total)} of the target's energy.",
        "time until half is left, by band",
        "tau = M / (2 lr kappa), Jacot et al. 2018, arXiv:1806.07572",
    )


def try_setting(r: Report) -> Finding | None:
    """The best of the settings that were tried, if it is better than the present one."""
    helpful = named_trials(r)
    if not helpful:
        return None
    best, *others = helpful
    if r.rehearsal is not None:
        text = f"Try {best.setting}: rehearsed, it leaves {best.gain_db:.1f} dB less of the signal."
        if others:
            text += " Also better: " + ", ".join(f"{t.setting} ({t.gain_db:.1f} dB)" for t in others) + "."
        text += " " + gains_of(best.setting, is_rehearsed=True).sentence()
        return Finding("try_setting", text, f"rehearsals of the whole run; gains of at least {WORTH_DB:g} dB", RANKED)
    left = f"{percent(best.unlearned)} unlearned, the present settings {percent(_base(r))}"
    text = f"Try {best.setting}: a short trial left {left}."
    if others:
        text += " Also better: " + ", ".join(f"{t.setting} ({percent(t.unlearned)})" for t in others) + "."
    text += " " + gains_of(best.setting, is_rehearsed=False).sentence()
    source = next((why for part, why in SOURCES.items() if part in best.setting), "tried on the kernel")
    return Finding("try_setting", text, "the same forecast with the setting changed", source)


def named_trials(r: Report) -> list[Trial]:
    """The settings that the verdict advises, best first: at most NAMED."""
    if r.verdict.unlearned <= NEGLIGIBLE and r.rehearsal is None:
        return []
    tried = [t for t in r.trials if t.setting != UNCHANGED]
    if r.rehearsal is not None:
        return [t for t in tried if t.gain_db >= WORTH_DB][:NAMED]
    here = _base(r)
    return [t for t in tried if t.unlearned <= BETTER * here][:NAMED]


def nothing_helps(r: Report) -> Finding | None:
    """If settings were tried and none is better."""
    if not r.trials or r.verdict.unlearned <= NEGLIGIBLE:
        return None
    here = _base(r)
    tried = [t for t in r.trials if t.setting != UNCHANGED]
    if r.rehearsal is not None:
        is_better = any(t.gain_db >= WORTH_DB for t in tried)
    else:
        is_better = bool(tried) and min(t.unlearned for t in tried) <= BETTER * here
    if not tried or is_better:
        return None
    return Finding(
        "nothing_helps",
        f"None of the settings tried ({', '.join(t.setting for t in tried)}) learns more: compare "
        "other field families, or take more steps.",
        "the same forecast with each setting changed",
        "tried on the kernel",
    )


def coarse(r: Report) -> Finding | None:
    """The forecast has one rate per band."""
    if not r.bands or not r.steps or r.is_followed or r.is_linear or r.rehearsal is not None:
        return None
    return Finding(
        "coarse",
        "The run was too large to be followed, so the forecast has one rate per band: parts of a band forecast as "
        "learned may be left. A part of the signal, or a smaller network, can be followed.",
        "points x parameters x products with the kernel above the limit; that of mode full is twenty times higher",
        "benchmarks/forecasts.py",
    )


def regime(r: Report) -> Finding | None:
    """Whether the kernel has changed, and so whether predictions from it hold."""
    if r.drift is None or r.is_linear or not math.isfinite(r.cka_init):
        return None
    since = f"{r.rehearsed} steps" if r.state == "start" else "training"
    if r.cka_init < RICH and r.rehearsal is not None:
        return Finding(
            "rich",
            f"Rich regime: after {since} the kernel has changed (alignment {r.cka_init:.2f} with the start, trace "
            f"{r.drift.trace_ratio:.2g} times). The forecast follows it, because the whole run was rehearsed.",
            f"debiased CKA {r.cka_init:.3f} below {RICH}",
            "Fort et al. 2020, arXiv:2010.15110",
        )
    if r.cka_init < RICH:
        return Finding(
            "rich",
            f"Rich regime: after {since} the kernel has changed (alignment {r.cka_init:.2f} with the start, trace "
            f"{r.drift.trace_ratio:.2g} times). The forecast is not reliable: bands forecast as learned mostly are, "
            f"but so are {percent(1 - accuracy_of(None).right)} of those forecast as unlearned.",
            f"debiased CKA {r.cka_init:.3f} below {RICH}",
            "Fort et al. 2020, arXiv:2010.15110",
        )
    if r.cka_init > LAZY:
        return Finding(
            "lazy",
            f"Lazy regime: after {since} the kernel is still that of the start (alignment {r.cka_init:.3f}), so the "
            "linearised predictions hold.",
            f"debiased CKA {r.cka_init:.3f} above {LAZY}",
            "Chizat et al. 2019, arXiv:1812.07956",
        )
    return None


def too_broad(r: Report) -> Finding | None:
    """A kernel that is as strong at the finest frequencies as at the coarsest, and not aligned with the target."""
    inner = [b.kappa for b in r.bands[1:] if b.kappa > 0]
    if len(inner) < 4 or r.modes.kta >= LOW_ALIGNMENT:
        return None
    fall = 10 * math.log10(max(inner) / min(inner))
    if fall > FLAT_DB:
        return None
    return Finding(
        "too_broad",
        f"The kernel is flat up to the finest frequencies ({fall:.1f} dB) and hardly aligned with the target (KTA "
        f"{r.modes.kta:.2f}): noise is learned as fast as the signal. For a smoother fit, lower omega, sigma or the "
        "finest level.",
        f"kappa falls {fall:.1f} dB, KTA {r.modes.kta:.3f}",
        "Cristianini et al. 2001; Tancik et al. 2020, arXiv:2006.10739",
    )


def edge(r: Report) -> Finding | None:
    """Gradient descent at the run's learning rate would not be stable."""
    if r.optimizer not in ("sgd", "gd") or r.sharpness < 0.8 * 2 / r.lr:
        return None
    return Finding(
        "edge",
        f"Sharpness {r.sharpness:.3g} is {r.sharpness * r.lr / 2:.2g} of 2 / lr: the loss will oscillate; lower the "
        f"rate to {r.stable_lr:.2g} or warm up.",
        "(2 / M) lambda_1 against 2 / lr",
        "Cohen et al. 2021, arXiv:2103.00065",
    )


def white(r: Report) -> Finding | None:
    """A target that is not in the kernel's leading modes; a rehearsal sees better whether it is learned."""
    if r.modes.top10 >= WHITE or len(r.modes.energy) < 100 or r.rehearsal is not None:
        return None
    return Finding(
        "white",
        f"The ten leading modes hold {percent(r.modes.top10)} of the target: for this kernel it is noise. Only more "
        "parameters help; a grid is the cheapest way to add them.",
        f"cumulative alignment at 10 modes {r.modes.top10:.4f}",
        "Arora et al. 2019, arXiv:1901.08584",
    )


SOURCES = {
    "sigma": "Tancik et al. 2020, arXiv:2006.10739",
    "finest": "Mueller et al. 2022, arXiv:2201.05989",
    "levels": "Mueller et al. 2022, arXiv:2201.05989",
    "winner": "Chandravamsi et al. 2025, arXiv:2509.09719",
    "fourier_reparam": "Shi et al. 2024, CVPR, arXiv:2401.07402",
    "frequency": "Tancik et al. 2020, arXiv:2006.10739",
    "lr": "tau = M / (2 lr kappa)",
}
"""The source of each kind of trial, by a part of its setting."""

RULES: tuple[Rule, ...] = (
    exact,
    unlearned,
    follow_it,
    more_steps,
    try_setting,
    nothing_helps,
    coarse,
    regime,
    too_broad,
    white,
    edge,
)


def _base(r: Report) -> float:
    return next((t.unlearned for t in r.trials if t.setting == UNCHANGED), r.verdict.unlearned)


def percent(share: float) -> str:
    """`12 %`, `0.4 %`, `< 0.01 %`."""
    if share < 1e-4:
        return "< 0.01 %"
    return f"{100 * share:.2g} %" if share < 0.995 else "100 %"


def how_often(right: int, said: int) -> str:
    """`9 of 10`, of said > 0; `4 of 5` and no rounding if there are fewer than FEW."""
    return f"{right} of {said}" if said < FEW else f"{round(10 * right / said)} of 10"


def rounded(steps: float) -> str:
    """Two digits: `1,200`."""
    digits = max(0, math.floor(math.log10(max(steps, 1))) - 1)
    return f"{round(steps / 10**digits) * 10**digits:,.0f}"
