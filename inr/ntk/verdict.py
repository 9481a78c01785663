"""What a report means, in sentences: one rule each, with the number that it rests on and where it is from.

What a verdict can promise was measured on fits of small networks (benchmarks/forecasts.py, its table in
benchmarks/RESULTS.md). Where the kernel after the rehearsal is still that of the start (alignment 0.9 or more): of the
bands said to be left unlearned 98 % were, of those that were 99 % had been said, and the energy left was right within
0.2 dB (5 runs). Where it has moved (3 runs): every band that was left had been said, but about half of those said came
after all, and up to 6.5 dB less was left than forecast. So there the verdict says "at most", and is not `is_reliable`.
This is for runs that are followed (`Report.is_followed`); large pictures with large networks have one rate per band,
which on small ones was wrong by tens of dB in long runs, mostly towards learned.

A rule speaks only where the report's own numbers bear it out: advice to change a setting is given for settings that
were tried in the kernel and left less unlearned.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

from inr.ntk.report import Finding, Report

NEGLIGIBLE = 1e-3
"""A share of the target's energy below which bands are not worth a word: 30 dB under the signal."""
BETTER = 0.9
"""A trial is advice if it leaves at most so much of what was unlearned."""
RICH, LAZY = 0.9, 0.99
"""Centred alignment with the kernel at the start: below, predictions from the start are rough; above, they hold."""
WHITE = 0.01
FLAT_DB, LOW_ALIGNMENT = 10.0, 0.1
STEPS_WORTH_SAYING = 10.0

Rule = Callable[[Report], Finding | None]


def judge(report: Report) -> Report:
    """The report with the sentences of its verdict."""
    found = [finding for rule in RULES if (finding := rule(report)) is not None]
    verdict = dataclasses.replace(report.verdict, is_reliable=is_reliable(report), findings=tuple(found))
    return dataclasses.replace(report, verdict=verdict)


def is_reliable(r: Report) -> bool:
    """Is the kernel that was read still about that of the start, so that it may be taken for that of the run?"""
    return r.is_linear or not r.steps or r.cka_init >= RICH


def exact(r: Report) -> Finding | None:
    """A model that is linear in its parameters has one kernel for ever."""
    if not r.is_linear:
        return None
    return Finding(
        "exact",
        "The field is linear in its parameters: its kernel never changes, and for gradient descent these predictions "
        "are exact.",
        "f(theta + d) + f(theta - d) = 2 f(theta) to rounding",
        "Jacot et al. 2018, arXiv:1806.07572",
    )


def unlearned(r: Report) -> Finding | None:
    """How much of the target lies where the run does not come."""
    v = r.verdict
    if not math.isfinite(v.unlearned):
        return None
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
            f"{percent(v.unlearned)} of the target's energy lies in bands that the closed form does not reach.",
            "more than half of those bands' energy is left",
            "Xu et al. 2019, arXiv:1901.06523",
        )
    if v.unlearned <= NEGLIGIBLE:
        return Finding(
            "unlearned",
            f"All bands that matter are learned within {r.steps} steps: {percent(v.unlearned)} of the target's energy "
            "stays out of reach.",
            "forecast of Adam by band",
            "Xu et al. 2019, arXiv:1901.06523",
        )
    if r.cka_init < RICH and not r.is_linear:
        return Finding(
            "unlearned",
            f"At most {percent(v.unlearned)} of the target's energy stays out of reach of {r.steps} steps, in bands "
            f"from {v.from_rho:.3g} cycles per sample on; how much of it will come can not be told, as the kernel is "
            "changing.",
            f"more than half of those bands' energy is left in the forecast of {r.optimizer} with the kernel as it is",
            "Xu et al. 2019, arXiv:1901.06523; Adam's kernel after Cohen et al. 2022, arXiv:2207.14484",
        )
    limit = f"; left as they are they would keep PSNR near {v.psnr_limit:.1f} dB" if math.isfinite(v.psnr_limit) else ""
    return Finding(
        "unlearned",
        f"{percent(v.unlearned)} of the target's energy lies in bands that {r.steps} steps will not learn, from "
        f"{v.from_rho:.3g} cycles per sample on{limit}.",
        f"more than half of those bands' energy is left in the forecast of {r.optimizer}",
        "Xu et al. 2019, arXiv:1901.06523; Adam's kernel after Cohen et al. 2022, arXiv:2207.14484",
    )


def more_steps(r: Report) -> Finding | None:
    """Where the missing bands would come in a longer run of a length that anyone would run."""
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
    """The best of the settings that were tried, where it is better than what is."""
    if not r.trials or r.verdict.unlearned <= NEGLIGIBLE:
        return None
    best, here = r.trials[0], _base(r)
    if best.setting == BASE or best.unlearned > BETTER * here:
        return None
    left = f"{percent(best.unlearned)} unlearned, the field as it is {percent(here)}"
    text = f"Try {best.setting}: in a short trial it left {left}."
    others = [t for t in r.trials[1:] if t.setting != BASE and t.unlearned <= BETTER * here]
    if others:
        text += " Also better: " + ", ".join(f"{t.setting} ({percent(t.unlearned)})" for t in others[:3]) + "."
    source = next((why for part, why in SOURCES.items() if part in best.setting), "tried in the kernel")
    return Finding("try_setting", text, "the same forecast with the setting changed", source)


def nothing_helps(r: Report) -> Finding | None:
    """Where settings were tried and none is better."""
    if not r.trials or r.verdict.unlearned <= NEGLIGIBLE:
        return None
    here = _base(r)
    tried = [t for t in r.trials if t.setting != BASE]
    if not tried or min(t.unlearned for t in tried) <= BETTER * here:
        return None
    return Finding(
        "nothing_helps",
        f"None of the settings tried ({', '.join(t.setting for t in tried)}) reaches more: take another family "
        "(inr ntk --compare) or more steps.",
        "the same forecast with each setting changed",
        "tried in the kernel",
    )


def coarse(r: Report) -> Finding | None:
    """The forecast could not follow the run."""
    if not r.bands or not r.steps or r.is_followed or r.is_linear:
        return None
    return Finding(
        "coarse",
        "The run was too much work to be followed, so each band was given one rate: its slow half may be left where "
        "this says learned. A piece of the signal, or a smaller network, can be followed.",
        "points x parameters x products with the kernel above the mode's limit; --mode full has twenty times of it",
        "benchmarks/forecasts.py",
    )


def regime(r: Report) -> Finding | None:
    """Whether the kernel has moved, and so whether what is predicted from it will last."""
    if r.drift is None or r.is_linear or not math.isfinite(r.cka_init):
        return None
    since = f"{r.rehearsed} steps" if r.state == "start" else "training"
    if r.cka_init < RICH:
        return Finding(
            "rich",
            f"Rich regime: after {since} the kernel is another one (alignment {r.cka_init:.2f} with its start, trace "
            f"{r.drift.trace_ratio:.2g} times). The forecast is not to be relied on: what it calls learned mostly is, "
            "what it calls unlearned often still comes.",
            f"debiased CKA {r.cka_init:.3f} below {RICH}",
            "Fort et al. 2020, arXiv:2010.15110",
        )
    if r.cka_init > LAZY:
        return Finding(
            "lazy",
            f"Lazy regime: after {since} the kernel is what it was at the start (alignment {r.cka_init:.3f}), so the "
            "linearised predictions hold.",
            f"debiased CKA {r.cka_init:.3f} above {LAZY}",
            "Chizat et al. 2019, arXiv:1812.07956",
        )
    return None


def too_broad(r: Report) -> Finding | None:
    """A kernel as strong at the finest frequencies as at the coarsest, that does not point at the target."""
    inner = [b.kappa for b in r.bands[1:] if b.kappa > 0]
    if len(inner) < 4 or r.modes.kta >= LOW_ALIGNMENT:
        return None
    fall = 10 * math.log10(max(inner) / min(inner))
    if fall > FLAT_DB:
        return None
    return Finding(
        "too_broad",
        f"The kernel is flat to the finest frequencies ({fall:.1f} dB) and hardly aligned with the target (KTA "
        f"{r.modes.kta:.2f}): noise is learned as fast as the picture. For a smoother fit lower omega, sigma or the "
        "finest level.",
        f"kappa falls {fall:.1f} dB, KTA {r.modes.kta:.3f}",
        "Cristianini et al. 2001; Tancik et al. 2020, arXiv:2006.10739",
    )


def edge(r: Report) -> Finding | None:
    """Plain gradient descent at the run's rate would not be stable."""
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
    """A target that no leading mode of the kernel knows anything of."""
    if r.modes.top10 >= WHITE or len(r.modes.energy) < 100:
        return None
    return Finding(
        "white",
        f"The ten leading modes hold {percent(r.modes.top10)} of the target: to this kernel it is noise. Only more "
        "parameters help; a grid is the cheapest way to have them.",
        f"cumulative alignment at 10 modes {r.modes.top10:.4f}",
        "Arora et al. 2019, arXiv:1901.08584",
    )


BASE = "as it is"
SOURCES = {
    "omega": "Sitzmann et al. 2020, arXiv:2006.09661; Yuce et al. 2022, arXiv:2112.01917",
    "sigma": "Tancik et al. 2020, arXiv:2006.10739",
    "finest": "Mueller et al. 2022, arXiv:2201.05989",
    "levels": "Mueller et al. 2022, arXiv:2201.05989",
    "winner": "Chandravamsi et al. 2025, arXiv:2509.09719",
    "fourier_reparam": "Shi et al. 2024, CVPR, arXiv:2401.07402",
    "frequency": "Tancik et al. 2020, arXiv:2006.10739",
    "lr": "tau = M / (2 lr kappa)",
}
"""Where a trial is from, by a part of its setting."""

RULES: tuple[Rule, ...] = (
    exact,
    unlearned,
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
    return next((t.unlearned for t in r.trials if t.setting == BASE), r.verdict.unlearned)


def percent(share: float) -> str:
    """`12 %`, `0.4 %`, `< 0.01 %`."""
    if share < 1e-4:
        return "< 0.01 %"
    return f"{100 * share:.2g} %" if share < 0.995 else "100 %"


def rounded(steps: float) -> str:
    """Two digits: `1,200`."""
    digits = max(0, math.floor(math.log10(max(steps, 1))) - 1)
    return f"{round(steps / 10**digits) * 10**digits:,.0f}"
